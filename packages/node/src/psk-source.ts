import {
  type AcceptOptions,
  type Authorization,
  assertPsk,
  type CipherSuite,
  formatDeviceId,
  parseDeviceId,
  UsmpError,
} from '@usmp/core'
import { authorizationTable, checkOptions } from '@usmp/core/options'

/** What is known of a device: its key, with its cipher suite if that is not the server's. */
export type PskEntry = Uint8Array | Authorization

/** A table from device id to key. The entry `*` serves every other device; a key of several devices is a shared key. */
export type PskTable = ReadonlyMap<string, PskEntry> | Readonly<Record<string, PskEntry>>

/** Answers for one device; null or undefined if it is unknown. May be asynchronous. */
export type PskFunction = (deviceId: string) => MaybePromise<PskEntry | null | undefined>

type MaybePromise<T> = T | Promise<T>

/** Where a server finds the keys of its devices. */
export type PskSource = PskTable | PskFunction

export interface PskOptions {
  /** Keys by device. Make them with `deriveDevicePsk` from a master key, or at random. */
  readonly psk?: PskSource
  /** One key for all devices. Whoever steals one device can then pose as the server to all others. */
  readonly sharedPsk?: Uint8Array
  /** The suite of every device whose entry names none. Default AES-256-GCM. */
  readonly suite?: CipherSuite
  /** Accept keys of low entropy. */
  readonly allowWeakPsk?: boolean
}

const ANY_DEVICE = '*'

/**
 * The options as one function.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK at once where that can be told at once
 */
export function authorizer(options: PskOptions): AcceptOptions['authorize'] {
  const { psk, sharedPsk, suite, allowWeakPsk = false } = options
  const defaults = { ...(suite ? { suite } : {}), allowWeakPsk }
  if ((psk === undefined) === (sharedPsk === undefined)) {
    throw new UsmpError('INVALID_ARGUMENT', 'give either psk, with a key for each device, or sharedPsk')
  }
  if (sharedPsk) {
    assertPsk(sharedPsk, allowWeakPsk)
    return () => ({ ...defaults, psk: sharedPsk })
  }
  const find = typeof psk === 'function' ? psk : tableLookup(psk!, allowWeakPsk)
  return async (deviceId) => {
    const entry = await find(deviceId)
    if (!entry) return null
    if (entry instanceof Uint8Array) return { ...defaults, psk: entry }
    // A row of a table may have more in it than is asked for.
    const { psk, suite = defaults.suite, allowWeakPsk = defaults.allowWeakPsk } = entry
    return { psk, ...(suite ? { suite } : {}), allowWeakPsk }
  }
}

function tableLookup(table: PskTable, allowWeakPsk: boolean): PskFunction {
  const entries = table instanceof Map ? table : new Map(Object.entries(table))
  const normal = new Map<string, PskEntry>()
  for (const [deviceId, entry] of entries) {
    if (!entry) throw new UsmpError('INVALID_ARGUMENT', `the table has no key for ${deviceId}`)
    if (!(entry instanceof Uint8Array)) checkOptions(`the key of ${deviceId}`, entry, authorizationTable)
    const { psk: key, allowWeakPsk: weak = allowWeakPsk } = entry instanceof Uint8Array ? { psk: entry } : entry
    assertPsk(key, weak)
    const name = deviceId === ANY_DEVICE ? ANY_DEVICE : formatDeviceId(parseDeviceId(deviceId))
    if (normal.has(name)) throw new UsmpError('INVALID_ARGUMENT', `the table has two keys for ${name}`)
    normal.set(name, entry)
  }
  return (deviceId) => normal.get(deviceId) ?? normal.get(ANY_DEVICE)
}
