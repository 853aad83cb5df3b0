import type { Clock } from './clock.js'
import { PacketType } from './constants.js'
import type { Abortable, Session } from './driver.js'
import { asUsmpError, type UsmpError } from './errors.js'
import { checkOptions, reconnectTable } from './options.js'

/** First and longest pause between attempts, ms; each is drawn at random from half of it to all of it. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000
/** A session that the other side ended sooner than this, ms, was no success: servers turn away after the handshake too. */
const SHORT_SESSION = 10_000
/** A peer that refuses us, or is faulty, this often in a row will not become another one. */
const MAX_REFUSALS = 5

/** Options of {@link reconnecting}. */
export interface ReconnectOptions extends Abortable {
  /** Where pauses are waited for. */
  readonly clock: Clock
  /** From 0 up to, and not including, 1; spreads a fleet that lost its server. */
  readonly jitter: () => number
  /** Told before each pause: why, and how long it will be in ms. */
  readonly onRetry?: (reason: UsmpError, pause: number) => void
}

/**
 * Sessions one after another: when one has ended, the next is made, after a growing pause if that fails. Every item is a
 * new handshake; nothing is queued across. Ends, with the session there is, when `signal` aborts or the consumer leaves the
 * loop.
 * @throws UsmpError of an attempt or a session that repetition cannot help: wrong usage, a failure of the platform, a server
 * that does not know the key; or the last of five in a row for which the peer seems to be the cause: it refuses our proof,
 * speaks another wire version, uses another cipher suite, or breaks the protocol
 */
export async function* reconnecting(
  connect: () => Promise<Session>,
  options: ReconnectOptions,
): AsyncGenerator<Session, void, undefined> {
  checkOptions('reconnecting', options, reconnectTable)
  let failures = 0
  let refusals = 0
  while (!options.signal?.aborted) {
    let reason: UsmpError
    try {
      const session = await connect()
      const begin = options.clock.now()
      const close = () => void session.close()
      options.signal?.addEventListener('abort', close, { once: true })
      try {
        if (options.signal?.aborted) return
        yield session
        if (!session.signal.aborted || options.clock.now() - begin >= SHORT_SESSION) failures = 0
      } finally {
        options.signal?.removeEventListener('abort', close)
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
    if (isFinal(reason) || (isRefusal(reason) && ++refusals === MAX_REFUSALS)) throw reason
    const ceiling = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures++, 16))
    const pause = Math.round(ceiling * (0.5 + options.jitter() / 2))
    options.onRetry?.(reason, pause)
    await sleep(pause, options)
  }
}

/** Whether nobody on the way can have caused it, or (AUTH_FAILED) somebody poses as the server. */
function isFinal({ retryable, family, code }: UsmpError): boolean {
  return !retryable && (family === 'usage' || family === 'platform' || code === 'AUTH_FAILED')
}

/**
 * Whether the peer is most likely the cause, and will be the next time. Anybody on the way can forge what looks so, at
 * least before the session: once proves nothing.
 */
function isRefusal({ retryable, awaited }: UsmpError): boolean {
  return !retryable || awaited === PacketType.SESSION_OK
}

/** Waits, or returns early when the signal aborts. */
function sleep(delay: number, { clock, signal }: ReconnectOptions): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const timer = clock.setTimer(done, delay)
    function done(): void {
      clock.clearTimer(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    signal?.addEventListener('abort', done, { once: true })
  })
}
