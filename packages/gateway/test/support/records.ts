import type { DeviceRecord } from '../../src/devices/record.js'
import type { AuditEvent } from '../../src/store/registry.js'

/** A device as it is after an approval. */
export function approved(name: string, changes: Partial<DeviceRecord> = {}): DeviceRecord {
  return {
    state: 'approved',
    since: 1_800_000_000_000,
    name,
    group: null,
    sealedKey: null,
    keySource: 'typed',
    fingerprint: '7Q4K-2MWD',
    idleLimit: 60_000,
    alarmRules: [],
    firstSeenAt: null,
    lastSeenAt: null,
    history: 'aa:bb:cc:dd:ee:00',
    replaced: [],
    blockedUntil: null,
    attempts: null,
    ...changes,
  }
}

export function approval(object: string): AuditEvent {
  return { actor: 'anna', role: 'operator', action: 'device.approve', object, result: 'ok' }
}
