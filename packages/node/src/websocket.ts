import { connect as connectNet, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { type Abortable, MAX_FRAME, type Transport, type TransportSink, UsmpError } from '@usmp/core'
import { WebSocket } from 'ws'
import { certificateError, clientCertificateHint } from './certificate-error.js'
import { assertPin, checkPin } from './certificate-pin.js'
import { formatAddress } from './tcp.js'

/** How long a close waits for the peer's answer, ms. */
const CLOSE_TIMEOUT = 2_000
/** How long an abort gives the close frame to leave, ms. */
const ABORT_GRACE = 100

/** Status codes of RFC 6455, section 7.4.1, as specification section 6.3 uses them. */
const Status = { NORMAL: 1000, GOING_AWAY: 1001, PROTOCOL_ERROR: 1002 } as const

/** What both ends of ours demand: sealed bytes do not compress, and nothing longer than a frame is ever buffered. */
export const webSocketOptions = { perMessageDeflate: false, maxPayload: MAX_FRAME } as const

// ─── the transport ───

/**
 * What the close of a WebSocket by the other side means to a protocol of its own: the cause with which the transport ends, or undefined
 * for an end in order.
 * @param code of RFC 6455, section 7.4; 1005 for none
 * @param reason the other side's words, untrusted: at most 123 bytes
 */
export type CloseCause = (code: number, reason: string) => unknown

/**
 * An open WebSocket as a transport; frames handed over together leave in one write of the socket below it.
 * @param closeCause default: no code is a fault
 */
export function webSocketTransport(socket: WebSocket, below: Socket, closeCause?: CloseCause): Transport {
  let sink: TransportSink | undefined
  let cause: unknown

  // What comes before `open` waits for it.
  socket.pause()
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) sink?.receive(data)
    else end(new UsmpError('BAD_MAGIC', 'a text message'))
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') cause = error
    else end(new UsmpError('TRAILING_BYTES', `a message of more than ${MAX_FRAME} bytes`, { cause: error }))
  })
  below.on('error', (error) => (cause = error))
  below.on('drain', () => sink?.drain())
  socket.on('close', (code, reason) => {
    cause ??= closeCause?.(code, reason.toString())
    end(cause)
  })

  function end(fault?: unknown): void {
    const target = sink
    sink = undefined
    target?.end(fault)
  }

  async function leave(status: number, timeout: number): Promise<void> {
    sink = undefined
    if (socket.readyState === WebSocket.CLOSED) return
    const timer = setTimeout(() => socket.terminate(), timeout)
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.close(status)
    // What still arrives has no reader any more, but the peer's close frame is behind it.
    socket.resume()
    await closed
    clearTimeout(timer)
  }

  return {
    kind: 'message',
    address: formatAddress(below.remoteAddress, below.remotePort),
    open(target) {
      sink = target
      if (socket.readyState === WebSocket.CLOSED) end(cause)
      else socket.resume()
    },
    write(frames) {
      below.cork()
      for (const frame of frames) socket.send(frame)
      below.uncork()
      return !below.writableNeedDrain
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (reason) => leave(isShutdown(reason) ? Status.GOING_AWAY : Status.NORMAL, CLOSE_TIMEOUT),
    abort: (reason) => void leave(isShutdown(reason) ? Status.GOING_AWAY : Status.PROTOCOL_ERROR, ABORT_GRACE),
  }
}

/** Whether a session ended, or a handshake was called off, because the server stops. */
function isShutdown(reason: UsmpError | undefined): boolean {
  return reason?.code === 'SHUTDOWN' || (reason?.cause instanceof UsmpError && reason.cause.code === 'SHUTDOWN')
}

// ─── the client ───

/** How a client and a server know each other by TLS, for `wss`. */
export interface TlsOptions {
  /** Certificates to trust instead of the well-known ones, PEM. */
  readonly ca?: string | Uint8Array | undefined
  /** The certificate of this client, PEM, for servers that ask for one; with `key`. */
  readonly cert?: string | Uint8Array | undefined
  /** Its private key, PEM. */
  readonly key?: string | Uint8Array | undefined
  /**
   * The public key of the server: the SHA-256 of its SubjectPublicKeyInfo, 64 hex digits, as `certificatePin` makes it. It stands in for the
   * authority, the host name and the dates of the certificate, so that a server may sign its own. With `ca`, both have to be right.
   */
  readonly pin?: string | undefined
}

/** Options of {@link connectWebSocket}. */
export interface WebSocketClientOptions extends Abortable, TlsOptions {
  /** That of the URL, with its zone. */
  readonly host?: string
  /** ms until the WebSocket is there; 0 for never */
  readonly timeout: number
  /** The subprotocol that the server has to speak (RFC 6455, section 1.9). */
  readonly protocol?: string
  readonly closeCause?: CloseCause
}

/**
 * Opens a WebSocket.
 * @throws UsmpError UNREACHABLE, UNTRUSTED_CERTIFICATE with the system's error as their cause; INVALID_ARGUMENT; ABORTED
 */
export async function connectWebSocket(url: URL, options: WebSocketClientOptions): Promise<Transport> {
  const { host, timeout, protocol, closeCause, signal, ...tls } = options
  if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
  const socket = open(url, protocol, {
    ...webSocketOptions,
    ...tlsOptions(url, tls),
    // A URL has no zone of a link-local address.
    ...(host?.includes('%') || tls.pin
      ? { createConnection: (below: TcpNetConnectOpts) => connectTo(url, host, below, tls.pin) }
      : {}),
  })
  const abort = () => socket.terminate()
  let timer: ReturnType<typeof setTimeout> | undefined
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await new Promise<Transport>((resolve, reject) => {
      // Not by its own `handshakeTimeout`, which starts again with every byte.
      if (timeout > 0) timer = setTimeout(() => reject(new Error(`no answer within ${timeout} ms`)), timeout)
      socket.once('error', reject)
      // Its answer is the only public way to the socket below.
      socket.once('upgrade', (response) =>
        socket.once('open', () => resolve(webSocketTransport(socket, response.socket, closeCause))),
      )
    })
  } catch (cause) {
    // Being called off, it may complain once more.
    socket.on('error', () => {})
    socket.terminate()
    if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
    throw certificateError(url, cause) ?? unreachable(url, cause)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function unreachable(url: URL, cause: unknown): UsmpError {
  const hint = clientCertificateHint(cause)
  return new UsmpError('UNREACHABLE', `${url}: ${(cause as Error).message}`, { cause, ...(hint ? { hint } : {}) })
}

/** @throws UsmpError INVALID_ARGUMENT */
function tlsOptions({ protocol }: URL, { ca, cert, key, pin }: TlsOptions): object {
  if (pin !== undefined) assertPin(pin)
  if ((cert === undefined) !== (key === undefined)) throw new UsmpError('INVALID_ARGUMENT', 'cert and key go together')
  if (protocol !== 'wss:' && (pin ?? cert) !== undefined) {
    throw new UsmpError('INVALID_ARGUMENT', 'pin, cert and key are for wss:, and this is not encrypted')
  }
  return {
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
    ...(cert === undefined || key === undefined ? {} : { cert: Buffer.from(cert), key: Buffer.from(key) }),
    // The pin is checked as soon as the server has proven that it holds the key of its certificate.
    ...(pin !== undefined && ca === undefined ? { rejectUnauthorized: false } : {}),
  }
}

function connectTo(
  { protocol }: URL,
  zoned: string | undefined,
  options: TcpNetConnectOpts,
  pin: string | undefined,
): Socket {
  const host = zoned ?? options.host ?? ''
  // The path of the URL would be taken for that of a local socket.
  const there = { ...options, host, path: undefined }
  if (protocol !== 'wss:') return connectNet(there)
  const socket: TLSSocket = connectTls({ ...there, servername: isIP(host.split('%', 1)[0]!) ? '' : host })
  if (pin !== undefined) socket.once('secureConnect', () => checkPin(socket, pin))
  return socket
}

function open(url: URL, protocol: string | undefined, options: object): WebSocket {
  try {
    return new WebSocket(url, protocol === undefined ? [] : [protocol], options)
  } catch (cause) {
    throw new UsmpError('INVALID_ARGUMENT', `${url}: ${(cause as Error).message}`, { cause })
  }
}
