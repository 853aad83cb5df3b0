import {
  bytesOf,
  DEVICE_ID_BYTES as DEVICE_ID,
  otherSide,
  PSK,
  pseudoRandom,
  recordingProvider,
  type Side,
  SimulatedTime,
  text,
} from '@usmp/testing'
import { vi } from 'vitest'
import { concatBytes, toHex } from '../src/bytes.ts'
import type { Clock } from '../src/clock.ts'
import { CLOSED_HERE } from '../src/close.ts'
import type { TransportKind } from '../src/connection-options.ts'
import { CipherSuite } from '../src/constants.ts'
import { crc16 } from '../src/crc16.ts'
import { type DatagramOptions, ReliableDatagram } from '../src/datagram.js'
import { UsmpError } from '../src/errors.ts'
import { ReceiveQueue } from '../src/receive-queue.ts'
import { Session } from '../src/session.ts'
import type { Transport, TransportSink } from '../src/transport.ts'

export const SIDES = ['client', 'server'] as const
/** A transport of this kind takes so many bytes before it says that it is full. */
export const CAPACITY = 8 * 1024
/** Most bytes of a stream that arrive at once. */
const MAX_CHUNK = 4 * 1024

/** Time that passes, and work that is put off, when a test says so. */
class ManualClock extends SimulatedTime {
  #deferred: (() => void)[] = []

  defer(callback: () => void): void {
    this.#deferred.push(callback)
  }

  yieldToEventLoop(callback: () => void): void {
    this.#deferred.push(callback)
  }

  /** Does what was put off; false if there was nothing. */
  runDeferred(): boolean {
    const work = this.#deferred
    this.#deferred = []
    for (const callback of work) callback()
    return work.length > 0
  }
}

/** One end of a transport whose wire a test holds in its hands. */
class HeldTransport implements Transport {
  readonly kind: TransportKind
  readonly address = 'held'
  /** What was written and has not arrived. For streams and lines pieces of one flow, else whole frames. */
  out: Uint8Array[] = []
  /** Everything that was ever written. */
  readonly written: Uint8Array[] = []
  sink: TransportSink | undefined
  paused = false
  /** The next write fails in its middle. */
  failing = false
  /** `over`: this end writes no more, and the peer sees the end behind what is under way, or at once. */
  state: 'open' | 'closed' | 'broken' = 'open'
  #full = false
  #ended = false
  readonly #clock: Clock

  constructor(kind: TransportKind, clock: Clock) {
    this.kind = kind
    this.#clock = clock
  }

  get outBytes(): number {
    return this.out.reduce((sum, { length }) => sum + length, 0)
  }

  /** Whether bytes that arrive still mean something. */
  get hears(): boolean {
    return this.sink !== undefined && this.state === 'open' && !this.#ended
  }

  open(sink: TransportSink): void {
    this.sink = sink
  }

  write(frames: readonly Uint8Array[]): boolean {
    if (this.state !== 'open') return true
    // Bytes belong to the transport from here on, and it may look at them later.
    const bytes = frames.map((frame) => new Uint8Array(frame))
    this.written.push(...bytes)
    if (this.failing) {
      this.failing = false
      const half = concatBytes(...bytes)
      if (this.kind === 'stream') this.out.push(half.subarray(0, half.length >> 1))
      this.#clock.defer(() => this.end(new Error('the cable broke')))
      this.state = 'closed'
      return true
    }
    this.out.push(...bytes)
    this.#full = this.kind !== 'datagram' && this.outBytes >= CAPACITY
    return !this.#full
  }

  /** Some of `out` has arrived. */
  left(): void {
    if (!this.#full || this.outBytes >= CAPACITY) return
    this.#full = false
    if (this.state === 'open') this.sink?.drain()
  }

  /** The system says that the transport is over. */
  end(cause?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    // After its own end a session is not told.
    if (this.state !== 'broken') this.sink?.end(cause)
    if (this.state === 'open') this.state = 'closed'
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  async close(): Promise<void> {
    if (this.state === 'open') this.state = 'closed'
    this.#ended = true
  }

  abort(): void {
    this.state = 'broken'
    this.#ended = true
    if (this.kind !== 'datagram') this.out = []
  }
}

/** What one side of a connection has lived through; the tests compare it with the other side's. */
export class Witness {
  readonly transport: HeldTransport
  session: Session | undefined
  /** Why there is no session, or no more. */
  reason: UsmpError | undefined
  /** Messages whose `send` has resolved, in order. */
  readonly sent: string[] = []
  /** Messages that `send` had accepted, and that this side's own close has dropped. */
  readonly dropped: string[] = []
  /** Messages that came out. */
  readonly got: string[] = []
  /** Calls that have not settled. */
  readonly open = { sends: 0, pings: 0, rekeys: 0 }
  /** Has asked for a change of keys. */
  hasRekeyed = false
  /** This side has asked for the end. */
  closing = false
  readonly connecting = new AbortController()
  /** Calls off each `send` that waits. */
  readonly waitingSends = new Set<AbortController>()

  constructor(kind: TransportKind, clock: Clock) {
    this.transport = new HeldTransport(kind, clock)
  }
}

/** Enough to tell a message from every other, and from a damaged one. */
function nameOf(message: Uint8Array): string {
  const [round, side, number] = new TextDecoder().decode(message.subarray(0, 30)).split(' ')
  return `${round} ${side} ${number}, ${message.length} bytes, crc ${crc16(message)}`
}

const cookie = bytesOf(16, 8)
const cookies = { issue: () => cookie, verify: (given: Uint8Array) => toHex(given) === toHex(cookie) }

/** Two sessions over a wire that is in the test's hands, on a clock that is too; one connection after the other. */
export class TwoSessions {
  /** Bytes on the wire were lost, changed or added. */
  noisy = false
  readonly clock = new ManualClock()
  readonly provider = recordingProvider()
  readonly #kind: TransportKind
  readonly #datagram: DatagramOptions
  #round = 0
  #serial = 0
  sides: Record<Side, Witness> | undefined
  readonly #former: Witness[] = []
  /** Messages that wait in both inboxes. */
  unread = 0
  readonly #spies: { mockRestore(): void }[]

  constructor(kind: TransportKind, datagram: DatagramOptions = {}) {
    this.#kind = kind
    this.#datagram = datagram
    const push = ReceiveQueue.prototype.push
    const take = ReceiveQueue.prototype.take
    const world = this
    this.#spies = [
      vi.spyOn(ReceiveQueue.prototype, 'push').mockImplementation(function (this: ReceiveQueue, message) {
        world.unread++
        push.call(this, message)
      }),
      vi.spyOn(ReceiveQueue.prototype, 'take').mockImplementation(function (this: ReceiveQueue) {
        return take.call(this)
      }),
    ]
  }

  dispose(): void {
    for (const spy of this.#spies) spy.mockRestore()
  }

  get kind(): TransportKind {
    return this.#kind
  }

  /** Whether there is no connection, or only what is left of one. */
  get over(): boolean {
    return !this.sides || SIDES.every((side) => this.sides![side].reason)
  }

  /** Why each side of each connection has ended, as far as it has. */
  get reasons(): string[] {
    const all = [...this.#former, ...(this.sides ? SIDES.map((side) => this.sides![side]) : [])]
    return all.flatMap(({ reason }) => (reason ? [reason.code] : []))
  }

  connect(): void {
    if (this.sides) this.#former.push(this.sides.client, this.sides.server)
    this.#round++
    this.unread = 0
    const sides = { client: new Witness(this.#kind, this.clock), server: new Witness(this.#kind, this.clock) }
    this.sides = sides
    const suite = CipherSuite.CHACHA20_POLY1305
    const common = {
      clock: this.clock,
      provider: this.provider,
      reliableDatagram: ReliableDatagram,
      datagram: this.#datagram,
    }
    const promises = {
      client: Session.connect(sides.client.transport, {
        ...common,
        random: pseudoRandom(2 * this.#round),
        deviceId: DEVICE_ID,
        psk: PSK,
        suite,
        signal: sides.client.connecting.signal,
      }),
      server: Session.accept(sides.server.transport, {
        ...common,
        cookies,
        random: pseudoRandom(2 * this.#round + 1),
        authorize: () => ({ psk: PSK, suite }),
        signal: sides.server.connecting.signal,
      }),
    }
    for (const side of SIDES) void this.#witness(sides[side], promises[side])
  }

  async #witness(witness: Witness, promise: Promise<Session>): Promise<void> {
    try {
      witness.session = await promise
      witness.reason = await witness.session.closed
    } catch (error) {
      if (!(error instanceof UsmpError)) throw error
      witness.reason = error
    }
  }

  /** Lets everything happen that can happen without time, bytes or a caller. */
  async settle(): Promise<void> {
    do for (let i = 0; i < 12; i++) await undefined
    while (this.clock.runDeferred())
  }

  // ─── what the application does ───

  /** A message as no other; at least `size` bytes where that is long enough. */
  #message(side: Side, size: number): Uint8Array {
    const name = text(`${this.#round} ${side} ${this.#serial++} `)
    return concatBytes(name, bytesOf(Math.max(0, size - name.length), this.#serial))
  }

  send(side: Side, size: number): void {
    const witness = this.sides![side]
    const message = this.#message(side, size)
    const caller = new AbortController()
    witness.waitingSends.add(caller)
    const done = witness
      .session!.send(message, { signal: caller.signal })
      .finally(() => witness.waitingSends.delete(caller))
    const closing = witness.closing
    const dropped = (error: unknown) => {
      if (!closing && error === CLOSED_HERE) witness.dropped.push(nameOf(message))
    }
    this.#follow(witness, 'sends', done, () => witness.sent.push(nameOf(message)), dropped)
  }

  trySend(side: Side, size: number): void {
    const witness = this.sides![side]
    const message = this.#message(side, size)
    if (witness.session!.trySend(message)) witness.sent.push(nameOf(message))
  }

  abortSends(side: Side): void {
    for (const caller of [...this.sides![side].waitingSends]) caller.abort()
  }

  ping(side: Side): void {
    this.#follow(this.sides![side], 'pings', this.sides![side].session!.ping())
  }

  rekey(side: Side): void {
    this.sides![side].hasRekeyed = true
    this.#follow(this.sides![side], 'rekeys', this.sides![side].session!.rekey())
  }

  /** Takes up to `count` messages; a wait for one that is not there is taken back. */
  async receive(side: Side, count: number): Promise<void> {
    const witness = this.sides![side]
    if (!witness.session) return
    for (let taken = 0; taken < count; taken++) {
      const giveUp = new AbortController()
      let message: Uint8Array | undefined
      const done = witness.session.receive({ signal: giveUp.signal }).then(
        (data) => {
          message = data
        },
        (error: unknown) => {
          if (!(error instanceof UsmpError)) throw error
        },
      )
      await this.settle()
      giveUp.abort()
      await done
      if (!message) return
      this.unread--
      witness.got.push(nameOf(message))
    }
  }

  close(side: Side): void {
    const witness = this.sides![side]
    witness.closing = true
    if (witness.session) void witness.session.close()
    else witness.connecting.abort()
  }

  #follow<T>(
    witness: Witness,
    what: keyof Witness['open'],
    promise: Promise<T>,
    then: () => void = () => {},
    failed: (error: unknown) => void = () => {},
  ): void {
    witness.open[what]++
    promise.then(
      () => {
        witness.open[what]--
        then()
      },
      (error: unknown) => {
        witness.open[what]--
        failed(error)
        if (!(error instanceof UsmpError)) throw error
      },
    )
  }

  // ─── what the wire does ───

  /** Under way to a side. */
  lane(to: Side): Uint8Array[] {
    return this.sides![otherSide(to)].transport.out
  }

  get #flows(): boolean {
    return this.#kind === 'stream' || this.#kind === 'serial'
  }

  /** A piece arrives: of a flow its first bytes, of frames the one at this share of the queue (but for datagrams the first). */
  deliver(to: Side, share: number): boolean {
    const from = this.sides![otherSide(to)].transport
    const end = this.sides![to].transport
    if (from.out.length === 0 || (end.paused && this.#kind !== 'datagram')) return false
    let bytes: Uint8Array
    if (this.#flows) {
      const flow = concatBytes(...from.out)
      const size = Math.max(1, Math.min(MAX_CHUNK, Math.ceil(flow.length * share)))
      bytes = flow.slice(0, size)
      from.out = size < flow.length ? [flow.subarray(size)] : []
    } else {
      const index = this.#kind === 'datagram' ? Math.min(from.out.length - 1, Math.floor(from.out.length * share)) : 0
      bytes = from.out.splice(index, 1)[0]!
    }
    from.left()
    if (end.hears) end.sink!.receive(bytes)
    return true
  }

  /** A transport that has ended shows its end behind the last byte; only streams and messages have such an end. */
  deliverEnds(): void {
    if (this.#kind !== 'stream' && this.#kind !== 'message') return
    for (const side of SIDES) {
      const from = this.sides![side].transport
      const end = this.sides![otherSide(side)].transport
      if (from.state === 'open' || from.out.length > 0 || end.paused) continue
      end.end(from.state === 'broken' ? new Error('connection reset') : undefined)
    }
  }

  /** The wire is cut: what is under way is lost, and where the transport can tell, it does. */
  cut(): void {
    for (const side of SIDES) this.sides![side].transport.out = []
    if (this.#kind === 'datagram') return
    for (const side of SIDES) {
      this.sides![side].transport.end(this.#kind === 'serial' ? new Error('unplugged') : undefined)
    }
  }

  advance(ms: number): Promise<void> {
    return this.#advanceTo(this.clock.now() + ms)
  }

  async #advanceTo(until: number): Promise<void> {
    await this.settle()
    while (this.clock.step(until)) await this.settle()
    await this.settle()
  }

  // ─── the end of a test ───

  /** Everything under way arrives, and what follows from it. */
  async everythingArrives(read: boolean): Promise<void> {
    for (let moved = true; moved; ) {
      moved = false
      for (const to of SIDES) while (this.deliver(to, this.#flows ? 0.999 : 0)) moved = true
      this.deliverEnds()
      await this.settle()
      if (read) for (const side of SIDES) await this.receive(side, Number.POSITIVE_INFINITY)
    }
  }

  /** From here on the wire is good, and both applications read, for longer than anything of a session waits. */
  async heal(): Promise<void> {
    for (const pause of [...Array<number>(10).fill(500), ...Array<number>(8).fill(10_000)]) {
      await this.everythingArrives(true)
      if (SIDES.every((side) => this.sides![side].reason)) return
      await this.advance(pause)
    }
    await this.everythingArrives(true)
  }

  /** Ends what has not ended. */
  async end(): Promise<void> {
    for (const side of SIDES) if (!this.sides![side].reason) this.close(side)
    await this.heal()
    // A line without an end, and a peer that is gone: time.
    await this.advance(200_000)
    await this.heal()
  }
}
