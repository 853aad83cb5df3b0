import type { AuditEntry } from '../contract/audit.js'
import type { DeviceRecord } from '../devices/record.js'
import type { ImageRecord, RolloutDeviceRecord, RolloutRecord } from '../rollouts/records.js'
import type { KeySealing } from './key-sealing.js'
import type { AuditEvent, Registry } from './registry.js'
import type { LoginRecord, TokenRecord, UserRecord } from './schemas.js'

export type { ImageRecord, LoginRecord, RolloutDeviceRecord, RolloutRecord, TokenRecord, UserRecord }

/** Append-only and hash-chained. */
export interface AuditLog {
  /** @throws GatewayError STORE_FAILED */
  append(event: AuditEvent): Promise<AuditEntry>
  /** Newest first, at most `limit`, before the entry `before`. */
  page(options: { readonly before?: number; readonly limit: number; readonly object?: string }): Promise<AuditEntry[]>
  /** Oldest first, all. */
  entries(): AsyncIterable<AuditEntry>
  /** Reads all of it and checks every hash. */
  verify(): Promise<{ readonly intact: boolean; readonly entries: number; readonly brokenAt: number | null }>
}

/** One minute of one reading. */
export interface MinuteOfReading {
  /** Start of the minute, ms since 1970. */
  readonly at: number
  readonly mean: number
  readonly min: number
  readonly max: number
}

/** Minutes of readings for 7 days; older ones are removed. `history` names a device beyond its hardware, see {@link DeviceRecord}. */
export interface TelemetryStore {
  /** Writes minutes; may be lost by a power cut within the last seconds. */
  write(
    minutes: readonly { readonly history: string; readonly reading: string; readonly minute: MinuteOfReading }[],
  ): Promise<void>
  /** Oldest first. */
  read(
    history: string,
    reading: string,
    range: { readonly from: number; readonly to: number },
  ): Promise<MinuteOfReading[]>
  remove(history: string): Promise<void>
  /** Removes what is older than `before`. */
  prune(before: number): Promise<void>
}

/**
 * All that the gateway keeps. Opened once; only one process can have it open. After a write failed, for a full disk say,
 * it goes on reading, refuses writes with STORE_FAILED, and tries again with each next write.
 */
export interface Store {
  readonly devices: Registry<DeviceRecord>
  readonly users: Registry<UserRecord>
  readonly tokens: Registry<TokenRecord>
  readonly logins: Registry<LoginRecord>
  readonly images: Registry<ImageRecord>
  readonly rollouts: Registry<RolloutRecord>
  readonly rolloutDevices: Registry<RolloutDeviceRecord>
  readonly audit: AuditLog
  readonly telemetry: TelemetryStore
  /** By the key file of this store. */
  readonly keys: KeySealing
  /** Told when writes begin to fail, with the reason, and when they work again, with null. */
  onState(listener: (reason: string | null) => void): void
  close(): Promise<void>
}
