import {
  type Abortable,
  type Clock,
  equalBytes,
  type RandomSource,
  type Session,
  systemClock,
  throwIfAborted,
  UsmpError,
  WaitQueue,
} from '@usmp/core'
import { abortableTable, checkOptions } from '@usmp/core/options'
import { type Hello, INSTANCE_SIZE, MAX_CHANNEL_MESSAGE } from './cell.js'
import { channelTable, coverTable, sendTable, trySendTable } from './channel-options.js'
import { type ChannelParts, ChannelRun, knowsOf } from './channel-run.js'
import { type Cover, meanDelay } from './cover.js'
import { type IncomingListener, IncomingMessages } from './incoming-messages.js'
import { LifetimeClock } from './lifetime-clock.js'
import { type FateListener, OutgoingMessages } from './outgoing-messages.js'
import { drawBytes, platformRandom } from './random.js'

const MAX_MESSAGES = 1000
const MAX_BYTES = 1024 * 1024
/** Most `send` calls that may wait at once. */
const MAX_WAITING_SENDS = 1024
/** A close waits so long for the acknowledgement of the peer, ms, and so many mean gaps of a schedule. */
const CLOSE_TIMEOUT = 5_000
const CLOSE_GAPS = 8
const CLOSED = new UsmpError('CLOSED')

const utf8 = new TextEncoder()

/** Options of {@link Channel}. */
export interface ChannelOptions {
  /** Default: that of the platform. */
  readonly clock?: Clock | undefined
  /**
   * ms of a clock that goes on while the machine sleeps, for messages with a lifetime; default: `Date.now`, or `clock` where one is given.
   * It may be set forward and back: no message is delivered late for that.
   */
  readonly now?: (() => number) | undefined
  /** Default: that of the platform. */
  readonly random?: RandomSource | undefined
  /** Default `off`. */
  readonly cover?: Cover | undefined
  /** Messages that wait for their confirmation; default 1000. */
  readonly maxMessages?: number | undefined
  /** Bytes of messages that wait for their confirmation, at least 65536; default 1048576. */
  readonly maxBytes?: number | undefined
  /**
   * Asked when the peer has restarted, for each message that had left as a whole and was not confirmed: the process that is gone may have
   * taken it. With true it is sent again, so it may arrive twice. With anything else, or if it throws, it is not, and the event `unconfirmed`
   * tells. Default: all are sent again.
   */
  readonly onUnconfirmed?: ((message: Uint8Array) => boolean) | undefined
}

/** Options of {@link Channel.trySend}. */
export interface TrySendOptions {
  /** The lifetime of the message, ms: later than this after the call it is not delivered. Default: for ever. */
  readonly ttl?: number | undefined
}

/** Options of {@link Channel.send}. */
export interface SendOptions extends TrySendOptions, Abortable {}

interface WaitingSend {
  readonly bytes: Uint8Array
  /** ms of the lifetime clock. */
  readonly deadline: number
}

/**
 * A message that was accepted and is not sent any more. `expired`: it was not delivered, as its lifetime ended before. `unconfirmed`: it
 * may have been delivered or not; the channel ended, or the peer restarted, before it was confirmed.
 */
export class UndeliveredEvent extends Event {
  declare readonly type: 'expired' | 'unconfirmed'
  /** As it was sent; text as UTF-8. */
  readonly data: Uint8Array

  constructor(type: 'expired' | 'unconfirmed', data: Uint8Array) {
    super(type)
    this.data = data
  }
}

interface ChannelEvents {
  readonly peerrestarted: Event
  readonly expired: UndeliveredEvent
  readonly unconfirmed: UndeliveredEvent
}

/**
 * Messages between two processes, over any number of sessions: exactly once and in order as long as both processes live.
 *
 * `attach` runs the channel over a session until that ends; the next session goes on where the last one broke off. An application sends at
 * any time, also while there is no session, and one consumer receives. A message is confirmed when the application of the peer has taken
 * it. Until then this end keeps it, up to the limits, and beyond them `send` waits. It fits wherever a `Session` is wanted for its messages,
 * as in `rpc` of @usmp/rpc.
 *
 * When the *process* of the peer has restarted, what was not confirmed is sent to the new one: it arrives at least once.
 *
 * Events: `peerrestarted`; `expired` and `unconfirmed` ({@link UndeliveredEvent}). They are told in a later microtask. As with every
 * EventTarget nobody catches what a listener throws.
 */
export class Channel extends EventTarget implements AsyncIterable<Uint8Array> {
  readonly #clock: Clock
  readonly #lifetime: LifetimeClock
  readonly #onUnconfirmed: ChannelOptions['onUnconfirmed']
  readonly #incoming: IncomingMessages
  readonly #outgoing: OutgoingMessages
  readonly #parts: ChannelParts
  #cover: Cover
  readonly #instance: Uint8Array
  /** The last instance of the peer; zeros before the first. */
  #peer: Uint8Array = new Uint8Array(INSTANCE_SIZE)
  #run: ChannelRun | undefined
  readonly #sends = new WaitQueue<void, WaitingSend>(MAX_WAITING_SENDS, 'messages wait for room in the channel')
  /** Calls of `flush`, each with the serial of the last message that it is about. */
  readonly #flushes = new WaitQueue<void, number>()
  #expiryTimer: unknown
  /** When it fires. */
  #expiryAt = Number.POSITIVE_INFINITY
  /** Since `close`, or the end of the peer: what the end will be called. */
  #closing: UsmpError | undefined
  #closeTimer: unknown
  /** This end has said its last word. */
  #hasEnded = false
  /** The peer has, and the application has all of it. */
  #peerHasEnded = false
  #reason: UsmpError | undefined
  readonly #closed: Promise<UsmpError>
  #resolveClosed!: (reason: UsmpError) => void

  /** @throws UsmpError INVALID_ARGUMENT, RANDOM_FAILED */
  constructor(options: ChannelOptions = {}) {
    super()
    checkOptions('Channel', options, channelTable)
    const {
      random = platformRandom,
      cover = { mode: 'off' },
      maxMessages = MAX_MESSAGES,
      maxBytes = MAX_BYTES,
    } = options
    this.#clock = options.clock ?? systemClock
    const wall = options.now ?? (options.clock ? () => this.#clock.now() : Date.now)
    this.#lifetime = new LifetimeClock(this.#clock, wall)
    this.#onUnconfirmed = options.onUnconfirmed
    this.#instance = drawBytes(random, INSTANCE_SIZE)
    this.#incoming = new IncomingMessages(this.#incomingListener())
    this.#outgoing = new OutgoingMessages(maxMessages, maxBytes, this.#fateListener())
    this.#cover = cover
    this.#parts = {
      clock: this.#clock,
      lifetime: this.#lifetime,
      random,
      cover: () => this.#cover,
      incoming: this.#incoming,
      outgoing: this.#outgoing,
      hello: () => this.#hello(),
      onHello: (hello) => this.#onHello(hello),
      onAcknowledged: () => this.#onAcknowledged(),
      fail: (reason) => this.#finish(reason),
    }
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve))
  }

  override addEventListener<T extends keyof ChannelEvents>(
    type: T,
    listener: (event: ChannelEvents[T]) => void,
    options?: Parameters<EventTarget['addEventListener']>[2],
  ): void
  override addEventListener(...event: Parameters<EventTarget['addEventListener']>): void
  override addEventListener(...event: unknown[]): void {
    super.addEventListener(...(event as Parameters<EventTarget['addEventListener']>))
  }

  /** The longest message, bytes: 65536. */
  get maxMessage(): number {
    return MAX_CHANNEL_MESSAGE
  }

  /** Messages that were accepted and are not confirmed. */
  get unconfirmed(): number {
    return this.#outgoing.messages
  }

  /** Resolves with the reason of the end, CLOSED for a good one; never rejects. */
  get closed(): Promise<UsmpError> {
    return this.#closed
  }

  // ─── sessions ───

  /**
   * Runs the channel over a session until that ends, for whatever reason: then attach the next one. A peer that breaks the rules of the
   * channel ends the session as INVALID_RESPONSE. When the channel ends, so does the session.
   * @param session a new one, of which nobody has received anything; its `keepalive` and `idleTimeout` those of `sessionTiming`
   * @returns the reason of the end of the session; never rejects once it runs
   * @throws UsmpError INVALID_ARGUMENT while another session is attached
   */
  async attach(session: Session): Promise<UsmpError> {
    if (this.#run) throw new UsmpError('INVALID_ARGUMENT', 'a channel runs over one session at a time')
    if (this.#reason) {
      await session.close(this.#reason)
      return session.closed
    }
    const run = new ChannelRun(session, this.#parts)
    this.#run = run
    const reason = await run.run()
    this.#run = undefined
    // The peer has closed the channel: nobody comes again.
    if (this.#peerHasEnded) this.#finish(this.#closing!)
    return reason
  }

  /**
   * Another cover, from the next session on: the one that is attached keeps what it has begun with.
   * @throws UsmpError INVALID_ARGUMENT
   */
  setCover(cover: Cover): void {
    checkOptions('setCover', { cover }, coverTable)
    this.#cover = cover
  }

  #hello(): Hello {
    return { instance: this.#instance, seen: this.#peer, next: this.#incoming.next }
  }

  #onHello(hello: Hello): void {
    const own = this.#hello()
    if (knowsOf(own, hello)) return this.#outgoing.resume(hello.next)
    const isNew = !equalBytes(this.#peer, hello.instance)
    const hadPeer = this.#peer.some((byte) => byte !== 0)
    this.#peer = hello.instance
    this.#incoming.restart()
    this.#outgoing.restart(this.#lifetime.now(), (message) => this.#sendAgain(message))
    // The application was asked, and may have ended the channel.
    if (this.#reason) return this.#outgoing.end()
    if (isNew && hadPeer) this.#tell(new Event('peerrestarted'))
    this.#onAcknowledged()
  }

  #sendAgain(message: Uint8Array): boolean {
    if (!this.#onUnconfirmed) return true
    try {
      return this.#onUnconfirmed(new Uint8Array(message)) === true
    } catch {
      return false
    }
  }

  // ─── sending ───

  /**
   * Accepts a message of 0 to 65536 bytes, text as UTF-8, and copies it. Resolves when it is accepted, at once unless the limits are
   * reached: then it waits for room. Whether it arrived tells {@link flush}; that it did not, tell the events.
   * @throws UsmpError INVALID_ARGUMENT; MESSAGE_TOO_LARGE; ABORTED before it was accepted; QUEUE_FULL if 1024 calls wait already; the
   * reason of the end
   */
  async send(message: Uint8Array | string, options: SendOptions = {}): Promise<void> {
    checkOptions('send', options, sendTable)
    throwIfAborted(options.signal)
    if (this.#endReason) throw this.#endReason
    const bytes = toBytes(message)
    const deadline = this.#deadlineAfter(options.ttl)
    if (this.#canAccept(bytes)) return this.#accept(bytes, deadline)
    const accepted = this.#sends.wait(options.signal, { bytes, deadline })
    this.#armExpiry()
    return accepted
  }

  /**
   * Accepts a message if there is room for it right now. Nothing that a peer or the network does makes it throw.
   * @returns whether it was accepted
   * @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE
   */
  trySend(message: Uint8Array | string, options: TrySendOptions = {}): boolean {
    checkOptions('trySend', options, trySendTable)
    const bytes = toBytes(message)
    if (this.#endReason || !this.#canAccept(bytes)) return false
    this.#accept(bytes, this.#deadlineAfter(options.ttl))
    return true
  }

  /**
   * Waits until the fate of every message is known that was accepted so far: confirmed by the peer's application, expired or unconfirmed.
   * @throws UsmpError ABORTED; the reason of the end if the channel ends before
   */
  async flush(options: Abortable = {}): Promise<void> {
    checkOptions('flush', options, abortableTable)
    throwIfAborted(options.signal)
    if (this.#reason) throw this.#reason
    if (this.#outgoing.size > 0) return this.#flushes.wait(options.signal, this.#outgoing.newest)
  }

  #canAccept(bytes: Uint8Array): boolean {
    return this.#sends.size === 0 && this.#outgoing.hasRoom(bytes.length)
  }

  #accept(bytes: Uint8Array, deadline: number): void {
    this.#outgoing.add(bytes, deadline)
    this.#armExpiry()
    this.#run?.send()
  }

  #deadlineAfter(ttl: number | undefined): number {
    return ttl === undefined ? Number.POSITIVE_INFINITY : this.#lifetime.now() + ttl
  }

  /** Some messages are gone from the list: there may be room, an awaited confirmation, or the end. */
  #onAcknowledged(): void {
    while (this.#sends.size > 0 && this.#outgoing.hasRoom(this.#sends.waiters[0]!.data.bytes.length)) {
      const { data, resolve } = this.#sends.shift()!
      this.#outgoing.add(data.bytes, data.deadline)
      resolve()
    }
    for (const waiter of [...this.#flushes.waiters]) {
      if (waiter.data >= this.#outgoing.oldest) continue
      this.#flushes.remove(waiter)
      waiter.resolve()
    }
    this.#armExpiry()
    this.#run?.send()
    if (this.#hasEnded && this.#outgoing.size === 0) this.#finish(this.#closing!)
  }

  // ─── lifetimes ───

  #armExpiry(): void {
    const at = Math.min(this.#outgoing.deadline, ...this.#sends.waiters.map(({ data }) => data.deadline))
    if (at >= this.#expiryAt) return
    this.#clock.clearTimer(this.#expiryTimer)
    this.#expiryAt = at
    this.#expiryTimer = this.#clock.setTimer(() => this.#expire(), Math.max(0, at - this.#lifetime.now()))
  }

  #expire(): void {
    this.#expiryAt = Number.POSITIVE_INFINITY
    const now = this.#lifetime.now()
    this.#outgoing.expire(now)
    for (const waiter of [...this.#sends.waiters]) {
      if (waiter.data.deadline > now) continue
      this.#sends.remove(waiter)
      this.#tell(new UndeliveredEvent('expired', waiter.data.bytes))
      waiter.resolve()
    }
    this.#onAcknowledged()
  }

  // ─── receiving ───

  /**
   * The next message, or undefined after a good end. One call at a time. With it the message before counts as confirmed, and so does this
   * one as soon as it is handed out.
   * @throws UsmpError the reason of any other end; ABORTED
   */
  async receive(options: Abortable = {}): Promise<Uint8Array | undefined> {
    checkOptions('receive', options, abortableTable)
    return this.#incoming.receive(options.signal)
  }

  /** Messages until the good end; throws the UsmpError of any other end. Leaving the loop early closes the channel. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let message = await this.receive(); message; message = await this.receive()) yield message
    } finally {
      await this.close()
    }
  }

  // ─── the end ───

  /**
   * Ends the channel at both ends. What was accepted leaves first, and the session ends when the peer has confirmed all of it, or after 5 s
   * and eight mean gaps of a schedule. Without a session the channel ends at once. Use {@link flush} before to wait for longer. Messages
   * without a confirmation are told as `unconfirmed`. Resolves when all is over, and never rejects.
   * @param reason what this end is told; default CLOSED
   */
  async close(reason: UsmpError = CLOSED): Promise<void> {
    this.#beginClose(reason)
    await this.#closed
  }

  /**
   * Ends the channel at once, when there will be no more sessions. Calling it after the end is harmless.
   * @param reason what everybody who waits is told
   */
  abort(reason: UsmpError): void {
    this.#finish(reason)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #beginClose(reason: UsmpError): void {
    if (this.#endReason) return
    this.#closing = reason
    this.#sends.rejectAll(reason)
    if (!this.#run) return this.#finish(reason)
    this.#hasEnded = true
    this.#outgoing.addEnd()
    this.#run.send()
    this.#closeTimer = this.#clock.setTimer(() => this.#finish(reason), this.#closeTimeout)
  }

  /** The peer has said its last word, and waits for the acknowledgement; then it ends the session. */
  #onPeerEnd(): void {
    this.#peerHasEnded = true
    this.#closing ??= CLOSED
    this.#incoming.end()
    this.#sends.rejectAll(this.#closing)
    this.#closeTimer ??= this.#clock.setTimer(() => this.#finish(this.#closing!), this.#closeTimeout)
  }

  #finish(reason: UsmpError): void {
    if (this.#reason) return
    this.#reason = reason
    this.#closing = reason
    this.#clock.clearTimer(this.#closeTimer)
    this.#clock.clearTimer(this.#expiryTimer)
    this.#outgoing.end()
    this.#incoming.end(reason.code === 'CLOSED' ? undefined : reason)
    this.#sends.rejectAll(reason)
    this.#flushes.rejectAll(reason)
    this.#run?.leave(reason)
    this.#resolveClosed(reason)
  }

  get #closeTimeout(): number {
    return CLOSE_TIMEOUT + CLOSE_GAPS * meanDelay(this.#cover)
  }

  /** Why nothing can be sent any more; undefined while it can. */
  get #endReason(): UsmpError | undefined {
    return this.#reason ?? this.#closing
  }

  // ─── what the lists tell ───

  #incomingListener(): IncomingListener {
    return {
      onTaken: () => this.#run?.acknowledge(),
      onPeerEnd: () => this.#onPeerEnd(),
      now: () => this.#lifetime.now(),
    }
  }

  #fateListener(): FateListener {
    return {
      onExpired: (message) => this.#tell(new UndeliveredEvent('expired', message)),
      onUnconfirmed: (message) => this.#tell(new UndeliveredEvent('unconfirmed', message)),
    }
  }

  /** Later, so that a listener may do with the channel what it likes. */
  #tell(event: Event): void {
    queueMicrotask(() => this.dispatchEvent(event))
  }
}

/** @throws UsmpError INVALID_ARGUMENT, MESSAGE_TOO_LARGE */
function toBytes(message: Uint8Array | string): Uint8Array {
  if (typeof message !== 'string' && !(message instanceof Uint8Array)) {
    throw new UsmpError('INVALID_ARGUMENT', 'a message must be text or a Uint8Array')
  }
  const bytes = typeof message === 'string' ? utf8.encode(message) : new Uint8Array(message)
  if (bytes.length > MAX_CHANNEL_MESSAGE) {
    throw new UsmpError('MESSAGE_TOO_LARGE', `${bytes.length} bytes, and a channel takes ${MAX_CHANNEL_MESSAGE}`)
  }
  return bytes
}
