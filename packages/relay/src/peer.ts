import { type Abortable, asUsmpError, onAbort, type Session, UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { Channel, type ChannelOptions } from './channel.js'
import { type Cover, type SessionTiming, sessionTiming } from './cover.js'
import { relayPeerTable } from './peer-options.js'
import { type RelaySessionsOptions, relaySessions } from './relay-sessions.js'
import type { RelayState, RelayStatus } from './relay-status.js'

/** Options of {@link RelayPeer.start}. */
export interface RelayPeerOptions
  extends Omit<RelaySessionsOptions, 'signal' | 'onState' | 'keepalive' | 'idleTimeout'>,
    Pick<ChannelOptions, 'maxMessages' | 'maxBytes' | 'onUnconfirmed'>,
    Abortable {
  /** Default `off`: a message leaves at once. The two peers may have different covers. */
  readonly cover?: Cover | undefined
}

/** The state of a {@link RelayPeer} has changed, or an attempt has failed. */
export class RelayStateEvent extends Event {
  declare readonly type: 'state'
  readonly status: RelayStatus

  constructor(status: RelayStatus) {
    super('state')
    this.status = status
  }
}

interface RelayPeerEvents {
  readonly state: RelayStateEvent
}

/**
 * One of two peers that know each other: meets the other one at a relay, again and again, and has one channel to it all the time.
 *
 * `start` makes it, and it begins at once. An application uses `channel` for messages, whether the peer is there or not, and looks at
 * `state` or the events. It ends when one of the two peers closes the channel, and when `signal` aborts. It never ends because of
 * the relay or a stranger. The channel and the sessions end with it.
 *
 * Events: `state` ({@link RelayStateEvent}). As with every EventTarget nobody catches what a listener throws.
 */
export class RelayPeer extends EventTarget {
  readonly channel: Channel
  readonly #stop = new AbortController()
  readonly #ended: Promise<UsmpError>
  #cover: Cover
  /** Of which the timing of the newest session is. */
  #coverOfSession: Cover
  #session: Session | undefined
  #status: RelayStatus = { state: 'connecting' }

  private constructor({ cover = { mode: 'off' }, signal, ...options }: RelayPeerOptions) {
    super()
    const { maxMessages, maxBytes, onUnconfirmed, ...meeting } = options
    const { clock, now, random } = meeting
    this.#cover = cover
    this.#coverOfSession = cover
    this.channel = new Channel({ clock, now, random, cover, maxMessages, maxBytes, onUnconfirmed })
    const timing = () => this.#timing()
    this.#ended = this.#run({
      ...meeting,
      // Read anew for each session.
      get keepalive() {
        return timing().keepalive
      },
      get idleTimeout() {
        return timing().idleTimeout
      },
      signal: this.#stop.signal,
      onState: (status) => this.#onState(status),
    })
    this.#endWith(signal)
  }

  /**
   * Begins.
   * @param options `keys` are the caller's, who wipes them after the end
   * @throws UsmpError INVALID_ARGUMENT, RANDOM_FAILED
   */
  static start(options: RelayPeerOptions): RelayPeer {
    checkOptions('RelayPeer.start', options, relayPeerTable)
    return new RelayPeer(options)
  }

  get state(): RelayState {
    return this.#status.state
  }

  /** The state, and what was told with it. */
  get status(): RelayStatus {
    return this.#status
  }

  /** Resolves when all is over, with the reason: CLOSED for a good end. Never rejects. */
  get ended(): Promise<UsmpError> {
    return this.#ended
  }

  override addEventListener<T extends keyof RelayPeerEvents>(
    type: T,
    listener: (event: RelayPeerEvents[T]) => void,
    options?: Parameters<EventTarget['addEventListener']>[2],
  ): void
  override addEventListener(...event: Parameters<EventTarget['addEventListener']>): void
  override addEventListener(...event: unknown[]): void {
    super.addEventListener(...(event as Parameters<EventTarget['addEventListener']>))
  }

  /**
   * Another cover. The session that there is ends, and the next one has it: a cover that begins in the middle of a session would tell what
   * went before. Messages wait meanwhile, and none is lost or comes twice.
   * @throws UsmpError INVALID_ARGUMENT
   */
  setCover(cover: Cover): void {
    this.channel.setCover(cover)
    this.#cover = cover
    void this.#session?.close()
  }

  /**
   * Closes the channel, at both ends if the other peer is there: what was accepted is sent and confirmed first, in the time that
   * `close` of the channel gives it. Never rejects.
   */
  async close(): Promise<void> {
    await this.channel.close()
    await this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The signal ends the channel, and the end of the channel ends the sessions. */
  #endWith(signal: AbortSignal | undefined): void {
    const abort = () => this.channel.abort(new UsmpError('ABORTED', undefined, { cause: signal?.reason }))
    if (signal?.aborted) abort()
    const forgetSignal = onAbort(signal, abort)
    void this.channel.closed.then(() => {
      forgetSignal()
      this.#stop.abort()
    })
  }

  async #run(options: RelaySessionsOptions): Promise<UsmpError> {
    // Who has just called `start` can listen to the first event.
    await undefined
    try {
      for await (const session of relaySessions(options)) {
        // The cover was changed during the handshake: the next one.
        if (this.#coverOfSession !== this.#cover) continue
        this.#session = session
        await this.channel.attach(session)
        this.#session = undefined
      }
    } catch (error) {
      this.channel.abort(asUsmpError(error, 'TRANSPORT_FAILED'))
    }
    return this.channel.closed
  }

  /** For a session that begins. */
  #timing(): SessionTiming {
    this.#coverOfSession = this.#cover
    return sessionTiming(this.#cover)
  }

  #onState(status: RelayStatus): void {
    this.#status = status
    this.dispatchEvent(new RelayStateEvent(status))
  }
}
