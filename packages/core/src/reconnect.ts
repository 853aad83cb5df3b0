import { onAbort } from './abort.js'
import type { Clock } from './clock.js'
import { PacketType } from './constants.js'
import { asUsmpError, type ErrorCode, type UsmpError } from './errors.js'
import { checkOptions, reconnectTable } from './options.js'
import type { Abortable, Session } from './session.js'

/** First and longest pause between attempts, ms; each is drawn at random from half of it to all of it. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000
const LONGEST_REFUSAL_PAUSE = 300_000
/** A session that the other side ended sooner than this, ms, was no success: servers turn away after the handshake too. */
const SHORT_SESSION = 10_000
/** What one who accepts, and not one who connects, says of a stranger: the next one may be the right one. */
const ABOUT_STRANGERS: readonly ErrorCode[] = ['AUTH_FAILED', 'UNKNOWN_DEVICE', 'LOCKED_OUT', 'BAD_COOKIE']

/** Options of {@link reconnecting}. */
export interface ReconnectOptions extends Abortable {
  /** Where pauses are waited for. */
  readonly clock: Clock
  /** From 0 up to, and not including, 1; spreads a fleet that lost its server. */
  readonly jitter: () => number
  /** Told before each pause: why, and how long it will be in ms. */
  readonly onRetry?: ((reason: UsmpError, pause: number) => void) | undefined
  /**
   * Refusals in a row that are the end: the peer refuses our proof or cannot give its own, speaks another wire version, uses
   * another cipher suite, or breaks the protocol. Default: no number is.
   */
  readonly maxRefusals?: number | undefined
  /** The longest pause after any other failure, ms; default 30000. */
  readonly longestPause?: number | undefined
  /** The longest pause after a refusal, ms; default 300000, as it may last until a person has registered the device. */
  readonly longestRefusalPause?: number | undefined
  /**
   * Waits a pause out, for who knows more than the clock: it may take less time, as when the peer is heard of again, or more. Default:
   * waits on the clock. It has to resolve when `signal` aborts.
   */
  readonly sleep?: ((pause: number) => Promise<void>) | undefined
}

/**
 * Sessions one after another: when one has ended, the next is made, after a growing pause if that fails: 30 s at most, after
 * refusals 5 minutes. Every item is a new handshake; nothing is queued across. Ends, with the session there is, when `signal`
 * aborts or the consumer leaves the loop.
 * @throws UsmpError what this program itself has to repair: wrong usage, a failure of the platform; or the last of
 * `maxRefusals` refusals in a row
 */
export async function* reconnecting(
  connect: () => Promise<Session>,
  options: ReconnectOptions,
): AsyncGenerator<Session, void, undefined> {
  checkOptions('reconnecting', options, reconnectTable)
  const {
    maxRefusals = Number.POSITIVE_INFINITY,
    longestPause = LONGEST_PAUSE,
    longestRefusalPause = LONGEST_REFUSAL_PAUSE,
  } = options
  let failures = 0
  let refusals = 0
  while (!options.signal?.aborted) {
    let reason: UsmpError
    try {
      const session = await connect()
      const begin = options.clock.now()
      const forgetSignal = onAbort(options.signal, () => void session.close())
      try {
        if (options.signal?.aborted) return
        yield session
        if (!session.signal.aborted || options.clock.now() - begin >= SHORT_SESSION) failures = 0
      } finally {
        forgetSignal()
        // Whether the consumer asks for the next one or leaves: this one is over.
        await session.close()
      }
      reason = await session.closed
      if (!isRefusal(reason)) refusals = 0
    } catch (error) {
      reason = asUsmpError(error, 'TRANSPORT_FAILED')
      if (reason.code === 'ABORTED') return
    }
    if (options.signal?.aborted) return
    const refused = isRefusal(reason)
    if (refused) refusals++
    if (isFinal(reason) || (refused && refusals >= maxRefusals)) throw reason
    const pause = refused ? pauseAfter(refusals - 1, longestRefusalPause) : pauseAfter(failures++, longestPause)
    const jittered = Math.round(pause * (0.5 + options.jitter() / 2))
    options.onRetry?.(reason, jittered)
    await (options.sleep?.(jittered) ?? sleep(jittered, options))
  }
}

/** @param count how often in a row it failed before */
function pauseAfter(count: number, longest: number): number {
  return Math.min(longest, FIRST_PAUSE * 2 ** Math.min(count, 16))
}

/** Whether only this program can have caused it, and will the next time. */
function isFinal({ retryable, family }: UsmpError): boolean {
  return !retryable && (family === 'usage' || family === 'platform')
}

/**
 * Whether the peer that we connect to is most likely the cause, and will be the next time. Anybody on the way can forge what
 * looks so, and a person can repair it at the other end, so it makes pauses longer and ends nothing by itself.
 */
function isRefusal({ retryable, code, awaited }: UsmpError): boolean {
  return awaited === PacketType.SESSION_OK || (!retryable && !ABOUT_STRANGERS.includes(code))
}

/** Waits, or returns early when the signal aborts. */
function sleep(delay: number, { clock, signal }: ReconnectOptions): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const timer = clock.setTimer(done, delay)
    const forgetSignal = onAbort(signal, done)
    function done(): void {
      clock.clearTimer(timer)
      forgetSignal()
      resolve()
    }
  })
}
