import type { Knock } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { isCode } from '../failure.js'
import { sameWay } from '../knock.js'
import { allRows, rowOf } from '../state/devices.js'
import { closeDialog } from '../state/dialogs.js'
import { placeText, plural } from '../text.js'
import { DeviceId } from './device-text.js'
import { Dialog } from './dialog.js'
import { Form } from './form.js'

/** One device of the list as it was when the dialog was opened, and what became of it. */
interface Line {
  readonly id: string
  readonly seen: Knock
  readonly outcome: { readonly kind: 'asked' | 'busy' | 'approved' } | { readonly kind: 'failed'; readonly why: string }
}

/** Lets in all devices whose proof fits the master key, one after the other. Who knocks meanwhile is not among them. */
export function ApproveProvenDialog() {
  const [lines, setLines] = useState<readonly Line[]>(provenLines)
  const left = lines.filter(({ outcome }) => outcome.kind !== 'approved')
  const isBegun = lines.some(({ outcome }) => outcome.kind !== 'asked')

  const approve = async () => {
    for (const line of left) {
      const tell = (outcome: Line['outcome']) =>
        setLines((before) => before.map((other) => (other.id === line.id ? { ...other, outcome } : other)))
      tell({ kind: 'busy' })
      const why = await approveOne(line)
      tell(why === null ? { kind: 'approved' } : { kind: 'failed', why })
    }
  }

  const list = (
    <>
      <p>Their proofs fit the keys derived from the master key. No other key is needed.</p>
      <ul class="outcomes" aria-label="Devices">
        {lines.map((line) => (
          <LineView key={line.id} line={line} />
        ))}
      </ul>
      <p class="note" role="status">
        {isBegun && `${plural(lines.length - left.length, 'device')} of ${lines.length} approved.`}
      </p>
    </>
  )
  return (
    <Dialog title={`Approve ${plural(lines.length, 'proven device')}?`} onClose={closeDialog}>
      {left.length > 0 ? (
        <Form
          needs="operator"
          verb={isBegun ? `Try ${left.length} again` : `Approve ${left.length}`}
          onCancel={closeDialog}
          onSubmit={approve}
        >
          {list}
        </Form>
      ) : (
        <div class="form">
          {list}
          <div class="buttons">
            <button type="button" class="button primary" onClick={closeDialog}>
              Done
            </button>
          </div>
        </div>
      )}
    </Dialog>
  )
}

function LineView({ line: { id, seen, outcome } }: { line: Line }) {
  return (
    <li>
      <DeviceId id={id} />
      {outcome.kind === 'asked' && <bdi class="dim">{placeText(seen.carrier, seen.address)}</bdi>}
      {outcome.kind === 'busy' && <span class="dim">Approving</span>}
      {outcome.kind === 'approved' && <span class="badge online">✓ Approved</span>}
      {outcome.kind === 'failed' && <span class="fault">{outcome.why}</span>}
    </li>
  )
}

function provenLines(): Line[] {
  return allRows
    .peek()
    .map((row) => row.device.peek())
    .filter(({ state, knock }) => state === 'waiting' && knock?.proven)
    .map(({ id, knock }) => ({ id, seen: knock!, outcome: { kind: 'asked' } }))
}

/** @returns why it was not approved; null: it was */
async function approveOne({ id, seen }: Line): Promise<string | null> {
  const knock = rowOf(id)?.device.peek().knock
  if (!knock) return 'It does not wait any more.'
  if (!knock.proven) return 'Its newest proof does not fit the master key.'
  if (!sameWay(knock, seen)) return 'It knocked again from another place. Look at it by itself.'
  try {
    await api.approve(id, { proofId: knock.proofId })
    return null
  } catch (error) {
    if (isCode(error, 'PROOF_CHANGED')) return 'It knocked again in this moment. Nothing was stored.'
    return error instanceof Error ? error.message : String(error)
  }
}
