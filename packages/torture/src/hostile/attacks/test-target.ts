// What attacks have in common: sockets, frames, and sessions of peers that hold a key and do not behave.
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { CipherSuite, decodeFrame, encodeFrame, type Frame, FrameDecoder, PacketType } from '@usmp/core'
import {
  type ClientHandshake,
  deriveRekeyKeys,
  type HandshakeResult,
  RecordLayer,
  wireVersion2,
} from '@usmp/core/internal'
import { nodeProvider, nodeRandom } from '@usmp/node'
import { psk as goodPsk } from '../identities.js'

export const HOST = '127.0.0.1'
/** Between the bursts of a gentle flood, ms. */
const GENTLE_PAUSE = 100
/** Until a gentle attacker comes again, ms. */
const GENTLE_ROUND = 100

export interface Ports {
  readonly tcp: number
  readonly udp: number
  /** Of good clients with a session on UDP. */
  readonly goodUdp: readonly number[]
  /** Floods keep to some thousand packets a second, which leave the machine time for everybody. */
  readonly gentle: boolean
}

export interface Counts {
  connections: number
  packets: number
}

export interface TestTarget extends Ports {
  readonly sent: Counts
  readonly signal: AbortSignal
}

/** One way to attack. */
export interface Attack {
  readonly name: string
  /** In a few words, for the table. */
  readonly what: string
  /** Needs to forge the addresses of others. */
  readonly spoofs?: boolean
  run(target: TestTarget): Promise<unknown>
}

/** The n-th address of attackers; good clients come from another one. */
export const address = (n: number): string => `127.0.${1 + (n >> 8)}.${n & 0xff}`

/** So many at once, each again and again until the attack ends. */
export async function repeat(
  { signal, gentle }: TestTarget,
  count: number,
  action: (n: number, round: number) => Promise<unknown>,
): Promise<void> {
  const worker = async (n: number) => {
    for (let round = 0; !signal.aborted; round++) {
      await action(n, round).catch(() => {})
      await (gentle ? sleep(GENTLE_ROUND) : turn())
    }
  }
  await Promise.all(Array.from({ length: count }, (_, n) => worker(n)))
}

/** A TCP connection from an address of ours. */
export async function openTcp({ tcp, sent }: TestTarget, from: string): Promise<Socket> {
  const socket = connect({ port: tcp, host: HOST, localAddress: from })
  await once(socket, 'connect')
  socket.on('error', () => {})
  sent.connections++
  return socket
}

/** Resolves when a connection is over, by whomever. */
export async function over(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}

/** A UDP socket at an address of ours that talks to the server. */
export async function openUdp({ udp, sent }: TestTarget, from: string): Promise<UdpSocket> {
  const socket = createSocket('udp4')
  socket.on('error', () => {})
  socket.bind(0, from)
  await once(socket, 'listening')
  socket.connect(udp, HOST)
  await once(socket, 'connect')
  sent.connections++
  return socket
}

/** Sends datagrams as fast as the system takes them, until the attack ends. */
export async function flood(target: TestTarget, socket: UdpSocket, make: () => Uint8Array): Promise<void> {
  const AT_ONCE = 32
  while (!target.signal.aborted) {
    const sending = Array.from({ length: AT_ONCE }, () => new Promise((done) => socket.send(make(), done)))
    await Promise.all(sending)
    target.sent.packets += AT_ONCE
    // The system may have taken them at once.
    await (target.gentle ? sleep(GENTLE_PAUSE) : turn())
  }
}

/** Writes as fast as the peer takes it, until the attack or the connection ends. */
export async function pour(target: TestTarget, socket: Socket, make: () => Uint8Array): Promise<void> {
  const AT_ONCE = 16
  while (!target.signal.aborted && !socket.destroyed) {
    target.sent.packets += AT_ONCE
    if (socket.write(Buffer.concat(Array.from({ length: AT_ONCE }, make))))
      await (target.gentle ? sleep(GENTLE_PAUSE) : turn())
    else await Promise.race([once(socket, 'drain'), once(socket, 'close')])
  }
}

/** A HELLO that is right in form: random key, given device. */
export function hello(deviceId: Uint8Array, cookie: Uint8Array = new Uint8Array(0)): Uint8Array {
  // X25519 takes any 32 bytes for a public key.
  const payload = Uint8Array.of(...deviceId, ...nodeRandom(32), ...cookie)
  return encodeFrame({ type: PacketType.HELLO, seq: cookie.length > 0 ? 1 : 0, payload })
}

/** Asks for a cookie, and again if it is not given. */
export async function cookieFor(target: TestTarget, socket: UdpSocket, deviceId: Uint8Array): Promise<Uint8Array> {
  const answers = collect(socket)
  for (;;) {
    socket.send(hello(deviceId))
    target.sent.packets++
    const retry = await Promise.race([answers((frame) => frame.type === PacketType.HELLO_RETRY), sleep(500)])
    if (retry) return retry.payload
  }
}

/** The first frame of a kind that comes on a socket. */
function collect(socket: UdpSocket): (isWanted: (frame: Frame) => boolean) => Promise<Frame> {
  const frames: Frame[] = []
  let wake = () => {}
  socket.on('message', (datagram) => {
    if (datagram[0] !== 0xcd) return
    frames.push(decodeFrame(Uint8Array.from(datagram)))
    wake()
  })
  return async (isWanted) => {
    for (;;) {
      const frame = frames.find(isWanted)
      if (frame) return frame
      await new Promise<void>((resolve) => (wake = resolve))
    }
  }
}

/** Who a peer says it is, and what it proves it by. */
export interface Identity {
  readonly deviceId: Uint8Array
  readonly psk?: Uint8Array
}

/** Makes the frames of a session, also those that no honest peer makes. */
export class Forger {
  #established: HandshakeResult
  #cipher: RecordLayer

  constructor(established: HandshakeResult) {
    this.#established = established
    this.#cipher = this.#cipherFrom(0)
  }

  seal(type: number, plaintext: Uint8Array = new Uint8Array(0)): Uint8Array {
    return this.#cipher.seal(type, plaintext)
  }

  /** The key of what the server sends, and of its acknowledgements. */
  get receiveKey(): Uint8Array {
    return this.#established.keys.rx
  }

  /** A REKEY; what is sealed afterwards is under its keys. No honest peer begins one before the last is confirmed. */
  rekey(): Uint8Array {
    const { sessionId, keys } = this.#established
    const salt = nodeRandom(32)
    const frame = this.seal(PacketType.REKEY, salt)
    this.#established = { ...this.#established, keys: deriveRekeyKeys(nodeProvider, keys, true, salt, sessionId) }
    this.#cipher = this.#cipherFrom(0)
    return frame
  }

  /** The next frame has this number. */
  jumpTo(seq: number): void {
    this.#cipher = this.#cipherFrom(seq)
  }

  #cipherFrom(seq: number): RecordLayer {
    const { keys, ...rest } = this.#established
    const copy = { tx: Uint8Array.from(keys.tx), rx: Uint8Array.from(keys.rx) }
    return new RecordLayer(nodeProvider, wireVersion2, { ...rest, keys: copy }, undefined, true, {
      tx: seq,
      rx: 0,
    })
  }
}

/** The handshake of a client by hand; `send` is told each frame that leaves. */
class Handshake {
  readonly #handshake: ClientHandshake
  readonly #send: (frame: Uint8Array) => void

  constructor({ deviceId, psk = goodPsk }: Identity, send: (frame: Uint8Array) => void) {
    this.#send = send
    this.#handshake = wireVersion2.client({
      provider: nodeProvider,
      random: nodeRandom,
      deviceId,
      // The handshake wipes it.
      psk: Uint8Array.from(psk),
      suite: CipherSuite.AES_256_GCM,
      allowMultipleChallenges: false,
    })
    send(encodeFrame(this.#handshake.start()))
  }

  /** @returns what came of it, at its end */
  receive(frame: Frame): HandshakeResult | undefined {
    const { send, established } = this.#handshake.receive(frame)
    if (send) this.#send(encodeFrame(send))
    return established
  }
}

/** A handshake over a TCP connection. Throws if the server does not go along. */
export async function enterTcp(target: TestTarget, socket: Socket, identity: Identity): Promise<Forger> {
  const decoder = new FrameDecoder()
  const handshake = new Handshake(identity, (frame) => {
    socket.write(frame)
    target.sent.packets++
  })
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    for (const frame of decoder.push(Uint8Array.from(chunk))) {
      const established = handshake.receive(frame)
      if (established) return new Forger(established)
    }
  }
  throw new Error('refused')
}

/** Until a handshake over UDP is given up, ms: a datagram was lost, or the server does not answer. */
const UNANSWERED = 2_000

/** A handshake over a UDP socket; nothing of it is repeated. */
export function enterUdp(target: TestTarget, socket: UdpSocket, identity: Identity): Promise<Forger> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not answered')), UNANSWERED)
    const onMessage = (datagram: Buffer) => {
      if (datagram[0] !== 0xcd) return
      try {
        const established = handshake.receive(decodeFrame(Uint8Array.from(datagram)))
        if (!established) return
        clearTimeout(timer)
        socket.off('message', onMessage)
        resolve(new Forger(established))
      } catch {
        // A repeat of what was answered.
      }
    }
    socket.on('message', onMessage)
    const handshake = new Handshake(identity, (frame) => {
      socket.send(frame)
      target.sent.packets++
    })
  })
}

/** A frame that is right in form, of a session type, with any number; its content is random. */
export function forgedFrame(): Uint8Array {
  const seq = nodeRandom(4).reduce((sum, byte) => sum * 256 + byte, 0)
  return encodeFrame({ type: PacketType.DATA, seq, payload: nodeRandom(60) })
}
