import { EventEmitter } from 'node:events'
import {
  CloseCode,
  completeLimits,
  decodeJoin,
  encodeJoin,
  faultOfToken,
  PeerSockets,
  RelayMessage,
} from '@usmp/relay/internal'
import { Choices, must, type Target } from '../target.js'

const KEY = new Uint8Array(32).fill(7)
const TODAY = new Date('2026-03-01')
const PEERS = 6
/** Few, so that peers meet. */
const ROUTES = 2

/** A JOIN is read in one way only, and no token is good that was not made with the key. */
function checkJoin(bytes: Uint8Array): void {
  const join = decodeJoin(bytes)
  if (!join) return
  must(Buffer.from(encodeJoin(join)).equals(bytes), 'a JOIN that would be written in another way')
  must(faultOfToken(KEY, join.token, TODAY) !== undefined, 'a token that nobody made')
}

/** A WebSocket and the socket below it, without a network. */
class FakeWebSocket extends EventEmitter {
  readonly CLOSING = 2
  readonly OPEN = 1
  readonly below = new FakeSocket()
  readyState = 1
  code: number | undefined

  close(code: number, reason: string): void {
    must(Buffer.byteLength(reason) <= 123, `a reason that is too long: ${reason}`)
    must(Object.values(CloseCode).includes(code as CloseCode), `the code ${code}`)
    must(this.code === undefined, 'closed twice')
    this.code = code
    this.readyState = 2
  }

  /** The connection has ended. */
  end(): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.emit('close')
  }

  terminate(): void {
    this.end()
  }

  ping(): void {}
  pause(): void {}
  resume(): void {}
}

class FakeSocket extends EventEmitter {
  readonly writableLength = 0
  readonly writableNeedDrain = false
  /** Messages, in hex. */
  readonly sent: string[] = []

  /** Takes frames apart again. */
  write(frames: Buffer): void {
    for (let at = 0; at < frames.length; ) {
      const isLong = frames[at + 1] === 126
      must(frames[at] === 0x82 && frames[at + 1]! <= 126, 'no binary frame of a server')
      const start = at + (isLong ? 4 : 2)
      const end = start + (isLong ? frames.readUInt16BE(at + 2) : frames[at + 1]!)
      must(end > start && end <= frames.length, 'a frame of another length')
      this.sent.push(frames.toString('hex', start, end))
      at = end
    }
  }
}

class FakeClock {
  time = 0
  now = () => this.time
  readonly #timers = new Map<object, { at: number; callback: () => void }>()

  setTimer(callback: () => void, delay: number): object {
    const timer = {}
    this.#timers.set(timer, { at: this.time + delay, callback })
    return timer
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as object)
  }

  advance(ms: number): void {
    this.time += ms
    for (const [timer, { at, callback }] of this.#timers) {
      if (at > this.time) continue
      this.#timers.delete(timer)
      callback()
    }
  }
}

/** A relay with a few peers that do whatever the input says. */
class Scene {
  readonly #clock = new FakeClock()
  readonly #limits = completeLimits({
    joinBurst: 8,
    pairingJoinsPerMinute: 3,
    waitingPerAddress: 3,
    circuitsPerAddress: 4,
  })
  readonly #relay = new PeerSockets({
    limits: this.#limits,
    clock: this.#clock,
    tokenKey: undefined,
    date: () => TODAY,
  })
  readonly #webSockets: FakeWebSocket[] = []

  /** One action, and what follows from it. */
  async step(input: Choices): Promise<void> {
    this.#act(input)
    // What a tick sends is written at its end.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    this.#check()
  }

  #act(input: Choices): void {
    const action = input.byte()
    const peer = this.#webSockets[action % PEERS]
    const kind = Math.floor(action / PEERS) % 6
    if (!peer || peer.readyState === 3) this.#open(action % PEERS, (kind & 1) === 0)
    else if (kind === 0) peer.emit('message', Buffer.from(this.#join(input)), true)
    else if (kind === 1) peer.emit('message', Buffer.from(input.bytes(input.byte())), (input.byte() & 15) !== 15)
    else if (kind === 2) peer.end()
    else if (kind === 3) this.#pass(input.number())
    else if (kind === 4) peer.emit(input.byte() & 1 ? 'ping' : 'pong', Buffer.alloc(0))
    else peer.emit('message', Buffer.alloc(1 + (input.number() % 600), action), true)
  }

  /** When all have gone, nothing of them is left. */
  end(): void {
    for (const webSocket of this.#webSockets) webSocket?.end()
    this.#check()
    this.#pass(61_000)
    must(this.#relay.routes.size === 0, 'a route is left')
    must(this.#relay.addresses.size === 0, 'an address is left')
    const { sockets, waiting, circuits } = this.#relay.metrics
    must(sockets === 0 && waiting === 0 && circuits === 0, 'something is still counted')
  }

  #open(place: number, isFirstAddress: boolean): void {
    const webSocket = new FakeWebSocket()
    this.#webSockets[place] = webSocket
    this.#relay.add(webSocket as never, webSocket.below as never, isFirstAddress ? '192.0.2.1' : '2001:db8:0:1')
  }

  #join(input: Choices): Uint8Array {
    const flags = input.byte()
    const route = new Uint8Array(16).fill((flags >> 2) % ROUTES)
    return encodeJoin({ route, side: (flags & 1) as 0 | 1, pairing: (flags & 2) !== 0, token: new Uint8Array() })
  }

  #pass(ms: number): void {
    this.#clock.advance(ms)
    this.#relay.check()
  }

  /** What is true after each step. */
  #check(): void {
    const { sockets, waiting, circuits, messages } = this.#relay.metrics
    const open = this.#webSockets.filter((webSocket) => webSocket && webSocket.readyState < 3)
    must(sockets === open.length, `${sockets} sockets are counted, ${open.length} are there`)
    must(waiting + circuits === this.#relay.routes.size, 'routes and what is on them differ')
    must(waiting + 2 * circuits <= open.length, 'more is joined than there is')
    const passed = open.reduce(
      (sum, { below: { sent } }) => sum + sent.filter((message) => !isOfRelay(message)).length,
      0,
    )
    must(passed <= messages, 'a message came twice')
    for (const {
      below: { sent },
    } of open)
      checkOrder(sent)
  }
}

const [waitingByte, peerByte] = [RelayMessage.WAITING, RelayMessage.PEER].map((byte) => `0${byte}`)
const isOfRelay = (message: string) => message === waitingByte || message === peerByte

/** The relay says WAITING at most once, then PEER at most once, and no message comes before PEER. */
function checkOrder(sent: readonly string[]): void {
  const start = sent[0] === waitingByte ? 1 : 0
  must(sent.length <= start || sent[start] === peerByte, `${sent[start]} in place of PEER`)
}

export const relayJoin: Target = {
  seeds: () => [
    Uint8Array.of(0, ...encodeJoin({ route: new Uint8Array(16), side: 1, pairing: true, token: new Uint8Array(29) })),
    // Two peers open, join on both sides, and send.
    Uint8Array.of(1, 0, 1, 0, 0, 1, 1, 30, 9, 0, 31, 9, 0, 12),
    // A second guest of a pairing.
    Uint8Array.of(1, 0, 1, 2, 0, 2, 1, 3, 2, 3),
    // A side that comes again, at once and later.
    Uint8Array.of(1, 0, 1, 0, 0, 1, 0, 18, 0xd0, 7, 0, 0),
    // Time passes over a socket that says nothing, and over one that waits.
    Uint8Array.of(1, 0, 1, 0, 2, 18, 0xff, 0xff, 18, 0xff, 0xff, 18, 0xff, 0xff),
  ],
  async run(input) {
    const choices = new Choices(input)
    if ((choices.byte() & 1) === 0) {
      checkJoin(choices.bytes(choices.left))
      return
    }
    const scene = new Scene()
    while (choices.left > 0) await scene.step(choices)
    scene.end()
  },
}
