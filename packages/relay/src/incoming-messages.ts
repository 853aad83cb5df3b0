import { concatBytes, UsmpError, WaitQueue } from '@usmp/core'
import { type Cell, CellKind, decodeCount, MAX_CHANNEL_MESSAGE, MAX_ID, violation, WINDOW } from './cell.js'

/** Ids that are dealt with together: those of a message, of the end, or ids without a message. */
interface Item {
  /** 0 for those of a former instance of the peer. */
  last: number
  readonly message: Uint8Array | undefined
  /** ms of the lifetime clock; infinite for ever. */
  readonly deadline: number
  readonly isEnd: boolean
}

/** Who acknowledges what {@link IncomingMessages} is done with. */
export interface IncomingListener {
  /** `ack` has grown. */
  onTaken(): void
  /** The application has everything that the peer had to say. */
  onPeerEnd(): void
  /** ms of the lifetime clock. */
  now(): number
}

/**
 * The messages of the peer, from their cells to the one consumer.
 *
 * A session's run calls `accept` for each cell with an id, and the application `receive`. An id counts as acknowledged when the application
 * has taken its message, or when the message was too late: so the sender knows what has happened, and no more than a window of cells
 * ever waits here. Ids must come in order, without a gap or a repeat, in however many sessions.
 */
export class IncomingMessages {
  readonly #listener: IncomingListener
  readonly #consumer = new WaitQueue<Uint8Array | undefined>()
  #items: Item[] = []
  #parts: Uint8Array[] = []
  #partBytes = 0
  #received = 0
  #taken = 0
  #late = 0
  #endSeen = false
  #end: { readonly error: UsmpError | undefined } | undefined

  constructor(listener: IncomingListener) {
    this.#listener = listener
  }

  /** The last id that is dealt with, and all before it. */
  get ack(): number {
    return this.#taken
  }

  /** Messages that were too late, of those that {@link ack} covers. */
  get late(): number {
    return this.#late
  }

  /** The id that has to come next. */
  get next(): number {
    return this.#received + 1
  }

  // ─── from the peer ───

  /**
   * @param cell one with an id
   * @param deadline of its message, ms of the lifetime clock; infinite for ever
   * @throws UsmpError INVALID_RESPONSE for what no honest peer sends
   */
  accept(cell: Cell, deadline: number): void {
    if (cell.id !== this.next) throw violation(`the id ${cell.id} came, and ${this.next} was due`)
    if (cell.id > this.#taken + WINDOW) throw violation('it sends more than it may')
    if (this.#endSeen) throw violation('something came behind the end')
    const last = cell.kind === CellKind.SKIP ? cell.id + decodeCount(cell.data) - 1 : cell.id
    if (last > MAX_ID) throw violation('it skips ids that do not exist')
    this.#received = last
    if (cell.kind === CellKind.MORE) return this.#addPart(cell.data)
    if (cell.kind === CellKind.DATA) this.#addPart(cell.data)
    const whole = concatBytes(...this.#parts)
    const isUnfinished = cell.kind === CellKind.END && this.#parts.length > 0
    this.#clearParts()
    if (isUnfinished) throw violation('the end came inside a message')
    this.#endSeen = cell.kind === CellKind.END
    const message = cell.kind === CellKind.DATA ? whole : undefined
    this.#items.push({ last, message, deadline, isEnd: this.#endSeen })
    this.#settle()
  }

  /** The peer begins anew with the id 1. What its former instance has sent as a whole is still delivered, of one such instance. */
  restart(): void {
    this.#clearParts()
    this.#items = this.#items.filter(({ last, isEnd }) => last > 0 && !isEnd)
    for (const item of this.#items) item.last = 0
    this.#received = this.#taken = this.#late = 0
    this.#endSeen = false
  }

  #addPart(data: Uint8Array): void {
    if (this.#parts.length > 0 && data.length === 0) throw violation('the last part of a message is empty')
    this.#parts.push(data)
    this.#partBytes += data.length
    if (this.#partBytes > MAX_CHANNEL_MESSAGE) throw violation(`a message has more than ${MAX_CHANNEL_MESSAGE} bytes`)
  }

  #clearParts(): void {
    this.#parts = []
    this.#partBytes = 0
  }

  // ─── to the application ───

  /**
   * The next message; undefined after a good end. One call at a time.
   * @throws UsmpError the reason of a bad end; ABORTED; INVALID_ARGUMENT if a call waits already
   */
  receive(signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    if (this.#consumer.size > 0) {
      return Promise.reject(new UsmpError('INVALID_ARGUMENT', 'a channel has one consumer, and it is waiting already'))
    }
    const taken = this.#consumer.wait(signal)
    this.#settle()
    return taken
  }

  /** No more messages: what waits is delivered first, then a good end (`error` absent) or a bad one. */
  end(error?: UsmpError): void {
    this.#end ??= { error }
    this.#settle()
  }

  /** Gives the consumer what it waits for, and counts what nobody has to take. */
  #settle(): void {
    const before = this.#taken
    let ended = false
    for (let [item] = this.#items; item; [item] = this.#items) {
      if (!this.#give(item)) break
      this.#items.shift()
      if (item.last > 0) this.#taken = item.last
      ended ||= item.isEnd
    }
    if (this.#items.length === 0 && this.#end) this.#tellEnd(this.#end.error)
    if (this.#taken !== before) this.#listener.onTaken()
    if (ended) this.#listener.onPeerEnd()
  }

  /** @returns false if the application has to come for it */
  #give({ message, deadline, last }: Item): boolean {
    if (!message) return true
    if (deadline <= this.#listener.now()) {
      if (last > 0) this.#late++
      return true
    }
    const consumer = this.#consumer.shift()
    consumer?.resolve(message)
    return consumer !== undefined
  }

  #tellEnd(error: UsmpError | undefined): void {
    if (error) this.#consumer.rejectAll(error)
    else this.#consumer.resolveAll(undefined)
  }
}
