import { api } from '../api.js'
import { now } from '../state/clock.js'
import type { Row } from '../state/devices.js'
import { openDialog } from '../state/dialogs.js'
import { join } from '../state/link.js'
import { ago, placeText, plural } from '../text.js'
import { Action } from './action.js'
import { DeviceId, DeviceText } from './device-text.js'
import { Icon } from './icon.js'

/** Devices that wait for a decision: above everything else, since nobody but a person can go on here. */
export function WaitingStrip({ rows }: { rows: readonly Row[] }) {
  const overflow = join.value?.overflow ?? 0
  return (
    <section class="waiting-strip" aria-labelledby="waiting-title">
      <header>
        <h2 id="waiting-title">
          <span aria-hidden="true">◔</span> {plural(rows.length, 'device')} {rows.length === 1 ? 'waits' : 'wait'} for
          you
        </h2>
        <ApproveProven rows={rows} />
      </header>
      <ul>
        {rows.map((row) => (
          <WaitingRow key={row.id} row={row} />
        ))}
      </ul>
      {overflow > 0 && (
        <p class="note">
          + {plural(overflow, 'more knock')}; the list is full. Narrow the window to the end of an id, or register your
          devices before they knock.
        </p>
      )}
    </section>
  )
}

/** For a fleet whose keys come from the master key: nobody has to look at each alone. */
function ApproveProven({ rows }: { rows: readonly Row[] }) {
  const proven = rows.filter((row) => row.device.value.knock?.proven).length
  if (proven < 2) return null
  return (
    <Action
      look="primary"
      onAct={() => {
        openDialog.value = { kind: 'approve-proven' }
      }}
    >
      Approve {proven} proven
    </Action>
  )
}

function WaitingRow({ row }: { row: Row }) {
  const device = row.device.value
  const { knock } = device
  if (!knock) return null
  return (
    <li>
      <div class="who">
        {device.name !== '' && (
          <b>
            <DeviceText text={device.name} />
          </b>
        )}
        <DeviceId id={device.id} />
        {knock.proven && <span class="badge online">Proven</span>}
      </div>
      <div class="dim num">
        knocked {plural(knock.count, 'time')}, {ago(knock.lastAt, now.value)} ·{' '}
        {placeText(knock.carrier, knock.address)}
      </div>
      <div class="acts">
        <Action
          look="icon"
          label={knock.starred ? `Do not keep ${device.id}` : `Keep ${device.id} when the list is full`}
          onAct={() => api.star(device.id, !knock.starred)}
        >
          <Icon name="star" filled={knock.starred} />
        </Action>
        <Action
          look="quiet"
          label={`Block ${device.id}`}
          needs="admin"
          onAct={() => {
            openDialog.value = { kind: 'block', id: device.id }
          }}
        >
          Block
        </Action>
        <Action look="quiet" label={`Dismiss ${device.id}`} onAct={() => api.dismiss(device.id)}>
          Dismiss
        </Action>
        <Action
          look="primary"
          label={`Approve ${device.id}`}
          onAct={() => {
            openDialog.value = { kind: 'approve', id: device.id }
          }}
        >
          Approve
        </Action>
      </div>
    </li>
  )
}
