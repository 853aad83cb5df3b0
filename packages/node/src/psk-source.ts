import {
  type Authorization,
  asUsmpError,
  type CipherSuite,
  checkAuthorization,
  formatDeviceId,
  parseDeviceId,
  UsmpError,
} from '@usmp/core'
import { authorizationTable, checkOptions } from '@usmp/core/options'
import { KeyLookups, type Requester } from './key-lookups.js'

/** What is known of a device: its key, with its cipher suite if that is not the server's. */
export type PskEntry = Uint8Array | Authorization

/**
 * A table from device id to key. The entry `*` serves every other device; a key of several devices is a shared key. The
 * server copies the table when it starts: an entry that is deleted later still lets its device in. To withdraw a key while
 * the server runs, give a {@link PskFunction}, make it answer null for the device, and call `server.disconnect(deviceId)`.
 */
export type PskTable = ReadonlyMap<string, PskEntry> | Readonly<Record<string, PskEntry>>

/** What a {@link PskFunction} is told besides the device id. */
export interface PskContext {
  /** Aborts when the answer is no longer needed, as the device has left or the server was faster to turn it away. */
  readonly signal: AbortSignal
}

/**
 * Answers for one device; null or undefined if it is unknown. May be asynchronous. Nothing is proven when it is called:
 * anybody may ask for any device id. At most `maxHandshakes` answers are awaited at once, and one for each pair of address and
 * device id; others wait for their turn. What it throws, or an answer that is none, is a `refused` event with PSK_LOOKUP_FAILED, INVALID_ARGUMENT
 * or WEAK_PSK. A device whose look-up threw is told that the server has a fault, so never throw for an unknown one.
 */
export type PskFunction = (deviceId: string, context: PskContext) => MaybePromise<PskEntry | null | undefined>

type MaybePromise<T> = T | Promise<T>

/** Where a server finds the keys of its devices. */
export type PskSource = PskTable | PskFunction

export interface PskOptions {
  /** Keys by device. Make them with `deriveDevicePsk` from a master key, or at random. */
  readonly psk?: PskSource
  /** One key for all devices. Anyone who steals one device can then pose as the server to all others. */
  readonly sharedPsk?: Uint8Array
  /** The suite of every device whose entry names none. Default AES-256-GCM. */
  readonly suite?: CipherSuite
  /** Accept keys of low entropy. */
  readonly allowWeakPsk?: boolean
}

const ANY_DEVICE = '*'
/** Finds the key of a device that says HELLO; null if it is unknown. */
export type Authorizer = (deviceId: string, requester: Requester) => MaybePromise<Authorization | null>

/**
 * The options as one function.
 * @param maxLookups answers of the application that are awaited at once
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK at once where that can be told at once
 */
export function authorizer(options: PskOptions, maxLookups: number): Authorizer {
  const { psk, sharedPsk } = options
  if ((psk === undefined) === (sharedPsk === undefined)) {
    throw new UsmpError('INVALID_ARGUMENT', 'give either psk, with a key for each device, or sharedPsk')
  }
  if (sharedPsk) {
    const authorization = checkEntry(sharedPsk, options)
    return () => authorization
  }
  if (typeof psk !== 'function') return tableLookup(psk!, options)
  const lookups = new KeyLookups(maxLookups)
  return async (deviceId, requester) => {
    const { signal } = requester
    const entry = await answerOf(() => lookups.run(deviceId, requester, () => psk(deviceId, { signal })))
    // What is wrong with an entry is told by who takes it, with the same work for an unknown device.
    return entry ? withDefaults(entry, options) : null
  }
}

/** @throws UsmpError PSK_LOOKUP_FAILED with what the application threw as its cause */
async function answerOf<T>(ask: () => MaybePromise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    const error = asUsmpError(cause, 'PSK_LOOKUP_FAILED')
    // Our own errors too: a wrong argument, or whatever else the application did, is no fault of the device.
    throw error === cause ? new UsmpError('PSK_LOOKUP_FAILED', error.message, { cause }) : error
  }
}

/**
 * Copies what is known of an entry.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
function checkEntry(entry: PskEntry, options: PskOptions): Authorization {
  const authorization = withDefaults(entry, options)
  checkAuthorization(authorization)
  return authorization
}

/** An entry of the application may be anything, and have more in it than is asked for. */
function withDefaults(entry: PskEntry, options: PskOptions): Authorization {
  const given: Authorization = entry instanceof Uint8Array ? { psk: entry } : entry
  const { psk, suite = options.suite, allowWeakPsk = options.allowWeakPsk ?? false } = given
  return { psk, allowWeakPsk, ...(suite === undefined ? {} : { suite }) }
}

function tableLookup(table: PskTable, options: PskOptions): Authorizer {
  const entries = table instanceof Map ? table : new Map(Object.entries(table))
  const known = new Map<string, Authorization>()
  for (const [deviceId, entry] of entries) {
    if (!entry) throw new UsmpError('INVALID_ARGUMENT', `the table has no key for ${deviceId}`)
    if (!(entry instanceof Uint8Array)) checkOptions(`the key of ${deviceId}`, entry, authorizationTable)
    const name = deviceId === ANY_DEVICE ? ANY_DEVICE : formatDeviceId(parseDeviceId(deviceId))
    if (known.has(name)) throw new UsmpError('INVALID_ARGUMENT', `the table has two keys for ${name}`)
    known.set(name, checkEntry(entry, options))
  }
  return (deviceId) => known.get(deviceId) ?? known.get(ANY_DEVICE) ?? null
}
