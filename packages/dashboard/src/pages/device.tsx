import type { Device } from '@usmp/gateway/contract'
import { useState } from 'preact/hooks'
import { api } from '../api.js'
import { Action } from '../parts/action.js'
import { CopyButton } from '../parts/copy-button.js'
import { DeviceId, DeviceText } from '../parts/device-text.js'
import { Icon } from '../parts/icon.js'
import { Page, Skeleton } from '../parts/page.js'
import { Sparkline } from '../parts/sparkline.js'
import { AlarmBadge, AttemptsBadge, StateBadge } from '../parts/state-badge.js'
import { deviceAddress } from '../router.js'
import { now } from '../state/clock.js'
import { loaded, type Row, rowOf } from '../state/devices.js'
import { openDialog } from '../state/dialogs.js'
import { ago, milliseconds, nameOf, placeText, shown, span } from '../text.js'
import { DeviceFirmware } from './device-firmware.js'
import { DeviceLive } from './device-live.js'
import { DeviceRequests } from './device-requests.js'
import { DeviceSecurity } from './device-security.js'
import { DeviceSettings } from './device-settings.js'

const TABS = [
  { tab: 'live', word: 'Live' },
  { tab: 'requests', word: 'Requests' },
  { tab: 'firmware', word: 'Firmware' },
  { tab: 'security', word: 'Security' },
  { tab: 'settings', word: 'Settings' },
] as const

/** One device, in four tabs that each have an address. */
export function DevicePage({ id, tab }: { id: string; tab: string }) {
  const row = rowOf(id)
  if (!row)
    return (
      <Page title={id} heading={<DeviceId id={id} />}>
        {loaded.value ? <Gone id={id} /> : <Skeleton what="the device" />}
      </Page>
    )
  return <Known row={row} tab={tab} />
}

function Gone({ id }: { id: string }) {
  return (
    <div class="empty">
      <h2>No such device</h2>
      <p>
        The gateway knows no device with the id <span class="mono">{id}</span>. It was removed, or it has never knocked
        while the join window was open.
      </p>
      <a class="button" href="/">
        See all devices
      </a>
    </div>
  )
}

function Known({ row, tab }: { row: Row; tab: string }) {
  const device = row.device.value
  return (
    <Page
      title={nameOf(device)}
      heading={
        <>
          <a class="back" href="/" aria-label="All devices">
            <Icon name="back" />
          </a>
          <DeviceText text={device.name || device.id} />
        </>
      }
      aside={<Acts device={device} />}
    >
      <Head device={device} />
      <nav class="tabs" aria-label="About this device">
        {TABS.map(({ tab: name, word }) => (
          <a
            key={name}
            href={name === 'live' ? deviceAddress(row.id) : `${deviceAddress(row.id)}/${name}`}
            aria-current={name === tab ? 'page' : undefined}
          >
            {word}
          </a>
        ))}
      </nav>
      {tab === 'live' && <DeviceLive row={row} />}
      {tab === 'requests' && <DeviceRequests row={row} />}
      {tab === 'firmware' && <DeviceFirmware device={device} />}
      {tab === 'security' && <DeviceSecurity device={device} />}
      {tab === 'settings' && <DeviceSettings key={row.id} device={device} />}
    </Page>
  )
}

/** State, and the way to the device: what is known now, in one line. */
function Head({ device }: { device: Device }) {
  const { session, lastSeenAt, knock } = device
  return (
    <div class="device-head">
      <StateBadge device={device} since />
      <AlarmBadge device={device} />
      <AttemptsBadge device={device} />
      <span class="pair">
        <DeviceId id={device.id} />
        <CopyButton text={device.id} what="the id" />
      </span>
      {device.group && (
        <span class="group">
          <DeviceText text={device.group} />
        </span>
      )}
      {session ? (
        <>
          <span class="dim">
            <bdi>{placeText(session.carrier, session.address)}</bdi>
          </span>
          <span class="dim num">session {span(now.value - session.since)} old</span>
          {session.roundTrips && (
            <span class="trip num">
              <Sparkline values={session.roundTrips.recent} /> {milliseconds(session.roundTrips.p50)}
              <span class="dim"> p95 {milliseconds(session.roundTrips.p95)}</span>
            </span>
          )}
        </>
      ) : (
        <span class="dim num">
          {knock
            ? `knocked ${ago(knock.lastAt, now.value)}`
            : lastSeenAt === null
              ? 'never seen'
              : `last seen ${ago(lastSeenAt, now.value)}`}
        </span>
      )}
      {device.firmware && (
        <span class="dim">
          {shown(`${device.firmware.product} ${device.firmware.version}`, 64)}
          {device.firmware.chip && ` on ${shown(device.firmware.chip)}`}
        </span>
      )}
    </div>
  )
}

function Acts({ device }: { device: Device }) {
  const [trip, setTrip] = useState<number | null>(null)
  if (device.state === 'waiting')
    return (
      <Action
        look="primary"
        onAct={() => {
          openDialog.value = { kind: 'approve', id: device.id }
        }}
      >
        Approve
      </Action>
    )
  if (device.state === 'revoked' || device.state === 'blocked') return null
  return (
    <div class="row-gap">
      <span class="dim num" role="status">
        {trip !== null && `answered in ${milliseconds(trip)}`}
      </span>
      <Action
        unless={device.session ? null : 'The device has no session.'}
        onAct={async () => {
          setTrip(null)
          setTrip((await api.ping(device.id)).roundTrip)
        }}
      >
        Ping
      </Action>
    </div>
  )
}
