import type { Device } from '../../src/contract/device.js'

/** A device with a session, as the gateway tells it. */
export function deviceOf(id: string, changes: Partial<Device> = {}): Device {
  return {
    id,
    rev: 1,
    state: 'online',
    since: 1,
    name: '',
    group: null,
    firstSeenAt: 1,
    lastSeenAt: 1,
    idleLimit: 60_000,
    keySource: 'typed',
    fingerprint: null,
    knock: null,
    attempts: null,
    session: null,
    firmware: null,
    methods: [],
    readings: {},
    alarmRules: [],
    alarms: [],
    blockedUntil: null,
    replaced: [],
    ...changes,
  }
}

export const reading = (value: number | boolean | string, unit: string | null = null) => ({ value, at: 1, unit })
