import { asUsmpError, type Clock, equalBytes, type RandomSource, type Session, type UsmpError } from '@usmp/core'
import {
  type Cell,
  CellKind,
  decodeCell,
  decodeHello,
  encodeCell,
  encodeHello,
  type Hello,
  violation,
  WINDOW,
} from './cell.js'
import { type Cover, CoverTicker, type TickHandler } from './cover.js'
import type { IncomingMessages } from './incoming-messages.js'
import { type LifetimeClock, PeerTime } from './lifetime-clock.js'
import type { NextCell, OutgoingMessages } from './outgoing-messages.js'

/** Without a schedule an acknowledgement waits so long for a message that takes it along, ms. */
const ACK_DELAY = 25
/** It leaves at once when so many ids wait for it. */
const ACK_AT = WINDOW / 4

const NOTHING = new Uint8Array(0)

/** What a channel has in every session. */
export interface ChannelParts {
  readonly clock: Clock
  readonly lifetime: LifetimeClock
  readonly random: RandomSource
  /** Of a session that begins now. */
  cover(): Cover
  readonly incoming: IncomingMessages
  readonly outgoing: OutgoingMessages
  /** What this end says of itself in a new session. */
  hello(): Hello
  /** The peer has said who it is; called before any of its messages. */
  onHello(hello: Hello): void
  /** The peer has acknowledged something, or may have. */
  onAcknowledged(): void
  /** The channel cannot go on, in any session. */
  fail(reason: UsmpError): void
}

/**
 * A channel over one session, from the hellos to the end of the session.
 *
 * The channel calls `run` once, `send` when there is a message, `acknowledge` when there is something to acknowledge, and `leave`. The
 * session's messages and the ticks of the cover are the other inputs. The run owns the ticker, the timer of the acknowledgement and
 * the peer's time. With a schedule nothing but a tick makes a cell leave, except the hello and the last cell before the BYE, which always
 * leave. What the peer sends must never throw into a timer.
 */
export class ChannelRun implements TickHandler {
  readonly #session: Session
  readonly #parts: ChannelParts
  readonly #ticker: CoverTicker
  readonly #peerTime: PeerTime
  /** The moment 0 of the stamps of this end. */
  readonly #begin: number
  readonly #isScheduled: boolean
  /** The peer has said hello. */
  #greeted = false
  #over = false
  #sending = false
  #ackTimer: unknown
  /** The last one that left. */
  #ackSent = 0

  constructor(session: Session, parts: ChannelParts) {
    const { clock, random, lifetime } = parts
    const cover = parts.cover()
    this.#session = session
    this.#parts = parts
    this.#ticker = new CoverTicker(cover, clock, random, this)
    this.#peerTime = new PeerTime(lifetime)
    this.#begin = lifetime.now()
    this.#isScheduled = cover.mode === 'schedule'
  }

  /** Resolves with the reason of the end of the session; never rejects. */
  async run(): Promise<UsmpError> {
    try {
      const hello = this.#session.send(this.#seal({ kind: CellKind.HELLO, data: encodeHello(this.#parts.hello()) }))
      this.#ticker.start()
      await hello
      for (let cell = await this.#session.receive(); cell && !this.#over; cell = await this.#session.receive()) {
        this.#receive(decodeCell(cell))
      }
    } catch (error) {
      // If the session has ended, it keeps its own reason.
      void this.#session.close(asUsmpError(error, 'TRANSPORT_FAILED'))
    }
    this.#stop()
    return this.#session.closed
  }

  /** There is a message to send. */
  send(): void {
    if (!this.#isScheduled) void this.#drain()
  }

  /** There is something to acknowledge. */
  acknowledge(): void {
    if (this.#isScheduled || this.#over || !this.#greeted) return
    if (this.#parts.incoming.ack - this.#ackSent >= ACK_AT) this.#sendEmpty()
    else this.#armAck()
  }

  #armAck(): void {
    this.#ackTimer ??= this.#parts.clock.setTimer(() => {
      this.#ackTimer = undefined
      if (this.#parts.incoming.ack > this.#ackSent) this.#sendEmpty()
    }, ACK_DELAY)
  }

  /** Ends the session, and tells the peer before what has come of it so far. */
  leave(reason: UsmpError): void {
    if (this.#over) return
    if (this.#greeted) this.#session.trySend(this.#seal())
    this.#stop()
    void this.#session.close(reason)
  }

  #stop(): void {
    this.#over = true
    this.#ticker.stop()
    this.#parts.clock.clearTimer(this.#ackTimer)
    this.#ackTimer = undefined
  }

  // ─── to the peer ───

  onTick(): void {
    if (this.#isScheduled) this.#sendNext()
    else this.#sendEmpty()
  }

  onTickerFailed(reason: UsmpError): void {
    this.#parts.fail(reason)
  }

  /** At a tick: a cell with a message, or an empty one, on the same way. If the transport is full, none. */
  #sendNext(): void {
    const next = this.#peek()
    if (this.#over || !this.#session.trySend(this.#seal(next))) return
    if (next) this.#parts.outgoing.commit(next)
  }

  /** Without a schedule: all that may leave, as fast as the transport takes it. */
  async #drain(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    try {
      for (let next = this.#peek(); next; next = this.#peek()) {
        const cell = this.#seal(next)
        const hasLeft = this.#session.trySend(cell)
        if (this.#session.signal.aborted) return
        // Before the wait: meanwhile the message may get out of date, and its id is given.
        this.#parts.outgoing.commit(next)
        if (!hasLeft) await this.#session.send(cell)
      }
    } catch {
      // The session has ended: the next one goes on from what the peer has.
    } finally {
      this.#sending = false
    }
  }

  /** The acknowledgement, and noise; if the transport is full, the acknowledgement a little later. */
  #sendEmpty(): void {
    const before = this.#ackSent
    if (this.#over || this.#session.trySend(this.#seal())) return
    this.#ackSent = before
    this.#armAck()
  }

  #peek(): NextCell | undefined {
    if (!this.#greeted || this.#over) return undefined
    try {
      return this.#parts.outgoing.peek(this.#parts.lifetime.now())
    } catch (error) {
      this.#parts.fail(asUsmpError(error, 'SEQ_EXHAUSTED'))
      return undefined
    }
  }

  #seal(content: Partial<NextCell> = {}): Uint8Array {
    const { kind = CellKind.COVER, id = 0, data = NOTHING, deadline = Number.POSITIVE_INFINITY } = content
    const { incoming, lifetime } = this.#parts
    // Before its hello, the peer may be another process than the one whose ids these are.
    const ack = this.#greeted ? incoming.ack : 0
    const late = this.#greeted ? incoming.late : 0
    this.#ackSent = ack
    return encodeCell({
      kind,
      ack,
      late,
      id,
      stamp: Math.floor(lifetime.now() - this.#begin),
      deadline: deadline === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.floor(this.#peerTime.at(deadline))),
      data,
    })
  }

  // ─── from the peer ───

  /** @throws UsmpError INVALID_RESPONSE */
  #receive(cell: Cell): void {
    this.#peerTime.measure(cell.stamp)
    if (!this.#greeted) return this.#greet(cell)
    if (cell.kind === CellKind.HELLO) throw violation('it says hello twice')
    this.#parts.outgoing.acknowledge(cell.ack, cell.late)
    if (cell.kind !== CellKind.COVER) this.#parts.incoming.accept(cell, this.#deadlineOf(cell))
    this.#parts.onAcknowledged()
    this.send()
  }

  #greet(cell: Cell): void {
    if (cell.kind !== CellKind.HELLO) throw violation('it does not say hello first')
    const hello = decodeHello(cell.data)
    this.#parts.onHello(hello)
    this.#greeted = true
    this.#ackSent = 0
    this.send()
    // What was taken since the last session; with a schedule a tick takes it along.
    if (this.#parts.incoming.ack > 0) this.acknowledge()
  }

  /** ms of the own lifetime clock. */
  #deadlineOf({ deadline }: Cell): number {
    return deadline === 0 ? Number.POSITIVE_INFINITY : this.#begin + deadline
  }
}

/** Whether two ends have met before, and both still know: then both say so in their hellos. */
export function knowsOf(own: Hello, peer: Hello): boolean {
  return equalBytes(own.seen, peer.instance) && equalBytes(peer.seen, own.instance)
}
