import type { Device } from '../contract/device.js'
import type { ManagedDevice } from './device.js'

/** What others than the device itself know of it. */
export type DeviceParts = Pick<Device, 'knock' | 'readings' | 'alarms' | 'updates'>

/** A device as people see it. Nothing of it is a secret. */
export function viewOf(device: ManagedDevice, { knock, readings, alarms, updates }: DeviceParts): Device {
  const { id, record, entry, state, since, link, description, lastSeenAt } = device
  return {
    id,
    rev: entry?.rev ?? 0,
    state: state ?? 'waiting',
    since: knock && !record ? knock.firstAt : since,
    name: device.name,
    group: record?.group ?? null,
    firstSeenAt: device.firstSeenAt ?? knock?.firstAt ?? null,
    lastSeenAt,
    idleLimit: device.idleLimit,
    keySource: record?.keySource ?? null,
    fingerprint: record?.fingerprint ?? null,
    knock: record ? null : knock,
    attempts: device.attempts,
    session: link?.view() ?? null,
    firmware: description.firmware ?? null,
    ...(updates !== undefined && { updates }),
    methods: [...(description.methods ?? [])],
    readings,
    alarmRules: [...(record?.alarmRules ?? [])],
    alarms,
    blockedUntil: record?.blockedUntil ?? null,
    replaced: [...(record?.replaced ?? [])],
  }
}
