import type { Signal } from '@preact/signals'
import type { Rollout, RolloutDevice } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { deviceAddress, query, setQuery } from '../router.js'
import { now } from '../state/clock.js'
import { rowOf } from '../state/devices.js'
import { isLeft, KINDS, type Kind, kindOf, kindWord, percentOf } from '../state/rollout-progress.js'
import { ago, plural, shown, span } from '../text.js'
import { updateFault } from '../update-words.js'
import { Action } from './action.js'
import { DeviceId, DeviceText } from './device-text.js'
import { UpdateBadge } from './rollout-badge.js'
import { actOnRollout } from './rollout-dialogs.js'

/** Rows that are drawn at first, and with each further step. */
const STEP = 200

/** Devices of a roll-out; those that a person has to look at first. */
export function RolloutDeviceTable({
  rollout,
  devices,
}: {
  rollout: Rollout
  devices: readonly Signal<RolloutDevice>[]
}) {
  const [most, setMost] = useState(STEP)
  const filter = KINDS.find((kind) => kind === query('state')) ?? null
  const sorted = devices.map((device) => ({ device, kind: kindOf(device.peek().state) })).sort(inOrder)
  const list = sorted.filter(({ kind }) => filter === null || kind === filter)
  return (
    <section class="stack" aria-labelledby="rollout-devices">
      <div class="tools">
        <h2 id="rollout-devices">Devices</h2>
        <Chips rollout={rollout} kinds={sorted.map(({ kind }) => kind)} filter={filter} />
      </div>
      {list.length === 0 ? (
        <p class="nothing">
          {devices.length === 0
            ? 'No device of this product is known yet. Those that join are updated.'
            : 'No device is in this state now.'}
        </p>
      ) : (
        <table class="plain rows rollout-devices">
          <caption class="sr">Devices of the roll-out</caption>
          <thead>
            <tr>
              <th scope="col" class="who">
                Device
              </th>
              <th scope="col" class="state">
                State
              </th>
              <th scope="col" class="stage">
                Stage
              </th>
              <th scope="col" class="since">
                Since
              </th>
              <th scope="col">What is wrong, and what to do</th>
            </tr>
          </thead>
          <tbody>
            {list.slice(0, most).map(({ device }) => (
              <DeviceRow key={device.peek().id} device={device} rollout={rollout} />
            ))}
          </tbody>
        </table>
      )}
      {list.length > most && (
        <button type="button" class="button" onClick={() => setMost(most + STEP)}>
          Show more of {plural(list.length, 'device')}
        </button>
      )}
    </section>
  )
}

interface Entry {
  readonly device: Signal<RolloutDevice>
  readonly kind: Kind
}

function inOrder(a: Entry, b: Entry): number {
  const [one, other] = [a.device.peek(), b.device.peek()]
  return KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || one.stage - other.stage || (one.id < other.id ? -1 : 1)
}

function Chips({ rollout, kinds, filter }: { rollout: Rollout; kinds: readonly Kind[]; filter: Kind | null }) {
  const counts = KINDS.map((kind) => ({ kind, count: kinds.filter((one) => one === kind).length }))
  return (
    <fieldset class="chips">
      <legend class="sr">Show only</legend>
      <button type="button" class="chip" aria-pressed={filter === null} onClick={() => setQuery({ state: null })}>
        All <span class="num">{kinds.length}</span>
      </button>
      {counts
        .filter(({ kind, count }) => count > 0 || kind === filter)
        .map(({ kind, count }) => (
          <button
            key={kind}
            type="button"
            class="chip"
            aria-pressed={filter === kind}
            onClick={() => setQuery({ state: filter === kind ? null : kind })}
          >
            {kindWord(kind, rollout)} <span class="num">{count}</span>
          </button>
        ))}
    </fieldset>
  )
}

function DeviceRow({ device: { value: device }, rollout }: { device: Signal<RolloutDevice>; rollout: Rollout }) {
  const { id, stage, since } = device
  const name = rowOf(id)?.device.value.name ?? ''
  return (
    <tr>
      <th scope="row">
        <a href={`${deviceAddress(id)}/firmware`}>{name === '' ? <DeviceId id={id} /> : <DeviceText text={name} />}</a>
        {name !== '' && <DeviceId id={id} />}
      </th>
      <td class="state">
        <UpdateBadge device={device} rollout={rollout} />
        <Percent device={device} rollout={rollout} />
      </td>
      <td class="dim num">{stageText(stage, rollout)}</td>
      <td class="since dim num">{ago(since, now.value)}</td>
      <td class="words">
        <UpdateWords device={device} rollout={rollout} />
        {kindOf(device.state) === 'failed' && rollout.state !== 'aborted' && (
          <Action
            needs="admin"
            small
            label={`Retry ${name || id}`}
            onAct={() => actOnRollout(api.retryRollout(rollout.id, { rev: rollout.rev, ids: [id] }), rollout.id)}
          >
            Retry
          </Action>
        )}
      </td>
    </tr>
  )
}

/** Which device is in which wave is decided when the wave begins. */
function stageText(stage: number, rollout: Rollout): string {
  if (stage > rollout.stage) return 'later'
  return stage === 0 ? 'canary' : `wave ${stage}`
}

/** A thin bar below the badge; its number is in the badge. */
export function Percent({ device, rollout }: { device: RolloutDevice; rollout: Rollout }) {
  const percent = percentOf(device, rollout.image)
  if (percent === null) return null
  return (
    <span class="rollout-track thin" aria-hidden="true">
      <span class="busy" style={{ width: `${percent}%` }} />
    </span>
  )
}

/** What went wrong, what to do about it, and when the gateway tries again by itself. */
export function UpdateWords({ device, rollout }: { device: RolloutDevice; rollout: Rollout }) {
  const { state, attempts, retryAt, code } = device
  if (isLeft(state, rollout)) return null
  const fault = updateFault(device)
  return (
    <>
      {fault && (
        <span class={kindOf(state) === 'failed' ? 'update-fault bad' : 'update-fault'}>
          <b>{fault.what}</b> {fault.todo}{' '}
          {fault.told && (
            <span class="dim">
              <bdi>{fault.told}</bdi>{' '}
            </span>
          )}
          {code !== null && <code>{shown(String(code), 32)}</code>}
        </span>
      )}
      {retryAt !== null && (
        <span class="dim num">
          {retryAt > now.value ? `Next try in ${span(retryAt - now.value)}` : 'Next try now'}, after{' '}
          {plural(attempts, 'attempt')}.
        </span>
      )}
    </>
  )
}
