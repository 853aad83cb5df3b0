import type { Session } from '@usmp/core'
import { MAX_MESSAGE } from '@usmp/core/constants'
import { Latch } from '../latch.js'
import type { MessageLine } from './message-line.js'

/**
 * Plain sessions, one after another, as devices have them. What is under way when one breaks is lost, and an end by the other side is not
 * the end of the conversation: a device may start again.
 */
export class SessionLine implements MessageLine {
  readonly maxMessage = MAX_MESSAGE
  /** Plain sessions confirm nothing. */
  readonly undelivered = 0
  readonly #sessions: AsyncIterable<Session>
  readonly #end: AbortController
  readonly #current = new Latch<Session>()
  #session: Session | undefined

  /**
   * @param open begins to look for the other end, until the signal aborts
   */
  constructor(open: (signal: AbortSignal) => AsyncIterable<Session>) {
    this.#end = new AbortController()
    this.#sessions = open(this.#end.signal)
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const session of this.#sessions) {
        this.#session = session
        this.#current.set(session)
        yield* this.#messagesOf(session)
      }
    } catch (error) {
      if (!this.#end.signal.aborted) throw error
    }
  }

  async *#messagesOf(session: Session): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* session
    } catch (error) {
      // Why it ended is told with the next attempt.
      if (!session.signal.aborted) throw error
    } finally {
      this.#current.clear(session)
      this.#session = undefined
      await session.close()
    }
  }

  async send(message: Uint8Array): Promise<void> {
    for (;;) {
      const session = await this.#current.get()
      try {
        return await session.send(message)
      } catch (error) {
        if (!session.signal.aborted) throw error
        this.#current.clear(session)
      }
    }
  }

  /** Without a session there is no room: a plain session keeps nothing for later, so a message never grows old. */
  trySend(message: Uint8Array): boolean {
    return this.#session?.trySend(message) ?? false
  }

  async close(): Promise<void> {
    const session = await this.#current.get()
    // The answer to a PING comes after the other end has taken all that was sent before it.
    await session.ping().catch(() => {})
    await this.abort()
  }

  async abort(): Promise<void> {
    await this.#session?.close()
    this.#end.abort()
  }
}
