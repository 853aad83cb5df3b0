import type { Device, Knock } from '@usmp/gateway/contract'
import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from '../api.js'
import { Failure, isCode } from '../failure.js'
import type { KeyText } from '../key.js'
import { hostOf, sameWay } from '../knock.js'
import { now } from '../state/clock.js'
import { rowOf } from '../state/devices.js'
import { closeDialog } from '../state/dialogs.js'
import { connected } from '../state/link.js'
import { tellDone } from '../state/notices.js'
import { ago, clockTime, placeText, plural } from '../text.js'
import { DeviceId, DeviceText } from './device-text.js'
import { Dialog } from './dialog.js'
import { Field } from './field.js'
import { Form } from './form.js'
import { KeyField, type KeyVerdict } from './key-field.js'

/** How the key in the field stands to the proof that is shown. */
type Check =
  | { readonly state: 'none'; readonly why: string | null }
  | { readonly state: 'checking' }
  | { readonly state: 'fits'; readonly psk: string; readonly fingerprint: string | null }
  | { readonly state: 'refused'; readonly why: string }
  | { readonly state: 'wrong'; readonly psk: string; readonly at: number }

/**
 * Lets a waiting device in. What is approved is always the proof that is shown: a newer one is shown, and its key checked, first. A newer one
 * that the key does not fit comes from somebody else, and does not take the place of one that it fits.
 */
export function ApproveDialog({ id }: { id: string }) {
  const device = rowOf(id)?.device.value
  if (!device?.knock)
    return (
      <Dialog title="Not waiting any more" onClose={closeDialog}>
        <p>
          {device
            ? `This device is ${device.state} now. Perhaps somebody else has decided.`
            : 'The device has left the list. It comes back when it knocks while the join window is open.'}
        </p>
      </Dialog>
    )
  return <Ask device={device} knock={device.knock} />
}

function Ask({ device, knock }: { device: Device; knock: Knock }) {
  const [shown, setShown] = useState(knock)
  const [text, setText] = useState('')
  const [key, setKey] = useState<KeyText>({ kind: 'empty' })
  const [check, setCheck] = useState<Check>({ state: 'none', why: null })
  /** The proof that was too old when it was approved. */
  const [changed, setChanged] = useState<string | null>(null)
  const [name, setName] = useState(device.name)
  const [group, setGroup] = useState('')
  const newest = useRef(0)
  /** Somebody with another key knocks with this id; each try of a key there would use up what the gateway allows. */
  const isContested = useRef(false)

  // A new proof from the same place is looked at by itself; from another place somebody has to look.
  const elsewhere = !sameWay(knock, shown)
  useEffect(() => {
    if (knock.proofId === shown.proofId || elsewhere) return
    if (check.state !== 'fits') return setShown(knock)
    if (isContested.current) return
    const settle = ({ state }: Check) => {
      if (state === 'fits') setShown(knock)
      else isContested.current = true
    }
    checkKey(device.id, knock, check.psk).then(settle, () => {})
  }, [knock.proofId, elsewhere, check.state])

  useEffect(() => {
    const mine = ++newest.current
    const settle = (result: Check) => {
      if (mine === newest.current) setCheck(result)
    }
    if (key.kind !== 'key') return setCheck({ state: 'none', why: key.kind === 'unfinished' ? key.why : null })
    if (key.id !== null && key.id !== device.id)
      return setCheck({ state: 'refused', why: `This code is for the device ${key.id}, not for this one.` })
    // A key that is wrong is told once; the gateway answers only so many of them.
    if (check.state === 'wrong' && check.psk === key.psk) return
    setCheck((before) => (before.state === 'fits' && before.psk === key.psk ? before : { state: 'checking' }))
    checkKey(device.id, shown, key.psk).then(settle, (error: unknown) => {
      // The newer proof is on its way to this page, and its coming begins the next check.
      if (!isCode(error, 'PROOF_CHANGED'))
        settle({ state: 'refused', why: error instanceof Failure ? error.message : String(error) })
    })
  }, [key, shown.proofId])

  const unless = elsewhere
    ? 'Look at the new proof first.'
    : check.state === 'fits' || (shown.proven && key.kind === 'empty')
      ? null
      : 'Give the key that fits first.'

  const approve = async () => {
    setChanged(null)
    try {
      const details = {
        ...(name.trim() ? { name: name.trim() } : {}),
        ...(group.trim() ? { group: group.trim() } : {}),
      }
      const psk = check.state === 'fits' ? { psk: check.psk } : {}
      const { name: given } = await api.approve(device.id, { proofId: shown.proofId, ...psk, ...details })
      tellDone(`${given || device.id} is approved. It comes online by itself.`)
      closeDialog()
    } catch (error) {
      if (!isCode(error, 'PROOF_CHANGED')) throw error
      setChanged(shown.proofId)
      if (!isContested.current) return
      // The proof that the key fits is gone by now: back to the newest.
      isContested.current = false
      setCheck({ state: 'none', why: null })
    }
  }

  return (
    <Dialog title="Approve this device?" onClose={closeDialog}>
      <Form needs="operator" verb="Approve" unless={unless} onCancel={closeDialog} onSubmit={approve}>
        <Facts device={device} knock={shown} />
        {(elsewhere || changed !== null) && (
          <p class="fault" role="alert">
            <strong>
              Device knocked again{changed !== knock.proofId && ` ${ago(knock.lastAt, now.value)}`}: look again.
            </strong>{' '}
            {changed !== null && 'Nothing was stored. '}
            {elsewhere && (
              <>
                The new proof came from <DeviceText text={hostOf(knock)} />.{' '}
                <button type="button" class="button small" onClick={() => setShown(knock)}>
                  Look at it
                </button>
              </>
            )}
          </p>
        )}
        {shown.proven && (
          <p class="good-note">
            <span class="badge online">Proven</span> The key derived from the master key fits. No other key is needed.
          </p>
        )}
        {!shown.proven && (
          <KeyField
            text={text}
            onText={(next, read) => {
              setText(next)
              setKey(read)
            }}
            verdict={verdictOf(check, shown)}
          />
        )}
        {check.state === 'fits' && check.fingerprint && (
          <div class="fingerprint">
            <span class="dim">Fingerprint. Compare it with the log or label of the device:</span>
            <output class="mono">{check.fingerprint}</output>
          </div>
        )}
        <div class="two">
          <Field label="Name">
            {(ids) => (
              <input {...ids} maxLength={64} value={name} onInput={(event) => setName(event.currentTarget.value)} />
            )}
          </Field>
          <Field label="Group">
            {(ids) => (
              <input
                {...ids}
                maxLength={64}
                placeholder="none"
                value={group}
                onInput={(event) => setGroup(event.currentTarget.value)}
              />
            )}
          </Field>
        </div>
        {!connected.value && <p class="dim">The gateway is lost: nothing can be approved now.</p>}
      </Form>
    </Dialog>
  )
}

function Facts({ device, knock }: { device: Device; knock: Knock }) {
  return (
    <dl class="facts">
      <dt>Id</dt>
      <dd>
        <DeviceId id={device.id} />
      </dd>
      <dt>Knocked</dt>
      <dd class="num">
        {plural(knock.count, 'time')}, first at {clockTime(knock.firstAt)}
      </dd>
      <dt>Proof</dt>
      <dd class="num">
        of {clockTime(knock.lastAt)}, {ago(knock.lastAt, now.value)}
      </dd>
      <dt>From</dt>
      <dd>
        <bdi>{placeText(knock.carrier, knock.address)}</bdi>
      </dd>
    </dl>
  )
}

async function checkKey(id: string, knock: Knock, psk: string): Promise<Check> {
  const { fits, fingerprint } = await api.checkKey(id, { proofId: knock.proofId, psk })
  if (fits) return { state: 'fits', psk, fingerprint }
  return { state: 'wrong', psk, at: knock.lastAt }
}

function verdictOf(check: Check, knock: Knock): KeyVerdict | null {
  switch (check.state) {
    case 'none':
      return check.why === null ? null : { kind: 'note', text: check.why }
    case 'checking':
      return { kind: 'note', text: 'Checking' }
    case 'fits':
      return { kind: 'good', text: `This key fits the proof of ${clockTime(knock.lastAt)}.` }
    case 'wrong':
      return {
        kind: 'bad',
        text:
          check.at === knock.lastAt
            ? `This key does not fit the proof of ${clockTime(check.at)}. Nothing was stored.`
            : `This key did not fit an earlier proof, of ${clockTime(check.at)}. Nothing was stored.`,
      }
    case 'refused':
      return { kind: 'bad', text: check.why }
  }
}
