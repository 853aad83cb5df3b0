import type { Abortable, Session, UsmpError } from '@usmp/core'
import type { RpcSession } from '@usmp/rpc'

/** Messages that were carried. */
export interface MessageCounts {
  in: number
  out: number
}

/** A session that counts its messages, in each of `counts`, and tells when one comes in. */
export class CountedSession implements RpcSession {
  readonly #session: Session
  readonly #counts: readonly MessageCounts[]
  readonly #onMessage: () => void

  constructor(session: Session, counts: readonly MessageCounts[], onMessage: () => void) {
    this.#session = session
    this.#counts = counts
    this.#onMessage = onMessage
  }

  get maxMessage(): number {
    return this.#session.maxMessage
  }

  get closed(): Promise<UsmpError> {
    return this.#session.closed
  }

  send(message: Uint8Array | string, options?: Abortable): Promise<void> {
    this.#count('out')
    return this.#session.send(message, options)
  }

  trySend(message: Uint8Array | string): boolean {
    const isSent = this.#session.trySend(message)
    if (isSent) this.#count('out')
    return isSent
  }

  async receive(options?: Abortable): Promise<Uint8Array | undefined> {
    const message = await this.#session.receive(options)
    if (message === undefined) return undefined
    this.#count('in')
    this.#onMessage()
    return message
  }

  close(reason?: UsmpError): Promise<void> {
    return this.#session.close(reason)
  }

  #count(direction: keyof MessageCounts): void {
    for (const counts of this.#counts) counts[direction]++
  }
}
