import {
  type Abortable,
  asUsmpError,
  CipherSuite,
  type Clock,
  type CryptoProvider,
  formatDeviceId,
  onAbort,
  type RandomSource,
  reconnecting,
  Session,
  systemClock,
  type Transport,
  throwIfAborted,
  type UsmpError,
} from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { openCircuit } from './circuit.js'
import type { Dial } from './dial.js'
import { MeetingDays, type Stay } from './meeting-days.js'
import type { PairKeys } from './pair-keys.js'
import { relaySessionsTable } from './peer-options.js'
import { drawBytes, platformRandom } from './random.js'
import { type RelayStatus, StatusTeller } from './relay-status.js'
import { sleep } from './sleep.js'

/** A person waits for the peer to come back, so pauses stay short, ms. */
const LONGEST_PAUSE = 8_000
/** A relay that refuses is asked more seldom, ms. */
const LONGEST_REFUSAL_PAUSE = 60_000
/** The suite that leaks nothing by its time in plain JavaScript, and that every peer has. */
const SUITE = CipherSuite.CHACHA20_POLY1305
const NO_TOKEN = new Uint8Array(0)

/** Options of {@link relaySessions}. */
export interface RelaySessionsOptions extends Abortable {
  /** `wss://host`, or `ws://` on this machine. */
  readonly relay: URL
  readonly dial: Dial
  /** Of the two peers; the caller keeps them until the last session has ended, and wipes them. */
  readonly keys: PairKeys
  /** For relays that ask for one, at most 64 bytes. */
  readonly token?: Uint8Array | undefined
  /** Default: the clock of the platform. */
  readonly clock?: Clock
  /** Default: the random source of the platform. */
  readonly random?: RandomSource
  /** Default: noble. */
  readonly provider?: CryptoProvider
  /** The time of the calendar, ms since 1970: it decides the route of the day. Default `Date.now`. */
  readonly now?: () => number
  /** Told each change of state, and each failure. */
  readonly onState?: (status: RelayStatus) => void
  /** As for a session of the core: ms of silence after which a PING goes out, 0 for never; default 20000. */
  readonly keepalive?: number
  /** As for a session of the core: ms without an authentic frame after which it ends, 0 for never; default 60000. */
  readonly idleTimeout?: number
}

/**
 * The sessions of a pair, one after another, for either of the two: joins the route of the day, waits for the peer, shakes hands with the
 * key of the pair, and does it again when the session has ended. Pauses are 8 s at most, 60 s if the relay refuses. It goes on until
 * `signal` aborts or the consumer leaves the loop. Nothing that the relay, a stranger or the peer does ends it; `onState` tells it.
 * @throws UsmpError INVALID_ARGUMENT, RANDOM_FAILED, CRYPTO_FAILED: what this program itself has to repair
 */
export async function* relaySessions(options: RelaySessionsOptions): AsyncGenerator<Session, void, undefined> {
  checkOptions('relaySessions', options, relaySessionsTable)
  const { clock = systemClock, random = platformRandom, signal } = options
  const status = new StatusTeller(options.onState)
  const meeting = new Meeting(options, status)
  // Who was on the route is no matter of the relay, though a handshake that is refused looks like one to the core.
  const pauseOf = (pause: number) => (meeting.reached ? Math.min(pause, LONGEST_PAUSE) : pause)
  let error: UsmpError | undefined
  try {
    const sessions = reconnecting(() => meeting.nextSession(), {
      clock,
      jitter: () => drawBytes(random, 1)[0]! / 256,
      signal,
      longestPause: LONGEST_PAUSE,
      longestRefusalPause: LONGEST_REFUSAL_PAUSE,
      onRetry: (reason, pause) => meeting.onFailed(reason, pauseOf(pause)),
      sleep: (pause) => sleep(pauseOf(pause), clock, signal),
    })
    for await (const session of sessions) {
      status.tell('online')
      yield session
    }
  } catch (fault) {
    error = asUsmpError(fault, 'TRANSPORT_FAILED')
    throw error
  } finally {
    status.tell('ended', error ? { error } : {})
  }
}

/** One peer that looks for the other one. */
class Meeting {
  readonly #options: RelaySessionsOptions
  readonly #status: StatusTeller
  readonly #days: MeetingDays
  /** Whether the relay has let this peer onto the route in the current attempt: what went wrong then is not about the relay. */
  reached = false

  constructor(options: RelaySessionsOptions, status: StatusTeller) {
    this.#options = options
    this.#status = status
    this.#days = new MeetingDays(options.keys.side, options.now ?? Date.now)
  }

  onFailed(error: UsmpError, pause: number): void {
    this.#status.tell(this.reached ? 'connecting' : 'away', { error, pause })
  }

  /** @throws UsmpError of the relay, the handshake or the transport; ABORTED */
  async nextSession(): Promise<Session> {
    this.reached = false
    // While the relay is away, each attempt that fails says nothing new.
    if (this.#status.state !== 'away') this.#status.tell('connecting')
    for (;;) {
      const stay = this.#days.next()
      const circuit = await this.#waitForPeer(stay)
      if (circuit) return this.#shakeHands(circuit, stay.day)
    }
  }

  /** Undefined if nobody came during the stay. */
  async #waitForPeer({ day, duration }: Stay): Promise<Transport | undefined> {
    const { relay: url, dial, keys, token = NO_TOKEN, clock = systemClock, signal } = this.#options
    const over = new AbortController()
    let timer: unknown
    const forgetSignal = onAbort(signal, () => over.abort(signal?.reason))
    try {
      throwIfAborted(signal)
      return await openCircuit({
        url,
        dial,
        join: { route: keys.route(day), side: keys.side, pairing: false, token },
        signal: over.signal,
        clock,
        onWaiting: () => {
          this.reached = true
          this.#status.tell('waiting')
          timer = clock.setTimer(() => over.abort(), duration)
        },
      })
    } catch (error) {
      if (signal?.aborted || !over.signal.aborted) throw error
      return undefined
    } finally {
      clock.clearTimer(timer)
      forgetSignal()
    }
  }

  async #shakeHands(circuit: Transport, day: string): Promise<Session> {
    this.reached = true
    this.#status.tell('handshaking')
    try {
      return await (this.#options.keys.side === 0 ? this.#accept(circuit, day) : this.#connect(circuit, day))
    } catch (error) {
      circuit.abort()
      throw error
    }
  }

  #accept(circuit: Transport, day: string): Promise<Session> {
    const { keys } = this.#options
    const expected = formatDeviceId(keys.deviceId(day))
    return Session.accept(circuit, {
      ...this.#common,
      authorize: (deviceId) => (deviceId === expected ? { psk: keys.psk, suite: SUITE } : null),
    })
  }

  #connect(circuit: Transport, day: string): Promise<Session> {
    const { keys } = this.#options
    return Session.connect(circuit, {
      ...this.#common,
      deviceId: keys.deviceId(day),
      psk: keys.psk,
      suite: SUITE,
    })
  }

  /** What both sides say to the core. Both of them send PINGs: either may be the one whose network is gone. */
  get #common() {
    const { clock, random = platformRandom, provider, signal, keepalive = 20_000, idleTimeout } = this.#options
    return {
      random,
      keepalive,
      signal,
      ...(clock ? { clock } : {}),
      ...(provider ? { provider } : {}),
      ...(idleTimeout === undefined ? {} : { idleTimeout }),
    }
  }
}
