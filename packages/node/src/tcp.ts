import { once } from 'node:events'
import { connect as connectSocket, isIPv4, type Server, type Socket } from 'node:net'
import { type Abortable, type Transport, UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { duplexTransport } from './duplex.js'
import { tcpTable } from './options.js'
import { allowManyListeners } from './signals.js'

/** Where a server listens if nothing else is said: reached from this machine only (docs/decisions/0030-local-by-default.md). */
export const DEFAULT_HOST = '127.0.0.1'
export const DEFAULT_PORT = 9000
/** How long an attempt to connect may take where the caller does not say, ms. */
export const CONNECT_TIMEOUT = 10_000

/** What stands before an IPv4 address in IPv6 (RFC 4291, section 2.5.5.2). */
const IPV4_MAPPED = '::ffff:'

/** A connected TCP socket as a transport; frames handed over together leave in one write. */
export function tcpTransport(socket: Socket): Transport {
  socket.setNoDelay(true)
  return duplexTransport(socket, 'stream', formatAddress(socket.remoteAddress, socket.remotePort))
}

/** Options of {@link connectTcp}. */
export interface TcpOptions extends Abortable {
  /** ms until the connection is there; 0 for never; default 10000. */
  readonly timeout?: number
}

/**
 * Opens a TCP connection.
 * @throws UsmpError INVALID_ARGUMENT; UNREACHABLE with the system's error as its cause; ABORTED
 */
export async function connectTcp(host: string, port: number, options: TcpOptions = {}): Promise<Transport> {
  checkOptions('connectTcp', options, tcpTable)
  const { timeout = CONNECT_TIMEOUT, signal } = options
  assertPort(port)
  if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
  allowManyListeners(signal)
  const socket = connectSocket({ host, port })
  const giveUp = () => socket.destroy(new Error(`no answer within ${timeout} ms`))
  const onAbort = () => socket.destroy(new Error('aborted'))
  const timer = timeout > 0 ? setTimeout(giveUp, timeout) : undefined
  signal?.addEventListener('abort', onAbort)
  try {
    await once(socket, 'connect')
  } catch (cause) {
    socket.on('error', () => {}).destroy()
    if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
    throw new UsmpError('UNREACHABLE', `${formatAddress(host, port)}: ${describe(cause)}`, { cause })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
  return tcpTransport(socket)
}

/**
 * Begins to listen; resolves when connections can come.
 * @throws UsmpError INVALID_ARGUMENT; TRANSPORT_FAILED if the port cannot be had
 */
export async function startListening(server: Server, host: string, port: number): Promise<void> {
  assertPort(port)
  server.listen({ host, port })
  try {
    await once(server, 'listening')
  } catch (cause) {
    const detail = `cannot listen on ${formatAddress(host, port)}: ${(cause as Error).message}`
    throw new UsmpError('TRANSPORT_FAILED', detail, { cause, hint: listenHint(cause) })
  }
}

/** @throws UsmpError INVALID_ARGUMENT */
export function assertPort(port: number): void {
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return
  throw new UsmpError('INVALID_ARGUMENT', `the port must be a number from 0 to 65535, not ${port}`)
}

function listenHint(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return 'Choose another port, or end what holds it.'
    case 'EACCES':
      return 'Ports under 1024 are for the system: choose a higher one.'
    default:
      return 'Is the host an address of this machine?'
  }
}

/** A name with several addresses fails with one error for each, and no message of its own. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/** `host:port`, with brackets around an IPv6 address. An IPv4 address stays one where a socket of IPv6 took the connection. */
export function formatAddress(host = 'unknown', port = 0): string {
  if (!host.includes(':')) return `${host}:${port}`
  const mapped = host.slice(IPV4_MAPPED.length)
  return host.toLowerCase().startsWith(IPV4_MAPPED) && isIPv4(mapped) ? `${mapped}:${port}` : `[${host}]:${port}`
}
