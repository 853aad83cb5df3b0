import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { type Abortable, decodeFrame, PacketType, type Transport, type TransportSink, UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { resolveHost } from './host-name.js'
import { udpTable } from './options.js'
import { allowManyListeners } from './signals.js'
import { assertPort, CONNECT_TIMEOUT, formatAddress } from './tcp.js'

/** How long one address of a name is waited for before the next one is tried too, ms (as RFC 8305, section 5). */
const NEXT_ADDRESS = 250

/** A socket whose sends are not put off by a look-up of what is an address already. */
export function openUdpSocket(address: string, options: { recvBufferSize?: number } = {}): Socket {
  return createSocket({
    ...options,
    type: isIPv6(address) ? 'udp6' : 'udp4',
    lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4),
  })
}

/** A UDP socket that talks to one server. */
export interface UdpClientTransport extends Transport {
  readonly kind: 'datagram'
  /**
   * What the network reported (nobody listens there, no route), if nothing has ever arrived. Anybody can forge such a
   * report, so it ends nothing; it explains why there was no answer.
   */
  readonly fault: Error | undefined
}

/** Options of {@link connectUdp}. */
export interface UdpOptions extends Abortable {
  /** ms until the name of the host is resolved; 0 for never; default 10000. */
  readonly timeout?: number
}

/**
 * A UDP socket for one server. That somebody is there shows only in the handshake: where a name has several addresses, what
 * is sent goes to one after the other, until one answers.
 * @throws UsmpError INVALID_ARGUMENT; UNREACHABLE if the name cannot be resolved; ABORTED
 */
export async function connectUdp(host: string, port: number, options: UdpOptions = {}): Promise<UdpClientTransport> {
  checkOptions('connectUdp', options, udpTable)
  assertPort(port)
  const { timeout = CONNECT_TIMEOUT, signal } = options
  try {
    allowManyListeners(signal)
    const addresses = await resolveHost(host, { timeout, signal })
    return firstToAnswer(await connectSockets(addresses, port))
  } catch (cause) {
    if (cause instanceof UsmpError) throw cause
    throw new UsmpError('UNREACHABLE', `${formatAddress(host, port)}: ${(cause as Error).message}`, { cause })
  }
}

/**
 * A socket for every address that this machine has a way to.
 * @throws the error of the last address, if there is a way to none
 */
async function connectSockets(addresses: readonly string[], port: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  let fault: unknown = new Error('the name has no address')
  for (const address of addresses) {
    const socket = openUdpSocket(address)
    try {
      const connected = once(socket, 'connect')
      socket.connect(port, address)
      await connected
      sockets.push(socket)
    } catch (error) {
      socket.close()
      fault = error
    }
  }
  if (sockets.length === 0) throw fault
  return sockets
}

/** A connected UDP socket as a transport; `onFault` hears of what the network reports. */
export function udpTransport(socket: Socket, onFault: () => void = () => {}): UdpClientTransport {
  const { address, port } = socket.remoteAddress()
  let fault: Error | undefined
  let hasReceived = false
  let open = true
  const noteFault = (error: Error) => {
    fault ??= error
    onFault()
  }
  // From the first moment on: a socket without an error listener ends the process.
  socket.on('error', noteFault)
  const close = () => {
    if (open) socket.close()
    open = false
  }
  return {
    kind: 'datagram',
    address: formatAddress(address, port),
    get fault() {
      return hasReceived ? undefined : fault
    },
    open(sink) {
      socket.on('message', (datagram) => {
        hasReceived = true
        if (open) sink.receive(datagram)
      })
    },
    write(frames) {
      // What the system does not take is lost like any datagram, and repeated.
      if (open) for (const frame of frames) socket.send(frame, (error) => error && noteFault(error))
      return true
    },
    pause() {},
    resume() {},
    async close() {
      close()
    },
    abort: close,
  }
}

/** Whether a datagram can be a server's answer to HELLO; anything else comes from somebody who is none. */
function isAnswer(datagram: Uint8Array): boolean {
  try {
    const { type } = decodeFrame(datagram)
    return type === PacketType.HELLO_RETRY || type === PacketType.CHALLENGE || type === PacketType.ERROR
  } catch {
    return false
  }
}

/**
 * One transport of the sockets for all addresses of a name. Every {@link NEXT_ADDRESS} ms, and at once where the network says
 * that nobody is there, one more of them is sent what was sent last, until one answers; the others are closed then. So a
 * handshake is begun at several addresses, but goes on at one.
 */
function firstToAnswer(sockets: readonly Socket[]): UdpClientTransport {
  const candidates = sockets.map((socket, index) => udpTransport(socket, () => index === tried - 1 && tryNext()))
  let tried = 0
  let chosen = candidates.length === 1 ? candidates[0] : undefined
  let sink: TransportSink | undefined
  let sent: readonly Uint8Array[] = []
  let timer: ReturnType<typeof setTimeout> | undefined

  function tryNext(): void {
    clearTimeout(timer)
    const next = chosen ? undefined : candidates[tried]
    if (!next) return
    tried++
    next.open({
      receive(datagram) {
        if (isAnswer(datagram)) choose(next)
        if (next === chosen) sink?.receive(datagram)
      },
      drain() {},
      end() {},
    })
    next.write(sent)
    timer = setTimeout(tryNext, NEXT_ADDRESS)
  }

  function choose(answering: UdpClientTransport): void {
    if (chosen) return
    chosen = answering
    clearTimeout(timer)
    for (const other of candidates) if (other !== answering) other.abort()
  }

  function close(): void {
    clearTimeout(timer)
    for (const candidate of candidates) candidate.abort()
  }

  return {
    kind: 'datagram',
    get address() {
      return (chosen ?? candidates[0]!).address
    },
    get fault() {
      return chosen ? chosen.fault : candidates.find(({ fault }) => fault)?.fault
    },
    open(target) {
      sink = target
      if (chosen) chosen.open(target)
    },
    write(frames) {
      if (chosen) return chosen.write(frames)
      sent = frames
      if (tried === 0) tryNext()
      else for (const candidate of candidates.slice(0, tried)) candidate.write(frames)
      return true
    },
    pause() {},
    resume() {},
    async close() {
      close()
    },
    abort: close,
  }
}
