import { UsmpError } from '@usmp/core'
import {
  type Cell,
  CellKind,
  decodeCell,
  decodeCount,
  decodeHello,
  encodeCell,
  encodeCount,
  encodeHello,
  IncomingMessages,
  OutgoingMessages,
} from '@usmp/relay/internal'
import { Choices, must, type Target } from '../target.js'

const SIZE = 452
const MAX_MESSAGES = 8
const MAX_BYTES = 64 * 1024
/** What a receiver may hold: a window of cells of a former peer, one of the present one, and a message that is not whole. */
const MAX_HELD = 2 * 512 * 425 + 66_000
const NOTHING = new Uint8Array(0)

/** What `read` gives; undefined if the peer is told that it breaks the rules, which is the only thing that may happen. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    must(
      error instanceof UsmpError && error.code === 'INVALID_RESPONSE',
      `an error that is none of ours: ${String(error)}`,
    )
    return undefined
  }
}

/** A cell is read in one way only, and so is what is in it. */
function checkCell(input: Uint8Array): void {
  const bytes = new Uint8Array(SIZE)
  bytes.set(input.subarray(0, SIZE))
  const cell = attempt(() => decodeCell(input.length > SIZE ? input : bytes))
  if (!cell) return
  must(Buffer.from(encodeCell(cell)).equals(bytes), 'a cell that would be written in another way')
  if (cell.kind === CellKind.HELLO) {
    const hello = attempt(() => decodeHello(cell.data))
    if (hello) must(Buffer.from(encodeHello(hello)).equals(cell.data), 'a hello that would be written in another way')
  }
  if (cell.kind !== CellKind.SKIP) return
  const count = attempt(() => decodeCount(cell.data))
  if (count) must(Buffer.from(encodeCount(count)).equals(cell.data), 'a count that would be written in another way')
}

/** Both lists of a channel, and a peer that says whatever the input says. */
class Scene {
  #time = 1000
  /** How often the fate of each message was told; their first two bytes number them. */
  readonly #fates: number[] = []
  #sent = 0
  #lastId = 0
  #taken = 0
  #whole = 0
  readonly #outgoing = new OutgoingMessages(MAX_MESSAGES, MAX_BYTES, {
    onExpired: (message) => this.#tell(message),
    onUnconfirmed: (message) => this.#tell(message),
  })
  readonly #incoming = new IncomingMessages({
    onTaken: () => must(this.#incoming.ack >= this.#taken, 'an acknowledgement that goes back'),
    onPeerEnd: () => {},
    now: () => this.#time,
  })

  #tell(message: Uint8Array): void {
    const number = message[0]! | (message[1]! << 8)
    this.#fates[number]! += 1
    must(this.#fates[number] === 1, 'the fate of a message is told twice')
  }

  async play(choices: Choices): Promise<void> {
    while (choices.left > 0) {
      await this.#step(choices.byte() % 9, choices)
      must(this.#outgoing.size <= MAX_MESSAGES, 'more messages than may be kept')
      must(this.#outgoing.messages <= this.#outgoing.size, 'more messages than entries')
      must(this.#incoming.ack < this.#incoming.next, 'acknowledges what has not come')
      must(this.#incoming.next <= this.#incoming.ack + 512 + 156, 'holds more than a window')
      must(this.#incoming.late <= this.#whole, 'more late messages than there were')
    }
    this.#outgoing.end()
    must(
      this.#fates.every((count) => count <= 1),
      'the fate of a message is told twice',
    )
  }

  async #step(what: number, choices: Choices): Promise<void> {
    const { byte, number } = { byte: () => choices.byte(), number: () => choices.number() }
    switch (what) {
      case 0:
        return this.#add(number() % 3000, byte())
      case 1:
        return this.#leave(byte())
      case 2:
        return attempt(() => this.#outgoing.acknowledge(number(), byte() % 4))
      case 3:
        attempt(() => this.#outgoing.resume(number()))
        this.#lastId = 0
        return
      case 4: {
        const answer = byte() < 128
        this.#outgoing.restart(this.#time, () => answer)
        this.#lastId = 0
        return
      }
      case 5:
        this.#time += byte()
        return this.#outgoing.expire(this.#time)
      case 6:
        return this.#come(byte(), number(), byte())
      case 7:
        return this.#take(byte() % 8)
      default:
        this.#taken = 0
        this.#whole = 0
        return this.#incoming.restart()
    }
  }

  #add(size: number, ttl: number): void {
    const message = new Uint8Array(2 + size)
    if (!this.#outgoing.hasRoom(message.length)) return
    message[0] = this.#sent
    message[1] = this.#sent >>> 8
    this.#fates[this.#sent++] = 0
    this.#outgoing.add(message, ttl === 0 ? Number.POSITIVE_INFINITY : this.#time + ttl)
  }

  /** Some cells leave; their ids follow each other. */
  #leave(count: number): void {
    for (let left = 0; left < count; left++) {
      const next = this.#outgoing.peek(this.#time)
      if (!next) return
      must(this.#lastId === 0 || next.id === this.#lastId + 1, 'ids with a gap')
      must(next.data.length <= 425, 'more than a cell takes')
      this.#lastId = next.kind === CellKind.SKIP ? next.id + decodeCount(next.data) - 1 : next.id
      this.#outgoing.commit(next)
    }
  }

  /** A cell of the peer: mostly with the id that is due. */
  #come(kind: number, id: number, size: number): void {
    const kinds = [CellKind.DATA, CellKind.MORE, CellKind.SKIP, CellKind.END, CellKind.DATA, CellKind.MORE]
    const chosen = kinds[kind % kinds.length]!
    const isDue = kind < 240
    const data = {
      [CellKind.DATA]: new Uint8Array(size),
      [CellKind.MORE]: new Uint8Array(425),
      [CellKind.SKIP]: encodeCount(size),
    }[chosen as 1]
    const header = { ack: 0, late: 0, stamp: 0, deadline: 0 }
    const cell: Cell = { kind: chosen, id: isDue ? this.#incoming.next : id, ...header, data: data ?? NOTHING }
    const deadline = id % 3 === 0 ? this.#time + (id % 100) : Number.POSITIVE_INFINITY
    attempt(() => {
      this.#whole++
      this.#incoming.accept(cell, deadline)
    })
    this.#taken = this.#incoming.ack
  }

  async #take(count: number): Promise<void> {
    let held = 0
    for (let taken = 0; taken < count; taken++) {
      const giveUp = new AbortController()
      const message = this.#incoming.receive(giveUp.signal).catch(() => undefined)
      await Promise.resolve()
      giveUp.abort()
      const got = await message
      if (!got) return
      held += got.length
      must(got.length <= 65_536, 'a message that is too long')
      must(held <= MAX_HELD, 'more than may wait')
    }
  }
}

const bytes = (...values: readonly number[]) => Uint8Array.from(values)

export const relayChannel: Target = {
  seeds: () => [
    bytes(0, ...encodeHello({ instance: new Uint8Array(8), seen: new Uint8Array(8), next: 1 })),
    bytes(0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    // Two messages leave, the first is acknowledged, a new session goes on.
    bytes(1, 0, 10, 0, 0, 0, 10, 8, 5, 1, 9, 2, 1, 0, 0, 3, 3, 0, 1, 9),
    // Lifetimes: one ends in the queue, one in its middle, one is late at the peer.
    bytes(1, 0, 10, 8, 5, 1, 2, 5, 9, 1, 9, 0, 1, 0, 5, 1, 9, 2, 6, 0, 1),
    bytes(1, 0, 10, 0, 0, 1, 9, 4, 1, 1, 9, 4, 200),
    // A message of three parts comes and is taken; the peer restarts.
    bytes(1, 6, 1, 1, 0, 0, 6, 1, 1, 0, 0, 6, 0, 1, 0, 7, 7, 3, 8, 6, 0, 1, 0, 9, 7, 2),
    bytes(1, 6, 2, 1, 0, 9, 6, 3, 0, 0, 0, 6, 0, 3, 0, 5, 5, 200, 7, 2),
  ],
  async run(input) {
    if (input.length === 0) return
    if (input[0]! % 2 === 0) checkCell(input.subarray(1))
    else await new Scene().play(new Choices(input.subarray(1)))
  },
}
