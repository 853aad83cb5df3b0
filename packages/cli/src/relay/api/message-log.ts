/** A message of the other end, as the API has it. */
export interface LoggedMessage {
  /** Grows from message to message. */
  readonly id: number
  /** When it came, ms since 1970. */
  readonly at: number
  readonly data: Uint8Array
}

export interface LogSlice {
  readonly messages: readonly LoggedMessage[]
  /** Where to go on: the id of the newest of these, or the `after` that was asked for. */
  readonly next: number
  /** Whether there were messages in between that gave way. */
  readonly missed: boolean
}

/** Ids go on after a restart where the clock stands: a reader that comes back gets none twice. */
const IDS_A_MILLISECOND = 1000

/** The newest messages, for readers that ask from time to time. When there are too many the oldest give way. */
export class MessageLog {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #messages: LoggedMessage[] = []
  #bytes = 0
  readonly #first: number
  #last: number

  /** @param start ms since 1970, of the start of the program */
  constructor(start: number, { maxMessages = 1000, maxBytes = 1024 * 1024 } = {}) {
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
    this.#first = start * IDS_A_MILLISECOND
    this.#last = this.#first
  }

  /** Id of the newest message. */
  get last(): number {
    return this.#last
  }

  append(data: Uint8Array, at: number): LoggedMessage {
    const message = { id: ++this.#last, at, data }
    this.#messages.push(message)
    this.#bytes += data.length
    while (this.#messages.length > this.#maxMessages || (this.#bytes > this.#maxBytes && this.#messages.length > 1)) {
      this.#bytes -= this.#messages.shift()!.data.length
    }
    return message
  }

  /** Messages with a greater id, at most `limit`, the oldest of them first. */
  after(id: number, limit: number): LogSlice {
    const from = this.#messages.findIndex((message) => message.id > id)
    const messages = from < 0 ? [] : this.#messages.slice(from, from + limit)
    const oldest = this.#messages[0]?.id ?? this.#last + 1
    // Who asks from 0 on, or from before the restart, has missed only what was here.
    const missed = Math.max(id, this.#first) + 1 < oldest
    return { messages, next: messages.at(-1)?.id ?? Math.max(id, 0), missed }
  }
}
