import type { Image, Rollout } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { isCode } from '../failure.js'
import { closeDialog } from '../state/dialogs.js'
import { images } from '../state/images.js'
import { tellDone } from '../state/notices.js'
import { imageName, totalsOf } from '../state/rollout-progress.js'
import { loadRollout, rolloutOf, takeRollout } from '../state/rollouts.js'
import { plural } from '../text.js'
import { DeviceText } from './device-text.js'
import { Dialog } from './dialog.js'
import { Field } from './field.js'
import { Form } from './form.js'
import { Signature } from './image-table.js'

/** Acts on a roll-out as the user sees it. If it has gone on meanwhile, the page shows that; the next try is about it. */
export async function actOnRollout(act: Promise<Rollout>, id: string): Promise<void> {
  try {
    takeRollout(await act)
  } catch (error) {
    if (isCode(error, 'CONFLICT')) await loadRollout(id)
    throw error
  }
}

/** Ends a roll-out, and says what that does not undo. */
export function AbortDialog({ id }: { id: string }) {
  const rollout = rolloutOf(id)
  const [reason, setReason] = useState('')
  if (!rollout) return null
  const { done, busy, waiting, offline } = totalsOf(rollout.counts)
  const restarting = (rollout.counts.rebooting ?? 0) + (rollout.counts.verifying ?? 0)
  const left = waiting + offline + busy - restarting
  const abort = async () => {
    const { rev } = rolloutOf(id) ?? rollout
    await actOnRollout(api.abortRollout(id, { rev, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) }), id)
    tellDone(`${rollout.name} is aborted.`)
    closeDialog()
  }
  return (
    <Dialog
      title={
        <>
          Abort <DeviceText text={rollout.name} />?
        </>
      }
      onClose={closeDialog}
    >
      <Form needs="operator" verb="Abort" look="danger" onCancel={closeDialog} onSubmit={abort}>
        <p>
          No device is offered the image any more, not even one that joins later, and transfers stop.{' '}
          {left > 0 && `${plural(left, 'device')} ${left === 1 ? 'keeps' : 'keep'} the firmware of today. `}
          An aborted roll-out cannot be continued.
        </p>
        <p>
          <b>What this does not undo:</b>{' '}
          {done > 0 &&
            `${plural(done, 'device')} ${done === 1 ? 'is' : 'are'} updated and ${done === 1 ? 'stays' : 'stay'} so. `}
          {restarting > 0 &&
            `${plural(restarting, 'device')} that ${restarting === 1 ? 'restarts' : 'restart'} into the image now cannot be called back. `}
          {done + restarting === 0
            ? 'nothing, as no device has the image yet.'
            : 'To go back, publish the earlier firmware with a counter that is not lower, and roll it out.'}
        </p>
        <Field label="Reason, for the audit log">
          {(ids) => (
            <input
              {...ids}
              maxLength={256}
              placeholder="none"
              value={reason}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          )}
        </Field>
      </Form>
    </Dialog>
  )
}

export function RemoveImageDialog({ id }: { id: string }) {
  const image = images.value?.find((one) => one.id === id)
  if (!image) return null
  return <RemoveImage image={image} />
}

function RemoveImage({ image }: { image: Image }) {
  const name = imageName(image)
  const remove = async () => {
    await api.removeImage(image.id)
    tellDone(`${name} is deleted.`)
    closeDialog()
  }
  return (
    <Dialog
      title={
        <>
          Delete <bdi>{name}</bdi>?
        </>
      }
      onClose={closeDialog}
    >
      <Form needs="admin" verb="Delete" look="danger" onCancel={closeDialog} onSubmit={remove}>
        <dl class="facts">
          <dt>Version</dt>
          <dd class="num">{image.version}</dd>
          <dt>SHA-256</dt>
          <dd class="mono">{image.sha256}</dd>
          <dt>Key</dt>
          <dd>
            <Signature image={image} />
          </dd>
        </dl>
        <p>The gateway removes the file. Devices that run it are not touched. You can add the bundle again.</p>
      </Form>
    </Dialog>
  )
}
