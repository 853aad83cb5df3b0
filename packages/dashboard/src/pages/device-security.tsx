import type { Device } from '@usmp/gateway/contract'
import type { ComponentChildren } from 'preact'
import { api } from '../api.js'
import { Action } from '../parts/action.js'
import { CopyButton } from '../parts/copy-button.js'
import { DeviceId, DeviceText } from '../parts/device-text.js'
import { now } from '../state/clock.js'
import { hasKey } from '../state/device-list.js'
import { type OpenDialog, openDialog } from '../state/dialogs.js'
import { tellDone } from '../state/notices.js'
import { ago, dateTime, nameOf, placeText, plural, shown, whole } from '../text.js'

const KEY_SOURCES = {
  typed: 'typed when it was approved',
  registered: 'registered before it knocked',
  master: 'derived from the master key',
} as const

/** Who the device is, who has tried to be it, and how to cut it off. */
export function DeviceSecurity({ device }: { device: Device }) {
  return (
    <div class="cards">
      <section class="card">
        <h2>Identity</h2>
        <dl class="facts">
          <Fact word="Id">
            <DeviceId id={device.id} /> <CopyButton text={device.id} what="the id" />
          </Fact>
          <Fact word="Fingerprint">
            {device.fingerprint ? (
              <>
                <span class="mono fingerprint-text">{device.fingerprint}</span>{' '}
                <CopyButton text={device.fingerprint} what="the fingerprint" />
              </>
            ) : (
              'none: no key is stored'
            )}
          </Fact>
          <Fact word="Key">{device.keySource ? KEY_SOURCES[device.keySource] : 'none'}</Fact>
          <Fact word="First seen">{device.firstSeenAt === null ? 'never' : dateTime(device.firstSeenAt)}</Fact>
          {device.replaced.length > 0 && (
            <Fact word="Replaced hardware">
              {device.replaced.map((id) => (
                <DeviceId key={id} id={id} />
              ))}
            </Fact>
          )}
          {device.blockedUntil !== null && <Fact word="Blocked until">{dateTime(device.blockedUntil)}</Fact>}
        </dl>
      </section>
      <SessionCard device={device} />
      <AttemptsCard device={device} />
      <Danger device={device} />
    </div>
  )
}

function Fact({ word, children }: { word: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{word}</dt>
      <dd class="num">{children}</dd>
    </>
  )
}

function SessionCard({ device: { session } }: { device: Device }) {
  const dropped = Object.entries(session?.dropped ?? {}).filter(([, count]) => count > 0)
  return (
    <section class="card">
      <h2>Session</h2>
      {session ? (
        <dl class="facts">
          <Fact word="Since">{dateTime(session.since)}</Fact>
          <Fact word="Way">
            <bdi>{placeText(session.carrier, session.address)}</bdi>
          </Fact>
          <Fact word="Cipher suite">{shown(session.suite)}</Fact>
          <Fact word="Messages">
            {whole(session.messagesIn)} in, {whole(session.messagesOut)} out
          </Fact>
          <Fact word="Dropped frames">
            {dropped.length === 0
              ? 'none'
              : dropped.map(([code, count]) => (
                  <span key={code} class="tag mono">
                    {shown(code)} {whole(count)}
                  </span>
                ))}
          </Fact>
        </dl>
      ) : (
        <p class="dim">There is none now.</p>
      )}
    </section>
  )
}

function AttemptsCard({ device }: { device: Device }) {
  const { attempts, state } = device
  const what = hasKey(device) ? 'with this id and another key' : `with this id since it was ${state}`
  return (
    <section class="card">
      <h2>{hasKey(device) ? 'Wrong keys' : 'Attempts'}</h2>
      {attempts ? (
        <p>
          {plural(attempts.count, 'attempt')} {what}. The last came {ago(attempts.lastAt, now.value)} from{' '}
          <DeviceText text={attempts.lastAddress} />.{' '}
          {hasKey(device) ? 'The session of the true device was not touched.' : 'None was let in.'}
        </p>
      ) : (
        <p class="dim">There was no attempt {what}.</p>
      )}
    </section>
  )
}

function Danger({ device }: { device: Device }) {
  const { state, id, rev } = device
  const open = (kind: Extract<OpenDialog, { id: string }>['kind']) => () => {
    openDialog.value = { kind, id }
  }
  const isStored = state !== 'waiting'
  // Withdrawn while the store could not be written: what was not written can be tried again.
  const isHeldOut = state === 'blocked' && device.blockedUntil === null
  const isIn = isStored && state !== 'revoked' && (state !== 'blocked' || isHeldOut)
  return (
    <section class="card">
      <h2>Cut off</h2>
      {isHeldOut && (
        <p class="fault">Kept out until the gateway restarts, as the store could not be written. Do it again.</p>
      )}
      <ul class="dangers">
        {isIn && (
          <li>
            <span>End the session and wipe the key.</span>
            <Action needs="admin" look="danger" onAct={open('revoke')}>
              Revoke…
            </Action>
          </li>
        )}
        {isIn && (
          <li>
            <span>Keep name and history, change the hardware.</span>
            <Action needs="admin" onAct={open('replace')}>
              Replace hardware…
            </Action>
          </li>
        )}
        {state === 'blocked' && (
          <li>
            <span>Listen to this id again.</span>
            <Action
              needs="admin"
              onAct={async () => {
                await api.unblock(id, { rev })
                tellDone(`${nameOf(device)} is not blocked any more.`)
              }}
            >
              Unblock
            </Action>
          </li>
        )}
        {(state !== 'blocked' || isHeldOut) && (
          <li>
            <span>Ignore this id silently for some days.</span>
            <Action needs="admin" onAct={open('block')}>
              Block…
            </Action>
          </li>
        )}
        {isStored && (
          <li>
            <span>Delete it with its history.</span>
            <Action needs="admin" look="danger" onAct={open('remove')}>
              Remove…
            </Action>
          </li>
        )}
      </ul>
    </section>
  )
}
