import type { Device, Role } from '@usmp/gateway/contract'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import type { KeyText } from '../key.js'
import { deviceAddress, navigate } from '../router.js'
import { serverNow } from '../state/clock.js'
import { allRows, rowOf } from '../state/devices.js'
import { closeDialog } from '../state/dialogs.js'
import { tellDone } from '../state/notices.js'
import { clockTime, nameOf } from '../text.js'
import { DeviceId, DeviceText } from './device-text.js'
import { Dialog } from './dialog.js'
import { Field } from './field.js'
import { Form } from './form.js'
import { KeyField } from './key-field.js'

const DAY = 24 * 60 * 60_000
const BLOCK_DAYS = [1, 7, 30, 365] as const

/** Acts that take something away. Each names the device, says what will be, and notes a reason for the audit log. */
export function DangerDialog({ kind, id }: { kind: 'revoke' | 'remove' | 'block' | 'replace'; id: string }) {
  const device = rowOf(id)?.device.value
  if (!device)
    return (
      <Dialog title="This device is gone" onClose={closeDialog}>
        <p>Somebody else has removed it meanwhile.</p>
      </Dialog>
    )
  switch (kind) {
    case 'revoke':
      return <Revoke device={device} />
    case 'remove':
      return <Remove device={device} />
    case 'block':
      return <Block device={device} />
    case 'replace':
      return <Replace device={device} />
  }
}

function Revoke({ device }: { device: Device }) {
  return (
    <Confirm
      device={device}
      title="Revoke"
      verb="Revoke"
      act={(reason) => api.revoke(device.id, { rev: device.rev, ...reason })}
      done="is revoked, and its key is wiped."
    >
      <p>
        Its session ends at once, and the gateway wipes its key. The device cannot come back before it is removed and
        approved again.
      </p>
    </Confirm>
  )
}

function Remove({ device }: { device: Device }) {
  return (
    <Confirm
      device={device}
      title="Remove"
      verb="Remove"
      act={async (reason) => {
        await api.remove(device.id, { rev: device.rev, ...reason })
        navigate('/')
      }}
      done="is removed."
    >
      <p>
        Its name, settings and history are deleted, and its session ends. If the device knocks again while the join
        window is open, it waits like a new one.
      </p>
    </Confirm>
  )
}

function Block({ device }: { device: Device }) {
  const [days, setDays] = useState<number>(30)
  return (
    <Confirm
      device={device}
      title="Block"
      verb="Block"
      act={(reason) =>
        api.block(device.id, { rev: device.rev, until: Math.round(serverNow() + days * DAY), ...reason })
      }
      done={`is blocked for ${days} ${days === 1 ? 'day' : 'days'}.`}
    >
      <p>The gateway drops whatever comes with this id, without an answer, and does not show it as waiting.</p>
      <fieldset class="segments">
        <legend>For</legend>
        {BLOCK_DAYS.map((value) => (
          <label key={value}>
            <input type="radio" name="days" checked={days === value} onChange={() => setDays(value)} />
            <span>{value === 1 ? '1 day' : `${value} days`}</span>
          </label>
        ))}
      </fieldset>
    </Confirm>
  )
}

/** The frame of all of them. */
function Confirm({
  device,
  title,
  verb,
  needs = 'admin',
  unless = null,
  act,
  done,
  children,
}: {
  device: Device
  title: string
  verb: string
  needs?: Role
  unless?: string | null
  act: (reason: { reason?: string }) => Promise<unknown>
  done: string
  children: ComponentChildren
}) {
  const [reason, setReason] = useState('')
  const name = nameOf(device)
  const submit = async () => {
    await act(reason.trim() === '' ? {} : { reason: reason.trim() })
    tellDone(`${name} ${done}`)
    closeDialog()
  }
  return (
    <Dialog
      title={
        <>
          {title} <DeviceText text={device.name || device.id} />?
        </>
      }
      onClose={closeDialog}
    >
      <Form needs={needs} verb={verb} look="danger" unless={unless} onCancel={closeDialog} onSubmit={submit}>
        <p>
          <DeviceId id={device.id} />
        </p>
        {children}
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

function Replace({ device }: { device: Device }) {
  const [chosen, setChosen] = useState<string | null>(null)
  const [text, setText] = useState('')
  const [key, setKey] = useState<KeyText>({ kind: 'empty' })
  const waiting = allRows.value.map((row) => row.device.value).filter(({ state }) => state === 'waiting')
  const by = waiting.find(({ id }) => id === chosen)
  const needsKey = by?.knock && !by.knock.proven
  const unless = !by ? 'Choose the new hardware first.' : needsKey && key.kind !== 'key' ? 'Give its key first.' : null

  const act = async (reason: { reason?: string }) => {
    if (!by?.knock) return
    const psk = key.kind === 'key' ? { psk: key.psk } : {}
    const replaced = await api.replace(device.id, {
      rev: device.rev,
      by: by.id,
      proofId: by.knock.proofId,
      ...psk,
      ...reason,
    })
    navigate(deviceAddress(replaced.id))
  }

  return (
    <Confirm
      device={device}
      title="Replace the hardware of"
      verb="Replace"
      unless={unless}
      act={act}
      done="has new hardware; name, settings and history stay."
    >
      <p>The new hardware takes over name, settings and history. The old one is revoked.</p>
      {waiting.length === 0 ? (
        <p class="fault">No hardware is waiting. Open the join window and switch the new device on.</p>
      ) : (
        <fieldset class="choices">
          <legend>New hardware</legend>
          {waiting.map(({ id, knock }) => (
            <label key={id}>
              <input type="radio" name="by" checked={chosen === id} onChange={() => setChosen(id)} />
              <DeviceId id={id} />
              <span class="dim num">proof of {knock ? clockTime(knock.lastAt) : '–'}</span>
            </label>
          ))}
        </fieldset>
      )}
      {needsKey && (
        <KeyField
          text={text}
          onText={(next, read) => {
            setText(next)
            setKey(read)
          }}
          verdict={key.kind === 'unfinished' ? { kind: 'note', text: key.why } : null}
        />
      )}
    </Confirm>
  )
}
