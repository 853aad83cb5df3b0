import { computed, type Signal, signal } from '@preact/signals'
import type { Device, Reading } from '@usmp/gateway/contract'
import { nameOf } from '../text.js'
import { noteStateChange } from './announcer.js'

/** One device. What changes often has a signal of its own, so that a new value redraws one cell and nothing else. */
export interface Row {
  readonly id: string
  readonly device: Signal<Device>
  /** Names of the readings, in the order in which the device has sent them first. */
  readonly names: Signal<readonly string[]>
  readonly readings: Map<string, Signal<Reading>>
  /** When its state changed before the eyes of the user, ms by `performance.now()`; 0: it did not. */
  readonly changedAt: Signal<number>
}

const rows = new Map<string, Row>()
/** Counts what changes the list: who is in it, and what it is sorted and filtered by. */
const revision = signal(0)

/** The first snapshot has come. */
export const loaded = signal(false)

/** All devices, in no order. */
export const allRows = computed<readonly Row[]>(() => {
  revision.value
  return [...rows.values()]
})

/** A device of the list; redraws whoever asks when it comes or goes. */
export function rowOf(id: string): Row | undefined {
  revision.value
  return rows.get(id)
}

/** Takes a whole list for what it is now; rows that stay keep their signals. */
export function takeSnapshot(devices: readonly Device[]): void {
  const present = new Set(devices.map(({ id }) => id))
  for (const id of rows.keys()) if (!present.has(id)) rows.delete(id)
  for (const device of devices) put(device)
  loaded.value = true
  revision.value++
}

export function takeDevice(device: Device): void {
  const before = rows.get(device.id)?.device.peek()
  const row = put(device)
  if (before && listKey(before) === listKey(device)) return
  revision.value++
  if (before?.state === device.state) return
  row.changedAt.value = performance.now()
  noteStateChange(device.id, nameOf(device), device.state)
}

export function removeDevice(id: string): void {
  if (rows.delete(id)) revision.value++
}

export function takeReading(id: string, name: string, reading: Reading): void {
  const row = rows.get(id)
  if (row) putReading(row, name, reading)
}

export function forgetDevices(): void {
  rows.clear()
  loaded.value = false
  revision.value++
}

/** All that the list is sorted, filtered and counted by. */
function listKey({ state, name, group, lastSeenAt, attempts, alarms, knock }: Device): string {
  return JSON.stringify([state, name, group, lastSeenAt === null, attempts !== null, alarms.length > 0, knock?.starred])
}

function put(device: Device): Row {
  let row = rows.get(device.id)
  if (row) row.device.value = device
  else {
    row = {
      id: device.id,
      device: signal(device),
      names: signal([]),
      readings: new Map(),
      changedAt: signal(0),
    }
    rows.set(device.id, row)
  }
  for (const [name, reading] of Object.entries(device.readings)) putReading(row, name, reading)
  return row
}

function putReading(row: Row, name: string, reading: Reading): void {
  const known = row.readings.get(name)
  if (known) {
    if (reading.at >= known.peek().at) known.value = reading
    return
  }
  row.readings.set(name, signal(reading))
  row.names.value = [...row.names.peek(), name]
}
