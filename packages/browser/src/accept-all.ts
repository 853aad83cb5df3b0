import { asUsmpError, onAbort, SerialMultiplexer, Session, type Transport, type UsmpError, WaitQueue } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import type { AcceptOptions } from './connect.js'
import { acceptAllTable } from './options.js'
import { webRandom } from './random.js'

/** Options of {@link acceptAll}. */
export interface AcceptAllOptions extends AcceptOptions {
  /** Told of every device that said HELLO and was turned away, and why. */
  readonly onRefused?: (deviceId: string, reason: UsmpError) => void
}

/**
 * The server on a serial line, for one session after the other. A device that restarts gets its new session at once: the
 * handshake runs during the old session, which ends with REPLACED when the new one is proven. Ends when the line does, and,
 * with the session there is, when `signal` aborts or the consumer leaves the loop.
 * @param serial {@link serialTransport}, or another transport of the kind `serial`
 * @throws UsmpError INVALID_ARGUMENT or another of the family `usage`
 */
export async function* acceptAll(
  serial: Transport,
  options: AcceptAllOptions,
): AsyncGenerator<Session, void, undefined> {
  try {
    checkOptions('acceptAll', options, acceptAllTable)
  } catch (error) {
    serial.abort()
    throw error
  }
  const { onRefused, ...rest } = options
  const multiplexer = new SerialMultiplexer(serial)
  const ended = new AbortController()
  let newest: Session | undefined
  let waiting: Session | undefined
  /** The consumer, while it waits for a session or the end. */
  const changed = new WaitQueue()

  async function acceptNext(): Promise<void> {
    let deviceId: string | undefined
    const authorize: AcceptOptions['authorize'] = (id, wireVersion) => {
      deviceId = id
      return options.authorize(id, wireVersion)
    }
    try {
      const session = await Session.accept(multiplexer.join(), {
        ...rest,
        authorize,
        signal: ended.signal,
        random: webRandom,
      })
      multiplexer.replaceSession(session)
      newest = waiting = session
      changed.resolveAll()
    } catch (failure) {
      const error = asUsmpError(failure, 'TRANSPORT_FAILED')
      // A wrong option shows before anybody has said HELLO; what comes later is about one device, as a weak key of it.
      if (deviceId !== undefined) onRefused?.(deviceId, error)
      else if (error.family === 'usage' && !ended.signal.aborted) throw error
    }
  }

  async function acceptEach(): Promise<void> {
    while (multiplexer.open && !ended.signal.aborted) await acceptNext()
  }

  const end = () => ended.abort(options.signal?.reason)
  ended.signal.addEventListener('abort', () => void newest?.close())
  const forgetSignal = onAbort(options.signal, end)
  if (options.signal?.aborted) end()
  let done = false
  const accepting = acceptEach().finally(() => {
    done = true
    changed.resolveAll()
  })
  // Told below; the consumer may be busy with a session when it happens.
  accepting.catch(() => {})
  try {
    for (;;) {
      while (!waiting && !done) await changed.wait(undefined)
      if (!waiting || ended.signal.aborted) return await accepting
      const session = waiting
      waiting = undefined
      yield session
    }
  } finally {
    forgetSignal()
    end()
    await accepting.catch(() => {})
    await newest?.close()
    await multiplexer.close()
  }
}
