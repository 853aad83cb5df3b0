import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TlsOptions,
} from 'node:tls'
import { psk } from '../fixtures.js'
import { certificate } from './certificate.js'
import { handshakePrimitives, sealAndOpen } from './primitives.js'
import { Arrivals, type Stack, type StackOpener } from './stack.js'

const HOST = '127.0.0.1'
/** Messages that the coalescing sender puts into one write: as many as USMP puts into 64 KiB. */
const BATCH = 128

/** A kind of socket: bare, or with TLS on top. */
interface SocketKind {
  listen(onConnection: (socket: Socket) => void): Server
  connect(port: number): Socket
}

const bare: SocketKind = {
  listen: (onConnection) => createServer({ noDelay: true }, onConnection),
  connect: (port) => connect({ host: HOST, port, noDelay: true }),
}

function tlsPsk(settings: TlsOptions & ConnectionOptions): SocketKind {
  return {
    listen: (onConnection) =>
      createTlsServer({ ...settings, noDelay: true, pskCallback: () => Buffer.from(psk) }, onConnection),
    connect: (port) => {
      const socket = connectTls({
        ...settings,
        host: HOST,
        port,
        pskCallback: () => ({ psk, identity: 'device' }),
        // There is no certificate whose name could be checked.
        checkServerIdentity: () => undefined,
      })
      socket.setNoDelay(true)
      return socket
    },
  }
}

function tlsEcdsa(resume: boolean): SocketKind {
  let session: Buffer | undefined
  return {
    listen: (onConnection) => createTlsServer({ ...certificate, minVersion: 'TLSv1.3', noDelay: true }, onConnection),
    connect(port) {
      const ca = certificate.cert
      const socket = connectTls({ host: HOST, port, ca, minVersion: 'TLSv1.3', ...(session && { session }) })
      socket.setNoDelay(true)
      // A ticket is for one use, and every handshake brings new ones.
      if (resume) socket.on('session', (ticket) => (session = ticket))
      return socket
    },
  }
}

/** Each message in a write of its own. */
export const tcp = socketStack('TCP', bare, false)
/** Many messages in one write. */
export const tcpCoalesced = socketStack('TCP, coalesced', bare, true)

/** External PSKs that come by callback go with the SHA-256 suites only, so this is AES-128. */
const TLS13 = tlsPsk({ minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' })
const TLS12 = tlsPsk({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-PSK-CHACHA20-POLY1305' })

/** Certificates of ECDSA on P-256, the client checks that of the server; a full handshake each time. */
export const tls13Ecdsa = socketStack('TLS 1.3 ECDSA', tlsEcdsa(false), false)
/** The same, and every handshake takes up the session of an earlier one. */
export const tls13Resumed = socketStack('TLS 1.3 ECDSA, resumed', tlsEcdsa(true), false)

export const tls13Psk = socketStack('TLS 1.3 PSK', TLS13, false)
export const tls13PskCoalesced = socketStack('TLS 1.3 PSK, coalesced', TLS13, true)
export const tls12Psk = socketStack('TLS 1.2 ECDHE-PSK', TLS12, false)

/** A bare connection, and the cryptography of both ends of a USMP handshake: what a handshake cannot be faster than. */
export const tcpWithPrimitives: StackOpener = async (size, atEnd) => {
  const stack = await tcp(size, atEnd)
  return {
    ...stack,
    name: 'TCP and primitives',
    visit() {
      handshakePrimitives['node:crypto']()
      return stack.visit()
    },
  }
}

/** Many messages in one write, each sealed and opened by itself: what a session cannot be faster than. */
export const tcpWithCipher: StackOpener = async (size, atEnd) => {
  const stack = await tcpCoalesced(size, atEnd)
  const sealAndOpenOne = sealAndOpen('node:crypto', 'AES-256-GCM', new Uint8Array(size))
  function spend(messages: number): void {
    for (let i = 0; i < messages; i++) sealAndOpenOne()
  }
  return {
    ...stack,
    name: 'TCP, coalesced, and AES-256-GCM',
    pour(count) {
      spend(count)
      return stack.pour(count)
    },
    echo(count, window) {
      spend(2 * count)
      return stack.echo(count, window)
    },
  }
}

function socketStack(name: string, kind: SocketKind, coalesce: boolean): StackOpener {
  return async (size, atEnd) => {
    const message = Buffer.alloc(size, 0x5a)
    const arrivals = new Arrivals()
    const echoPort = await serve(kind, atEnd, (socket) => echoMessages(socket, coalesce ? 1 : size))
    const sinkPort = await serve(kind, atEnd, (socket) => socket.on('data', (chunk) => arrivals.add(chunk.length)))
    const echoing = open(kind, echoPort, atEnd)
    const sinking = open(kind, sinkPort, atEnd)

    return {
      name,
      async visit() {
        const socket = quiet(kind.connect(echoPort))
        socket.write(message.subarray(0, 1))
        await once(socket, 'data')
        return async () => {
          socket.end()
          await once(socket, 'close')
        }
      },
      async pour(count) {
        const arrived = arrivals.expect(count * size)
        for (let sent = 0; sent < count; ) {
          const part = coalesce ? Math.min(BATCH, count - sent) : 1
          sent += part
          if (!sinking.write(batch(message, part))) await once(sinking, 'drain')
        }
        await arrived
      },
      echo: (count, window) => echo(echoing, message, coalesce, count, window),
    } satisfies Stack
  }
}

/** Several messages, copied together as a program that has them one by one would do it. */
function batch(message: Buffer, count: number): Buffer {
  return count === 1 ? message : Buffer.concat(Array.from({ length: count }, () => message))
}

async function serve(
  kind: SocketKind,
  atEnd: (close: () => unknown) => void,
  onConnection: (socket: Socket) => void,
): Promise<number> {
  const server = kind.listen((socket) => onConnection(quiet(socket)))
  server.listen(0, HOST)
  await once(server, 'listening')
  atEnd(() => server.close())
  return (server.address() as AddressInfo).port
}

function open(kind: SocketKind, port: number, atEnd: (close: () => unknown) => void): Socket {
  const socket = quiet(kind.connect(port))
  atEnd(() => socket.destroy())
  return socket
}

/** A peer that hangs up is part of the game, and a socket without a listener for it would end the process. */
function quiet(socket: Socket): Socket {
  return socket.on('error', () => {})
}

/** Sends back what comes, in pieces of `unit` bytes or, with unit 1, as it comes. */
function echoMessages(socket: Socket, unit: number): void {
  let rest = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    // The one byte of a visit is no message.
    if (unit === 1 || chunk.length === 1) return void socket.write(chunk)
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let offset = 0
    for (; bytes.length - offset >= unit; offset += unit) socket.write(bytes.subarray(offset, offset + unit))
    rest = bytes.subarray(offset)
  })
}

function echo(socket: Socket, message: Buffer, coalesce: boolean, count: number, window: number): Promise<void> {
  let sent = 0
  let received = 0
  function send(allowed: number): void {
    const part = Math.min(allowed, count - sent)
    sent += part
    if (coalesce && part > 0) socket.write(batch(message, part))
    else for (let i = 0; i < part; i++) socket.write(message)
  }
  return new Promise((resolve) => {
    socket.on('data', function onData(chunk: Buffer) {
      received += chunk.length
      const complete = Math.floor(received / message.length)
      if (complete < count) return send(window - (sent - complete))
      socket.off('data', onData)
      resolve()
    })
    send(window)
  })
}
