import {
  assertPsk,
  type CipherSuite,
  type CryptoProvider,
  type DatagramOptions,
  parseDeviceId,
  type ReconnectOptions,
  reconnecting,
  Session,
  type Transport,
  UsmpError,
} from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { checkOptions } from '@usmp/core/options'
import { wireVersion1 } from '@usmp/core/wire-version-1'
import { nodeClock } from './clock.js'
import { nodeProvider, nodeRandom } from './crypto-node.js'
import { prepareSuite } from './crypto-sodium.js'
import { connectTable, sessionsTable } from './options.js'
import { connectSerial } from './serial-port.js'
import { allowManyListeners } from './signals.js'
import { parseTarget, type Target } from './target.js'
import { CONNECT_TIMEOUT, connectTcp } from './tcp.js'
import { connectUdp } from './udp.js'
import { connectWebSocket, type TlsOptions } from './websocket.js'

export interface ConnectOptions {
  /** Six bytes, or `aa:bb:cc:dd:ee:ff`. */
  readonly deviceId: string | Uint8Array
  /** At least 16 bytes, better 32 random ones. */
  readonly psk: Uint8Array
  /** Accept a key of low entropy. */
  readonly allowWeakPsk?: boolean
  /** Must be what the server is configured for. Default AES-256-GCM. */
  readonly suite?: CipherSuite
  /** ms until the transport is there; 0 for never; default 10000. */
  readonly connectTimeout?: number
  /** ms for each step of the handshake; 0 for never; default 5000. */
  readonly handshakeTimeout?: number
  /** ms of silence after which a PING goes out; 0 for never; default 20000. */
  readonly keepalive?: number
  /**
   * ms without an authentic frame after which the session ends; 0 for never; default 60000. So it does when the
   * transport takes nothing for so long, except on a serial line.
   */
  readonly idleTimeout?: number
  /** Packet types 0x0C–0xFE that this application understands. */
  readonly extensions?: readonly number[]
  /** Speaks wire version 1, whose encryption is broken; only for upgrading old gateways. Warns on every session. */
  readonly unsafeWireVersion1?: boolean
  /** On UDP: messages under way at once, and the order of those that arrive. */
  readonly datagram?: DatagramOptions
  /** For `wss`: the certificates of the authorities to trust instead of the well-known ones, in PEM. */
  readonly ca?: string | Uint8Array
  /** For `wss`: the certificate of this client, in PEM; with `key`. */
  readonly cert?: string | Uint8Array
  /** For `wss`: the private key of `cert`, in PEM. */
  readonly key?: string | Uint8Array
  /**
   * For `wss`: the SHA-256 of the server's SubjectPublicKeyInfo, 64 hex digits. It replaces the check of authority, name and dates; with `ca`
   * both are checked.
   */
  readonly pin?: string
  /** Default: node:crypto. */
  readonly provider?: CryptoProvider
  /** Calls the attempt off. An established session is ended by its own `close`. */
  readonly signal?: AbortSignal | undefined
}

/** Options of {@link sessions}. */
export interface SessionsOptions extends ConnectOptions {
  /** Told before each pause: why, and how long it will be in ms. */
  readonly onRetry?: ReconnectOptions['onRetry']
  /** Refusals in a row that are the end; default: none is, and the pauses between them grow to 5 minutes. */
  readonly maxRefusals?: number
}

/**
 * Connects to a server.
 * @param url `usmp://host:port` for TCP, `usmp+udp://host:port` for UDP, the port being 9000 where left out; or `ws://…`,
 * `wss://…`, `serial:///dev/ttyUSB0?baud=115200&rtscts=true` with the options of {@link serialPort}. A link-local IPv6 address
 * has its zone in it, as text: `usmp://[fe80::1%eth0]`.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK, UNREACHABLE, HANDSHAKE_REFUSED, HANDSHAKE_TIMEOUT, AUTH_FAILED, ABORTED
 */
export async function connect(url: string | URL, options: ConnectOptions): Promise<Session> {
  // Before the network is asked: a wrong argument is not to hide behind a server that is down.
  const target = parseTarget(url)
  checkOptions('connect', options, connectTable)
  const { connectTimeout: timeout = CONNECT_TIMEOUT, ca, cert, key, pin, signal } = options
  allowManyListeners(signal)
  const deviceId = parseDeviceId(options.deviceId)
  assertPsk(options.psk, options.allowWeakPsk)
  if (!options.provider) await prepareSuite(options.suite)
  if (target.kind === 'udp') {
    const transport = await connectUdp(target.host, target.port, { timeout, signal })
    return establish(transport, options, deviceId).catch((error: UsmpError) => {
      const { fault: cause } = transport
      if (error.code !== 'HANDSHAKE_TIMEOUT' || !cause) throw error
      throw new UsmpError('UNREACHABLE', `${transport.address}: ${cause.message}`, { cause })
    })
  }
  const transport = await openTransport(target, { timeout, ca, cert, key, pin, signal })
  if (options.unsafeWireVersion1) {
    process.emitWarning(`the session with ${transport.address} uses wire version 1, whose encryption is broken`, {
      code: 'USMP_WIRE_VERSION_1',
    })
  }
  return establish(transport, options, deviceId)
}

/**
 * Sessions one after another: reconnects by itself, with growing pauses. Every item is a new handshake, and nothing is
 * queued across. Ends, with the session there is, when `signal` aborts. A server that refuses the key is tried again as well, as it
 * may learn it: see `onRetry` and `maxRefusals`.
 * @throws UsmpError where repeating is useless: wrong usage, a failure of the platform, or the last of `maxRefusals` refusals
 */
export function sessions(url: string | URL, options: SessionsOptions): AsyncGenerator<Session, void, undefined> {
  checkOptions('sessions', options, sessionsTable)
  const { onRetry, maxRefusals, ...rest } = options
  const { signal } = rest
  allowManyListeners(signal)
  return reconnecting(() => connect(url, rest), {
    clock: nodeClock,
    jitter: Math.random,
    signal,
    ...(onRetry ? { onRetry } : {}),
    ...(maxRefusals === undefined ? {} : { maxRefusals }),
  })
}

async function establish(
  transport: Transport,
  { connectTimeout, ca, cert, key, pin, unsafeWireVersion1, ...options }: ConnectOptions,
  deviceId: Uint8Array,
): Promise<Session> {
  try {
    return await Session.connect(transport, {
      ...options,
      ...(unsafeWireVersion1 ? { unsafeWireVersion1: wireVersion1 } : {}),
      deviceId,
      reliableDatagram: ReliableDatagram,
      provider: options.provider ?? nodeProvider,
      random: nodeRandom,
      clock: nodeClock,
    })
  } catch (error) {
    transport.abort()
    throw error
  }
}

function openTransport(
  target: Exclude<Target, { kind: 'udp' }>,
  { timeout, signal, ...tls }: TlsOptions & { timeout: number; signal: AbortSignal | undefined },
): Promise<Transport> {
  switch (target.kind) {
    case 'tcp':
      return connectTcp(target.host, target.port, { timeout, signal })
    case 'websocket':
      return connectWebSocket(target.url, { host: target.host, timeout, signal, ...tls })
    case 'serial':
      return connectSerial(target.url, signal)
  }
}
