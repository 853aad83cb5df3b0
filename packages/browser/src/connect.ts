import {
  assertPsk,
  type AcceptOptions as CoreAcceptOptions,
  type ConnectOptions as CoreConnectOptions,
  parseDeviceId,
  type ReconnectOptions,
  reconnecting,
  Session,
  systemClock,
  type Transport,
} from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { acceptTable, connectTable, sessionsTable } from './options.js'
import { webRandom } from './random.js'
import { openWebSocket } from './websocket.js'

const CONNECT_TIMEOUT = 10_000

/** What the core takes, without what a browser brings itself. */
type Plain<T> = Omit<T, 'deviceId' | 'random' | 'clock' | 'unsafeWireVersion1'>

export interface ConnectOptions extends Plain<CoreConnectOptions> {
  /** Six bytes, or `aa:bb:cc:dd:ee:ff`; see {@link browserDeviceId}. */
  readonly deviceId: string | Uint8Array
  /** ms until the WebSocket is there; 0 for never; default 10000. */
  readonly connectTimeout?: number
}

/** Options of {@link sessions}. */
export interface SessionsOptions extends ConnectOptions {
  /** Told before each pause: why, and how long it will be in ms. */
  readonly onRetry?: ReconnectOptions['onRetry']
  /** Refusals in a row that are the end; default: none is, and the pauses between them grow to 5 minutes. */
  readonly maxRefusals?: number
}

/** Options of {@link accept}. */
export interface AcceptOptions extends Plain<CoreAcceptOptions> {}

/**
 * Connects to a server.
 * @param target `wss://…` or `ws://…`, or a transport: {@link serialTransport}, {@link messagePortTransport}
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK, UNREACHABLE, HANDSHAKE_REFUSED, HANDSHAKE_TIMEOUT, AUTH_FAILED, ABORTED
 */
export async function connect(target: string | URL | Transport, options: ConnectOptions): Promise<Session> {
  if (!isAddress(target)) return establish(target, options)
  // Before the network is asked: a wrong argument is not to hide behind a server that is down.
  assertUsable(options)
  return establish(await openWebSocket(target, options.connectTimeout ?? CONNECT_TIMEOUT, options.signal), options)
}

function establish(transport: Transport, options: ConnectOptions): Promise<Session> {
  return abortOnThrow(transport, () => {
    const deviceId = assertUsable(options)
    const { connectTimeout, ...rest } = options
    return Session.connect(transport, { ...rest, deviceId, random: webRandom })
  })
}

/**
 * @returns the bytes of the device id
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
function assertUsable(options: ConnectOptions): Uint8Array {
  checkOptions('connect', options, connectTable)
  assertPsk(options.psk, options.allowWeakPsk)
  return parseDeviceId(options.deviceId)
}

/**
 * The server on a transport, towards another page, a worker, or a device on a serial port.
 * @throws UsmpError of the handshake or transport; ABORTED; PSK_LOOKUP_FAILED if `authorize` failed
 */
export async function accept(transport: Transport, options: AcceptOptions): Promise<Session> {
  return abortOnThrow(transport, () => {
    checkOptions('accept', options, acceptTable)
    return Session.accept(transport, { ...options, random: webRandom })
  })
}

/**
 * Sessions one after another: reconnects by itself, with growing pauses. Every item is a new handshake, and nothing is
 * queued across. Ends, with the session there is, when `signal` aborts. A server that refuses the key is tried again as well, as it
 * may learn it: see `onRetry` and `maxRefusals`.
 * @param target an address, or what makes a new transport each time
 * @throws UsmpError where repeating is useless: wrong usage, a failure of the platform, or the last of `maxRefusals` refusals
 */
export function sessions(
  target: string | URL | (() => Transport | Promise<Transport>),
  options: SessionsOptions,
): AsyncGenerator<Session, void, undefined> {
  checkOptions('sessions', options, sessionsTable)
  const { onRetry, maxRefusals, ...rest } = options
  const { signal } = rest
  const attempt = async () => connect(typeof target === 'function' ? await target() : target, rest)
  return reconnecting(attempt, {
    clock: systemClock,
    jitter: Math.random,
    signal,
    onRetry,
    maxRefusals,
  })
}

function isAddress(target: string | URL | Transport): target is string | URL {
  return typeof target === 'string' || target instanceof URL
}

async function abortOnThrow(transport: Transport, establish: () => Promise<Session>): Promise<Session> {
  try {
    return await establish()
  } catch (error) {
    transport.abort()
    throw error
  }
}
