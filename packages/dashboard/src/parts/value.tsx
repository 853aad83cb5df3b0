import { computed, type ReadonlySignal } from '@preact/signals'
import type { Reading } from '@usmp/gateway/contract'
import { useMemo } from 'preact/hooks'
import { now } from '../state/clock.js'
import type { Row } from '../state/devices.js'
import { doubtful } from '../state/link.js'
import { ago, shown, valueText } from '../text.js'

/** A value of this age is no longer called current, ms. */
const FRESH = 30_000
/** A value of this age is as dim as can still be read. */
const OLD = 10 * 60_000

/** How much is left of a value's colour, in steps, so that it is not redrawn all the time. */
export function freshness(age: number): 'fresh' | 'aging' | 'old' {
  if (age < FRESH) return 'fresh'
  return age < OLD ? 'aging' : 'old'
}

/** How current a reading is: that of a device that is not online never is. */
export function useFreshness(row: Row, reading: ReadonlySignal<Reading>): ReadonlySignal<string> {
  return useMemo(
    () =>
      computed(() => {
        const age = freshness(now.value - reading.value.at)
        const current = row.device.value.state === 'online' && !doubtful.value
        return current ? age : age === 'fresh' ? 'aging' : age
      }),
    [row, reading],
  )
}

/** One reading in a line: value, unit, and how old it is when that matters. */
export function Value({ row, name }: { row: Row; name: string }) {
  const reading = row.readings.get(name)
  return reading ? <ValueOf row={row} name={name} reading={reading} /> : null
}

function ValueOf({ row, name, reading }: { row: Row; name: string; reading: ReadonlySignal<Reading> }) {
  const fresh = useFreshness(row, reading)
  const { value, unit, at } = reading.value
  // How long the others are silent stands beside them.
  const isOnline = row.device.value.state === 'online'
  return (
    <span class={`value ${fresh.value}`} title={shown(name)}>
      <span class="what">{shown(name, 24)}</span>{' '}
      <b>
        {valueText(value)}
        {unit && <span class="unit"> {shown(unit, 16)}</span>}
      </b>
      {isOnline && fresh.value !== 'fresh' && <span class="age"> {ago(at, now.value)}</span>}
    </span>
  )
}
