import type { Clock } from './clock.js'
import { PacketType } from './constants.js'
import type { Abortable, Session } from './driver.js'
import { asUsmpError, type UsmpError } from './errors.js'

/** First and longest pause between attempts, ms; each is drawn at random from half of it to all of it. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000
/** A session that the other side ended sooner than this, ms, was no success: servers turn away after the handshake too. */
const SHORT_SESSION = 10_000
/** A server that refuses our proof this often in a row will not change its mind. */
const MAX_REFUSED_PROOFS = 5

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
 * @throws UsmpError of an attempt or a session that repetition cannot help: wrong usage, a server that does not know the
 * key, another cipher suite, or five refusals of our proof in a row
 */
export async function* reconnecting(
  connect: () => Promise<Session>,
  options: ReconnectOptions,
): AsyncGenerator<Session, void, undefined> {
  let failures = 0
  let refusedProofs = 0
  while (!options.signal?.aborted) {
    let reason: UsmpError
    try {
      const session = await connect()
      const begin = options.clock.now()
      refusedProofs = 0
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
    } catch (error) {
      reason = asUsmpError(error, 'TRANSPORT_FAILED')
      if (reason.code === 'ABORTED') return
      if (reason.family === 'handshake' && reason.awaited === PacketType.SESSION_OK) refusedProofs++
      if (refusedProofs >= MAX_REFUSED_PROOFS) throw reason
    }
    if (options.signal?.aborted) return
    if (!reason.retryable) throw reason
    const ceiling = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures++, 16))
    const pause = Math.round(ceiling * (0.5 + options.jitter() / 2))
    options.onRetry?.(reason, pause)
    await sleep(pause, options)
  }
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
