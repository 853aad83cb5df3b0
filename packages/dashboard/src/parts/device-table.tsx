import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { deviceAddress, query, setQuery } from '../router.js'
import { now } from '../state/clock.js'
import type { Order } from '../state/device-list.js'
import type { Row } from '../state/devices.js'
import { dense } from '../state/preferences.js'
import { ago, milliseconds, shown } from '../text.js'
import { DeviceId, DeviceText } from './device-text.js'
import { Sparkline } from './sparkline.js'
import { AlarmBadge, AttemptsBadge, StateBadge } from './state-badge.js'
import { Value } from './value.js'
import { useVisibleRows } from './visible-rows.js'

export const orderNow = (): Order => (query('sort') as Order | null) ?? 'name'

/** How long the tint of a row shows that its state has changed, ms. */
const PULSE = 1_200
/** Values that a row has room for. */
const VALUES = 2

const COLUMNS: readonly { readonly word: string; readonly name: string; readonly order?: Order }[] = [
  { word: 'Device', name: 'name', order: 'name' },
  { word: 'State', name: 'state', order: 'state' },
  { word: 'Values', name: 'values' },
  { word: 'Last seen', name: 'seen', order: 'seen' },
  { word: 'Round trip', name: 'trip' },
  { word: 'Firmware', name: 'firmware' },
]

/** The list of devices. Of a long one only what can be seen is drawn. */
export function DeviceTable({ rows }: { rows: readonly Row[] }) {
  const body = useRef<HTMLTableSectionElement>(null)
  const height = rowHeight()
  const { first, last, above, below } = useVisibleRows(rows.length, height, body)
  const order = orderNow()
  return (
    <table class={dense.value ? 'devices dense' : 'devices'} aria-rowcount={rows.length + 1}>
      <caption class="sr">Devices</caption>
      <thead>
        <tr>
          {COLUMNS.map(({ word, name, order: by }) => (
            <th key={name} scope="col" class={name} aria-sort={by && by === order ? 'ascending' : undefined}>
              {by ? (
                <button type="button" onClick={() => setQuery({ sort: by === 'name' ? null : by })}>
                  {word}
                  <span aria-hidden="true">{by === order ? ' ↓' : ''}</span>
                </button>
              ) : (
                word
              )}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        {above > 0 && <Spacer height={above} />}
        {rows.slice(first, last + 1).map((row, index) => (
          <DeviceRow key={row.id} row={row} index={first + index + 2} />
        ))}
        {below > 0 && <Spacer height={below} />}
      </tbody>
    </table>
  )
}

/** As tokens.css and table.css have it. */
function rowHeight(): number {
  const narrow = window.innerWidth < 720
  if (dense.value) return narrow ? 52 : 33
  return narrow ? 64 : 41
}

function Spacer({ height }: { height: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row without content cannot have the focus
    <tr aria-hidden="true" class="spacer" style={{ height: `${height}px` }}>
      <td colSpan={COLUMNS.length} />
    </tr>
  )
}

function DeviceRow({ row, index }: { row: Row; index: number }) {
  const device = row.device.value
  const pulses = usePulse(row)
  const { session, firmware, lastSeenAt } = device
  return (
    <tr aria-rowindex={index} class={pulses ? `pulse ${device.state}` : device.state}>
      <th scope="row" class="name">
        <a href={deviceAddress(row.id)}>
          {device.name === '' ? <DeviceId id={row.id} /> : <DeviceText text={device.name} />}
        </a>
        {device.name !== '' && <DeviceId id={row.id} />}
        {device.group && (
          <span class="group">
            <DeviceText text={device.group} most={24} />
          </span>
        )}
      </th>
      <td class="state">
        <StateBadge device={device} /> <AlarmBadge device={device} /> <AttemptsBadge device={device} short />
      </td>
      <td class="values">
        {row.names.value.slice(0, VALUES).map((name) => (
          <Value key={name} row={row} name={name} />
        ))}
        {row.names.value.length > VALUES && <span class="dim"> +{row.names.value.length - VALUES}</span>}
      </td>
      <td class="seen num dim">
        {device.state === 'online' ? 'now' : lastSeenAt === null ? 'never' : ago(lastSeenAt, now.value)}
      </td>
      <td class="trip num">
        {session?.roundTrips && (
          <>
            <Sparkline values={session.roundTrips.recent} width={56} height={18} />{' '}
            {milliseconds(session.roundTrips.p50)}
          </>
        )}
      </td>
      <td class="firmware dim" title={firmware ? shown(`${firmware.product} ${firmware.version}`) : undefined}>
        {firmware && (
          <>
            <span class="num">{shown(firmware.version, 16)}</span> {shown(firmware.product, 24)}
          </>
        )}
      </td>
    </tr>
  )
}

/** Whether the state of a row has changed before the user's eyes just now. */
function usePulse(row: Row): boolean {
  const over = useSignal(0)
  useSignalEffect(() => {
    const changedAt = row.changedAt.value
    if (changedAt === 0 || performance.now() - changedAt > PULSE) return
    const timer = setTimeout(() => {
      over.value = changedAt
    }, PULSE)
    return () => clearTimeout(timer)
  })
  return useComputed(() => row.changedAt.value > over.value && performance.now() - row.changedAt.value < PULSE).value
}
