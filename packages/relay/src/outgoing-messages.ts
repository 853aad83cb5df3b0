import { UsmpError } from '@usmp/core'
import { CELL_DATA, CellKind, encodeCount, MAX_ID, violation, WINDOW } from './cell.js'

/** Told of the messages whose fate is known. Called while the list changes: it must do nothing with the list. */
export interface FateListener {
  /** It is out of date, and was not delivered. */
  onExpired(message: Uint8Array): void
  /** It may have been delivered, and is not sent again. */
  onUnconfirmed(message: Uint8Array): void
}

/** What a cell carries; {@link OutgoingMessages.commit} takes it when it has left. */
export interface NextCell {
  readonly kind: CellKind
  readonly id: number
  readonly data: Uint8Array
  /** ms of the lifetime clock; infinite for ever. */
  readonly deadline: number
  readonly entry: Entry
}

const NOTHING = new Uint8Array(0)

/** A message until it is acknowledged, or what is left of one: then it has ids, and no bytes. */
class Entry {
  readonly kind: 'message' | 'end'
  /** Counts all entries of this channel. */
  readonly serial: number
  readonly deadline: number
  readonly count: number
  bytes: Uint8Array
  /** Its first id; 0 before its first cell leaves. */
  first = 0
  skipped = false

  constructor(kind: Entry['kind'], serial: number, bytes: Uint8Array, deadline: number) {
    this.kind = kind
    this.serial = serial
    this.bytes = bytes
    this.deadline = deadline
    this.count = Math.max(1, Math.ceil(bytes.length / CELL_DATA))
  }

  get last(): number {
    return this.first + this.count - 1
  }

  get isTimed(): boolean {
    return this.deadline !== Number.POSITIVE_INFINITY && !this.skipped
  }
}

/**
 * The messages of this end, from `send` to the acknowledgement of the peer.
 *
 * Each cell has an id, given in order when the first cell of its message leaves. The channel calls `add`; a session's run calls `resume`
 * with the id that the peer expects, or `restart` when the peer has forgotten everything, then `peek` and `commit` for each cell, and
 * `acknowledge` for each that comes. Messages leave the list when they are acknowledged or out of date. The list owns ids and bytes; it
 * must never send an id twice in one session, nor a message that is out of date.
 */
export class OutgoingMessages {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #listener: FateListener
  #entries: Entry[] = []
  #bytes = 0
  #serial = 0
  /** Of the peer's cells. */
  #acked = 0
  #late = 0
  /** The first id that no message has. */
  #free = 1
  /** The next id to leave in this session. */
  #cursor = 1
  /** The last id that has left and may have arrived. */
  #departed = 0

  constructor(maxMessages: number, maxBytes: number, listener: FateListener) {
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
    this.#listener = listener
  }

  /** Entries that are not acknowledged: messages, what is left of skipped ones, and an end. */
  get size(): number {
    return this.#entries.length
  }

  /** Messages among them. */
  get messages(): number {
    return this.#entries.filter(({ kind, skipped }) => kind === 'message' && !skipped).length
  }

  /** The serial of the oldest entry; infinite if there is none. */
  get oldest(): number {
    return this.#entries[0]?.serial ?? Number.POSITIVE_INFINITY
  }

  /** The serial of the newest entry so far. */
  get newest(): number {
    return this.#serial
  }

  hasRoom(length: number): boolean {
    return this.size < this.#maxMessages && this.#bytes + length <= this.#maxBytes
  }

  /** @param bytes kept as they are */
  add(bytes: Uint8Array, deadline: number): void {
    this.#entries.push(new Entry('message', ++this.#serial, bytes, deadline))
    this.#bytes += bytes.length
  }

  /** No message follows. */
  addEnd(): void {
    this.#entries.push(new Entry('end', ++this.#serial, NOTHING, Number.POSITIVE_INFINITY))
  }

  // ─── to the peer ───

  /**
   * What the next cell has to carry; undefined if there is nothing, or the window is full.
   * @param now ms of the lifetime clock
   * @throws UsmpError SEQ_EXHAUSTED
   */
  peek(now: number): NextCell | undefined {
    if (this.#cursor > this.#acked + WINDOW) return undefined
    let entry = this.#next()
    while (entry && entry.first === 0 && entry.deadline <= now) {
      this.#drop(entry)
      this.#listener.onExpired(entry.bytes)
      entry = this.#next()
    }
    if (!entry) return undefined
    if (this.#free + entry.count > MAX_ID) throw new UsmpError('SEQ_EXHAUSTED', 'the channel has no more ids')
    if (entry.isTimed && entry.deadline <= now) this.#skip(entry)
    return this.#cellOf(entry)
  }

  /** The cell has left. */
  commit({ entry, kind }: NextCell): void {
    if (entry.first === 0) {
      entry.first = this.#free
      this.#free += entry.count
    }
    this.#cursor = kind === CellKind.SKIP ? entry.last + 1 : this.#cursor + 1
    this.#departed = Math.max(this.#departed, this.#cursor - 1)
  }

  /** The entry of the id at the cursor. */
  #next(): Entry | undefined {
    return this.#entries.find(({ first, count }) => first === 0 || this.#cursor < first + count)
  }

  #cellOf(entry: Entry): NextCell {
    const id = this.#cursor
    const { deadline } = entry
    const begun = entry.first === 0 ? 0 : id - entry.first
    if (entry.kind === 'end') return { kind: CellKind.END, id, data: NOTHING, deadline, entry }
    if (entry.skipped) {
      const data = encodeCount(entry.count - begun)
      return { kind: CellKind.SKIP, id, data, deadline: Number.POSITIVE_INFINITY, entry }
    }
    const data = entry.bytes.subarray(begun * CELL_DATA, (begun + 1) * CELL_DATA)
    return { kind: begun + 1 < entry.count ? CellKind.MORE : CellKind.DATA, id, data, deadline, entry }
  }

  // ─── from the peer ───

  /**
   * A new session: goes on with the id that the peer expects.
   * @throws UsmpError INVALID_RESPONSE if it cannot expect that one
   */
  resume(next: number): void {
    if (next <= this.#acked || next > this.#departed + 1) {
      throw violation(`it expects the id ${next}, and the ids ${this.#acked + 1} to ${this.#departed + 1} are possible`)
    }
    this.#cursor = next
    // What had left behind that was lost.
    this.#departed = next - 1
  }

  /**
   * The peer knows of no message: those that remain get new ids.
   * @param sendAgain asked for each message that had left as a whole, so that it may have been delivered
   */
  restart(now: number, sendAgain: (message: Uint8Array) => boolean): void {
    const former = this.#entries
    const departed = this.#departed
    this.#entries = []
    this.#bytes = 0
    const kept: Entry[] = []
    for (const entry of former) {
      if (entry.skipped) continue
      const mayHaveArrived = entry.kind === 'message' && entry.first > 0 && entry.last <= departed
      if (mayHaveArrived && (entry.deadline <= now || !sendAgain(entry.bytes))) {
        this.#listener.onUnconfirmed(entry.bytes)
        continue
      }
      entry.first = 0
      kept.push(entry)
    }
    this.#entries = [...kept, ...this.#entries]
    this.#bytes = this.#entries.reduce((sum, { bytes }) => sum + bytes.length, 0)
    this.#acked = this.#late = this.#departed = 0
    this.#free = this.#cursor = 1
  }

  /**
   * Every cell of the peer has these two; both are 0 before it knows who we are.
   * @throws UsmpError INVALID_RESPONSE for what no honest peer says
   */
  acknowledge(ack: number, late: number): void {
    if (ack === 0 && late === 0) return
    if (ack < this.#acked || ack >= this.#cursor) throw violation(`it acknowledges the id ${ack}`)
    const done: Entry[] = []
    for (let [entry] = this.#entries; entry && entry.first > 0 && entry.last <= ack; [entry] = this.#entries) {
      done.push(entry)
      this.#drop(entry)
    }
    const [next] = this.#entries
    if (next && next.first > 0 && next.first <= ack) throw violation('it acknowledges a part of a message')
    this.#acked = ack
    this.#tellLate(
      late - this.#late,
      done.filter(({ isTimed }) => isTimed),
    )
    this.#late = late
  }

  /** The peer counts the messages that came too late, and does not say which of those that it acknowledges at once. */
  #tellLate(count: number, timed: readonly Entry[]): void {
    if (count < 0 || count > timed.length) throw violation(`it calls ${count} messages late of ${timed.length}`)
    if (count === 0) return
    for (const { bytes } of timed) {
      if (count === timed.length) this.#listener.onExpired(bytes)
      else this.#listener.onUnconfirmed(bytes)
    }
  }

  // ─── time, and the end ───

  /** When the next message gets out of date that has not left as a whole; infinite for never. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY
    for (const entry of this.#entries) if (this.#mayExpire(entry)) deadline = Math.min(deadline, entry.deadline)
    return deadline
  }

  /** Drops what is out of date and has not left as a whole. */
  expire(now: number): void {
    for (const entry of [...this.#entries]) {
      if (entry.deadline > now || !this.#mayExpire(entry)) continue
      if (entry.first > 0) {
        this.#skip(entry)
        continue
      }
      this.#drop(entry)
      this.#listener.onExpired(entry.bytes)
    }
  }

  /** Empties the list: the channel is over. */
  end(): void {
    const rest = this.#entries
    this.#entries = []
    this.#bytes = 0
    for (const { kind, skipped, bytes } of rest) {
      if (kind === 'message' && !skipped) this.#listener.onUnconfirmed(bytes)
    }
  }

  #mayExpire(entry: Entry): boolean {
    return entry.isTimed && (entry.first === 0 || entry.last > this.#departed)
  }

  /** Its ids remain, as the peer has to be told that they carry nothing. */
  #skip(entry: Entry): void {
    const { bytes } = entry
    this.#bytes -= bytes.length
    entry.skipped = true
    entry.bytes = NOTHING
    this.#listener.onExpired(bytes)
  }

  #drop(entry: Entry): void {
    this.#entries =
      entry === this.#entries[0] ? this.#entries.slice(1) : this.#entries.filter((other) => other !== entry)
    this.#bytes -= entry.bytes.length
  }
}
