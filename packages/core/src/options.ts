import type { Authorization, ClientOptions, ServerOptions } from './connection-options.js'
import { CipherSuite, DEVICE_ID_SIZE, EXTENSION_FIRST, EXTENSION_LAST } from './constants.js'
import type { DatagramOptions } from './datagram.js'
import { UsmpError } from './errors.js'
import type { ReconnectOptions } from './reconnect.js'
import type { Abortable, AcceptOptions, ConnectOptions } from './session.js'
import type { StreamTransportOptions } from './transport.js'

// ─── the checker ───

/** What one option must be. An option that is undefined is left out. */
export interface OptionRule {
  /** Stands behind "must be" in the message. */
  readonly expected: string
  fits(value: unknown): boolean
  readonly required?: boolean
  /** The value is never shown. */
  readonly secret?: boolean
  /** The options inside, for an option that is an object of options. */
  inside?(value: Readonly<Record<string, unknown>>): OptionTable
}

/** The options that one function takes. */
export type OptionTable = Readonly<Record<string, OptionRule>>

/** A table with a row for each option of `T`, so that the compiler finds a missing one. */
export type TableOf<T> = { readonly [K in keyof Required<T>]: OptionRule }

/** The longest time that a timer of every platform can wait, ms: almost 25 days. */
const MAX_TIME = 2 ** 31 - 1
/** Characters of an unknown name that a message shows whole. */
const MAX_NAME = 31
/** Characters of a wrong value that a message shows. */
const MAX_SHOWN = 40

/**
 * Checks an object of options against the table of its function: names, types and ranges. Undefined is an empty object.
 * @param caller the function, for the message
 * @throws UsmpError INVALID_ARGUMENT, with the name of the option, what it must be and, for an unknown name, the nearest known one
 */
export function checkOptions(caller: string, options: unknown, table: OptionTable): void {
  if (options !== undefined) checkInside(`the options of ${caller}`, caller, '', options, table)
  else checkRows(caller, '', {}, table)
}

function checkInside(what: string, caller: string, prefix: string, options: unknown, table: OptionTable): void {
  if (!isObject(options)) throw invalid(`${what} must be an object, not ${kindOf(options)}`)
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(table, name))
      throw invalid(`${caller} has no option ${prefix}${shortened(name)}${suggest(name, prefix, table)}`)
  }
  checkRows(caller, prefix, options, table)
}

function checkRows(caller: string, prefix: string, options: Record<string, unknown>, table: OptionTable): void {
  for (const [name, rule] of Object.entries(table)) {
    const { expected, required, secret, inside } = rule
    const value = options[name]
    const path = prefix + name
    if (value === undefined) {
      if (required) throw invalid(`${caller} needs the option ${path}: ${expected}`)
    } else if (inside) {
      checkInside(`${caller}: ${path}`, caller, `${path}.`, value, isObject(value) ? inside(value) : {})
    } else if (!rule.fits(value)) {
      throw invalid(`${caller}: ${path} must be ${expected}, not ${secret ? kindOf(value) : show(value)}`)
    }
  }
}

/** A name that is too long for one may be a key in its place, which no message shows. */
function shortened(name: string): string {
  return name.length <= MAX_NAME ? name : `of ${name.length} characters`
}

function invalid(detail: string): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', detail)
}

/** The nearest known name, also one level deeper, or all names where none is near. */
function suggest(name: string, prefix: string, table: OptionTable): string {
  const own = Object.keys(table)
  const inner = own.flatMap((at) => Object.keys(table[at]!.inside?.({}) ?? {}).map((name) => `${at}.${name}`))
  let nearest = ''
  let best = Math.floor(name.length / 2) + 1
  for (const path of [...own, ...inner]) {
    const far = distance(name.toLowerCase(), path.slice(path.indexOf('.') + 1).toLowerCase())
    if (far < best) [nearest, best] = [path, far]
  }
  return nearest ? `; did you mean ${prefix}${nearest}?` : `; it has ${own.join(', ') || 'none'}`
}

/** Edits (insert, delete, replace) from one word to another. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const letter of from) {
    const next = [row[0]! + 1]
    for (const [j, other] of [...to].entries()) {
      next.push(Math.min(row[j]! + (letter === other ? 0 : 1), row[j + 1]! + 1, next[j]! + 1))
    }
    row = next
  }
  return row[to.length]!
}

/** Whether a value is an object with names in it, and no list or bytes. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

function show(value: unknown): string {
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, MAX_SHOWN))}`
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value)
}

function kindOf(value: unknown): string {
  if (value == null) return String(value)
  if (typeof value === 'string') return 'text'
  if (ArrayBuffer.isView(value)) return 'bytes'
  return Array.isArray(value) ? 'a list' : `a value of the type ${typeof value}`
}

// ─── rules: one for each kind of option ───

const isFunction = (value: unknown) => typeof value === 'function'
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isTime = (value: unknown, min: number) => typeof value === 'number' && value >= min && value <= MAX_TIME
const isInteger = (value: unknown, min: number, max: number) =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max

/** Whether a value has all these methods; of whichever class or realm it is. */
export function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && names.every((name) => isFunction((value as never)[name]))
}

const isClock = (value: unknown) => hasMethods(value, 'now', 'setTimer', 'clearTimer', 'defer', 'yieldToEventLoop')

/** An object of options; which ones may depend on the others in it. */
export function group(table: OptionTable | ((value: Readonly<Record<string, unknown>>) => OptionTable)): OptionRule {
  return { expected: 'an object', fits: isObject, inside: typeof table === 'function' ? table : () => table }
}

/** An integer in a range. */
export function integer(min: number, max: number): OptionRule {
  return { expected: `an integer from ${min} to ${max}`, fits: (value) => isInteger(value, min, max) }
}

/** One of some words. */
export function oneOf(...words: readonly string[]): OptionRule {
  return {
    expected: words.map((word) => JSON.stringify(word)).join(' or '),
    fits: (value) => words.includes(value as string),
  }
}

/** A time that can be switched off. */
export const time: OptionRule = {
  expected: 'a number of ms from 0 to 2147483647, where 0 is never',
  fits: (value) => isTime(value, 0),
}
/** A time that cannot. */
export const period: OptionRule = {
  expected: 'a number of ms over 0, up to 2147483647',
  fits: (value) => isTime(value, Number.MIN_VALUE),
}
export const flag: OptionRule = { expected: 'true or false', fits: (value) => typeof value === 'boolean' }
export const text: OptionRule = { expected: 'text', fits: isText }
export const callback: OptionRule = { expected: 'a function', fits: isFunction }
/** Text or bytes that no message may show. */
export const secretText: OptionRule = {
  expected: 'text or a Uint8Array',
  fits: (value) => isText(value) || isBytes(value),
  secret: true,
}
/** What is too weak says {@link assertPsk}. */
export const psk: OptionRule = {
  expected: 'a Uint8Array (parsePsk makes one of hex digits)',
  fits: isBytes,
  secret: true,
  required: true,
}
/** What a text has to look like says {@link parseDeviceId}. */
export const deviceId: OptionRule = {
  expected: 'text like aa:bb:cc:dd:ee:ff, or 6 bytes',
  fits: (value) => isText(value) || isBytes(value),
  required: true,
}
export const signal: OptionRule = {
  expected: 'an AbortSignal',
  fits: (value) => hasMethods(value, 'addEventListener') && 'aborted' in (value as object),
}
export const clock: OptionRule = {
  expected: 'a Clock',
  fits: isClock,
}
export const provider: OptionRule = {
  expected: 'a CryptoProvider',
  fits: (value) => hasMethods(value, 'generateKeyPair', 'hmacSha256', 'hkdfSha256', 'aead'),
}
export const suite: OptionRule = {
  get expected() {
    const suites = Object.entries(CipherSuite).map(([name, value]) => `CipherSuite.${name} (${value})`)
    return suites.join(' or ')
  },
  fits: (value) => Object.values<unknown>(CipherSuite).includes(value),
}
/**
 * For crypto providers: nothing stands in for a suite that they do not know.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function assertSuite(value: CipherSuite): void {
  if (!suite.fits(value)) throw invalid(`suite must be ${suite.expected}, not ${show(value)}`)
}

export const extensions: OptionRule = {
  expected: 'a list of packet types from 0x0C to 0xFE',
  fits: (value) => Array.isArray(value) && value.every((type) => isInteger(type, EXTENSION_FIRST, EXTENSION_LAST)),
}

// ─── tables: one row for each option ───

/** Of `send`, `receive`, `ping` and `rekey`. */
export const abortableTable: TableOf<Abortable> = { signal }

const datagramTable: TableOf<DatagramOptions> = {
  maxInFlight: /* @__PURE__ */ integer(1, 8),
  delivery: /* @__PURE__ */ oneOf('in-order', 'on-arrival'),
}

const kind: OptionRule = {
  expected: 'stream, message, serial or datagram',
  fits: (value) => ['stream', 'message', 'serial', 'datagram'].includes(value as string),
  required: true,
}
/** Of the option `datagram`. */
export const datagram = /* @__PURE__ */ group(datagramTable)
/** In `@usmp/node` this option is a flag. */
const wireProtocol: OptionRule = {
  expected: 'wireVersion1 of @usmp/core/wire-version-1',
  fits: (value) => hasMethods(value, 'client', 'server'),
}
const random: OptionRule = { expected: 'a RandomSource', fits: isFunction, required: true }
const sixBytes: OptionRule = {
  expected: 'a Uint8Array of 6 bytes',
  fits: (value) => isBytes(value) && value.length === DEVICE_ID_SIZE,
  required: true,
}
export const cookies: OptionRule = { expected: 'a CookieGuard', fits: (value) => hasMethods(value, 'issue', 'verify') }
export const reliableDatagram: OptionRule = {
  expected: 'the class ReliableDatagram of @usmp/core/datagram',
  fits: isFunction,
}
export const authorize: OptionRule = {
  expected: 'a function that gives the key of a device',
  fits: isFunction,
  required: true,
}
const jitter: OptionRule = { expected: 'a function like Math.random', fits: isFunction, required: true }
const webStream: OptionRule = {
  expected: 'a web stream',
  fits: (value) => hasMethods(value, 'getReader') || hasMethods(value, 'getWriter'),
  required: true,
}

/** Of what `authorize` returns. */
export const authorizationTable: TableOf<Authorization> = { psk, allowWeakPsk: flag, suite }

/** What both ends of a session take, in every package. */
export const sessionRows = {
  handshakeTimeout: time,
  keepalive: time,
  idleTimeout: time,
  extensions,
  datagram,
  provider,
} satisfies OptionTable

// Not spread: bundlers keep an unused object with a spread in it, for the getters that it may call.
const connectionRows = /* @__PURE__ */ Object.assign(
  { unsafeWireVersion1: wireProtocol, reliableDatagram, random },
  sessionRows,
)
const clientRows = /* @__PURE__ */ Object.assign({ deviceId: sixBytes }, authorizationTable, connectionRows)
const serverRows = /* @__PURE__ */ Object.assign({ cookies }, connectionRows)

/** Of `Connection.client`. */
export const clientTable: TableOf<ClientOptions> = /* @__PURE__ */ Object.assign({ kind }, clientRows)

/** Of `Connection.server`. */
export const serverTable: TableOf<ServerOptions> = /* @__PURE__ */ Object.assign({ kind }, serverRows)

/** Of `Session.connect`. */
export const connectTable: TableOf<ConnectOptions> = /* @__PURE__ */ Object.assign({ clock, signal }, clientRows)

/** Of `Session.accept`. */
export const acceptTable: TableOf<AcceptOptions> = /* @__PURE__ */ Object.assign(
  { authorize, onUnproven: callback, clock, signal },
  serverRows,
)

const maxRefusals: OptionRule = {
  expected: 'a number of refusals over 0',
  fits: (value) => typeof value === 'number' && value >= 1,
}
/** What every function takes that makes sessions one after another. */
export const retryRows = { onRetry: callback, maxRefusals } satisfies OptionTable

/** Of `reconnecting`. */
export const reconnectTable: TableOf<ReconnectOptions> = /* @__PURE__ */ Object.assign(
  {
    clock: { expected: 'a Clock', fits: isClock, required: true },
    jitter,
    signal,
    longestPause: period,
    longestRefusalPause: period,
    sleep: callback,
  },
  retryRows,
)

/** Of `streamTransport`. */
export const streamTransportTable: TableOf<StreamTransportOptions> = {
  kind,
  readable: webStream,
  writable: webStream,
  address: text,
}
