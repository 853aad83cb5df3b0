import { decodeFrame, encodeFrame, type Transport, type TransportSink } from '@usmp/core'
import { flipBit } from '@usmp/testing'
import type { Join, Side } from '../src/wire.ts'
import { decodeJoin, RelayMessage } from '../src/wire.ts'
import { type Alter, MemoryRelay, type RelaySocket } from './peer/memory-relay.ts'

/**
 * A relay that is an attacker. It may sit in the middle: each peer that joins gets a circuit with the relay itself, at once. Or it
 * passes messages on and does one thing to one of them.
 */
export class HostileRelay extends MemoryRelay {
  /** Gets each peer that joins, as the other end of its circuit. Without it peers are joined as they should be. */
  onPeer: ((join: Join, circuit: Transport) => void) | undefined
  readonly #middle = new Map<RelaySocket, MiddleEnd>()

  override receive(socket: RelaySocket, message: Uint8Array): void {
    const end = this.#middle.get(socket)
    if (end) return end.receive(message)
    const join = this.onPeer && decodeJoin(message)
    if (!join) return super.receive(socket, message)
    this.joins.push(join)
    socket.join = join
    const middle = new MiddleEnd(socket)
    this.#middle.set(socket, middle)
    socket.say(RelayMessage.PEER)
    this.onPeer?.(join, middle)
  }
}

/** The end of a circuit that the relay has kept for itself. */
class MiddleEnd implements Transport {
  readonly kind = 'message'
  readonly address = 'the relay itself'
  readonly #victim: RelaySocket
  #sink: TransportSink | undefined
  #early: Uint8Array[] = []

  constructor(victim: RelaySocket) {
    this.#victim = victim
    victim.onDropped = () => {
      const sink = this.#sink
      this.#sink = undefined
      sink?.end()
    }
  }

  receive(message: Uint8Array): void {
    if (this.#sink) this.#sink.receive(message)
    else this.#early.push(message)
  }

  open(sink: TransportSink): void {
    this.#sink = sink
    for (const message of this.#early.splice(0)) sink.receive(message)
  }

  write(frames: readonly Uint8Array[]): boolean {
    for (const frame of frames) this.#victim.deliver(new Uint8Array(frame))
    return true
  }

  pause(): void {}

  resume(): void {}

  async close(): Promise<void> {
    this.abort()
  }

  abort(): void {
    this.#sink = undefined
    setImmediate(() => this.#victim.drop())
  }
}

/** What a hostile relay does to one message. */
export type Attack = 'flip' | 'repeat' | 'reorder' | 'drop' | 'reflect' | 'cut short' | 'insert'

export const ATTACKS: readonly Attack[] = ['flip', 'repeat', 'reorder', 'drop', 'reflect', 'cut short', 'insert']

/**
 * Attacks the n-th message of those that one side sends, and passes on all others.
 * @param done called when it has happened
 */
export function attackOne(
  attack: Attack,
  from: Side,
  n: number,
  relay: MemoryRelay,
  done: () => void = () => {},
): Alter {
  let count = 0
  let kept: Uint8Array | undefined
  return (message, side) => {
    if (side !== from) return [message]
    if (kept) {
      const both = [message, kept]
      kept = undefined
      done()
      return both
    }
    if (count++ !== n) return [message]
    if (attack === 'reorder') {
      kept = message
      return []
    }
    done()
    if (attack !== 'reflect') return changed(attack, message)
    for (const socket of relay.sockets) if (socket.join?.side === side) socket.deliver(message)
    return []
  }
}

function changed(attack: Attack, message: Uint8Array): readonly Uint8Array[] {
  switch (attack) {
    case 'flip':
      return [withRightCrc(message)]
    case 'repeat':
      return [message, message]
    case 'cut short':
      return [message.subarray(0, message.length - 1)]
    case 'insert':
      return [encodeFrame({ type: 0x05, seq: 0, payload: new Uint8Array(40) }), message]
    default:
      return []
  }
}

/** The message with one bit changed; if it is a frame, in its payload, and its checksum is right again. */
export function withRightCrc(message: Uint8Array): Uint8Array {
  const middle = (length: number) => Math.floor(length / 2)
  try {
    const { version, type, seq, payload } = decodeFrame(message)
    // A frame without payload has nothing to flip but its number.
    if (payload.length === 0) return encodeFrame({ version, type, seq: seq + 1 })
    return encodeFrame({ version, type, seq, payload: flipBit(payload, middle(payload.length)) })
  } catch {
    return flipBit(message, middle(message.length))
  }
}
