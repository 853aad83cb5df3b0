import type { TransportKind } from '@usmp/core'
import {
  type CipherSuite,
  cobsDecode,
  concatBytes,
  decodeFrame,
  encodeFrame,
  encodeSerial,
  type Frame,
  PacketType,
} from '@usmp/core'
import {
  copyBytes,
  encodeUtack,
  finishFrame,
  isHandshakeType,
  isUtack,
  RecordLayer,
  ReplayWindow,
  wireVersion2,
  writeHeader,
  writeUint32,
} from '@usmp/core/internal'
import type { Choices } from '../target.js'
import { otherRole, provider, type Role } from './ends.js'
import { startOf } from './start.js'

const HEADER = 12
const TAG = 16
const OVERHEAD = 28
/** Frames remembered, to be sent again. */
const REMEMBERED = 16
const TYPES = [
  PacketType.DATA,
  PacketType.DATA_FRAG,
  PacketType.PING,
  PacketType.PONG,
  PacketType.BYE,
  PacketType.REKEY,
  0x20,
]

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Something to be acknowledged. */
interface Owed {
  readonly type: number
  readonly seq: number
  readonly key: Uint8Array
}

/**
 * The other end of an established session, which has the keys and follows every change of them, and sends whatever the input
 * says: good frames, frames that no honest peer seals, old ones, broken ones, the receiver's own.
 */
export class HostilePeer {
  readonly #kind: TransportKind
  readonly #suite: CipherSuite
  readonly #sessionId: Uint8Array
  readonly #cipher: RecordLayer
  /** Of the key before the last change. */
  #oldKey: Uint8Array
  readonly #sent: Uint8Array[] = []
  readonly #heard: Uint8Array[] = []
  readonly #owed: Owed[] = []
  /** The keys of the frames that were heard, for their repeats. */
  readonly #cameUnder = new Map<string, Uint8Array>()

  /** @param role of the end that it talks to */
  constructor(role: Role, kind: TransportKind, suite: CipherSuite) {
    const { keys, sessionId } = startOf(role, kind, suite)
    const [tx, rx] = [copyBytes(keys.tx), copyBytes(keys.rx)]
    this.#kind = kind
    this.#suite = suite
    this.#sessionId = sessionId
    this.#cipher = new RecordLayer(
      provider,
      wireVersion2,
      { suite, sessionId, keys: { tx, rx } },
      kind === 'datagram' ? ReplayWindow : undefined,
      otherRole(role) === 'client',
    )
    this.#oldKey = copyBytes(tx)
  }

  /** What it sends next, as it travels. */
  speak(input: Choices): Uint8Array {
    const choice = input.byte()
    const frame = this.#make(choice & 15, input)
    if (this.#kind !== 'datagram' || !isUtack(frame)) remember(this.#sent, frame)
    return this.#kind === 'serial' ? encodeSerial(frame) : frame
  }

  #make(choice: number, input: Choices): Uint8Array {
    switch (choice) {
      case 6:
        return this.#sealAt(this.#cipher.nextSeq + input.byte() - 128, input, this.#cipher.sendKey)
      case 7:
        return this.#sealAt(0xffffffff - (input.byte() & 3), input, this.#cipher.sendKey)
      case 8:
        return this.#sealAt(input.byte(), input, this.#oldKey)
      case 9:
        return this.#rekey(input.byte())
      case 10:
        return pick(this.#sent, input)
      case 11:
        return pick(this.#heard, input)
      case 12:
        return broken(this.#seal(input), input)
      case 13:
        return encodeFrame({
          type: input.byte() || PacketType.ERROR,
          seq: input.byte(),
          payload: input.bytes(input.byte()),
        })
      case 14:
        return input.bytes(input.byte())
      case 15:
        return this.#acknowledge(input)
      default:
        return this.#seal(input)
    }
  }

  /** Acknowledges all that it owes an acknowledgement for; on datagrams only. */
  settle(): Uint8Array[] {
    return this.#owed.splice(0).map(({ type, seq, key }) => encodeUtack(provider, type, seq, key))
  }

  /** Looks at what the other end has sent, and follows its REKEYs. */
  hear(packets: readonly Uint8Array[]): void {
    for (const packet of packets) {
      if (this.#kind === 'datagram' && isUtack(packet)) continue
      const frame = decodeFrame(this.#kind === 'serial' ? cobsDecode(packet.subarray(1, -1)) : packet)
      remember(this.#heard, encodeFrame(frame))
      this.#open(frame)
    }
  }

  #open(frame: Frame): void {
    if (isHandshakeType(frame.type)) return this.#owe(frame, new Uint8Array(0))
    const bytes = hex(encodeFrame(frame))
    try {
      const plaintext = this.#cipher.open(frame)
      this.#cameUnder.set(bytes, copyBytes(this.#cipher.receiveKey))
      if (frame.type === PacketType.REKEY) {
        this.#oldKey = copyBytes(this.#cipher.sendKey)
        this.#cipher.acceptRekey(plaintext)
      }
    } catch {
      // A repeat, or it has confused itself.
    }
    this.#owe(frame, this.#cameUnder.get(bytes) ?? copyBytes(this.#cipher.receiveKey))
  }

  #owe({ type, seq }: Frame, key: Uint8Array): void {
    if (this.#kind === 'datagram' && this.#owed.length < 64) this.#owed.push({ type, seq, key })
  }

  /** One that is owed, or owed under another key. */
  #acknowledge(input: Choices): Uint8Array {
    const which = input.byte()
    const at = (which & 127) % Math.max(this.#owed.length, 1)
    const owed = this.#owed[at]
    if (!owed || which & 128) return encodeUtack(provider, owed?.type ?? which, owed?.seq ?? 0, this.#oldKey)
    this.#owed.splice(at, 1)
    return encodeUtack(provider, owed.type, owed.seq, owed.key)
  }

  /** With its next number, so that it is the frame that is awaited. */
  #seal(input: Choices): Uint8Array {
    const type = typeOf(input)
    const plaintext = plaintextOf(type, input)
    if (this.#cipher.remaining <= 0) return new Uint8Array(0)
    return this.#cipher.seal(type, plaintext)
  }

  /** With any number, under any key. */
  #sealAt(wanted: number, input: Choices, key: Uint8Array): Uint8Array {
    const seq = wanted >>> 0
    const type = typeOf(input)
    const plaintext = plaintextOf(type, input)
    const frame = new Uint8Array(HEADER + OVERHEAD + plaintext.length)
    writeHeader(frame, 2, type, seq, OVERHEAD + plaintext.length)
    const nonce = frame.subarray(HEADER, HEADER + OVERHEAD - TAG)
    writeUint32(frame, HEADER, seq)
    frame.set(this.#sessionId.subarray(0, 8), HEADER + 4)
    provider
      .aead(this.#suite, key)
      .seal(nonce, frame.subarray(0, 10), plaintext, frame.subarray(HEADER + OVERHEAD - TAG))
    finishFrame(frame)
    return frame
  }

  /** As an honest end does it, as long as it can. */
  #rekey(salt: number): Uint8Array {
    const payload = new Uint8Array(32).fill(salt)
    const before = copyBytes(this.#cipher.sendKey)
    if (this.#cipher.rekeying) return this.#cipher.seal(PacketType.REKEY, payload)
    const frame = this.#cipher.startRekey(payload)
    this.#oldKey = before
    return frame
  }
}

function typeOf(input: Choices): number {
  const choice = input.byte()
  return choice < 128 ? TYPES[choice % TYPES.length]! : choice - 127
}

/** The size that the type asks for, or any. */
function plaintextOf(type: number, input: Choices): Uint8Array {
  const choice = input.byte()
  if (choice < 64) {
    const isData = type === PacketType.DATA || type === PacketType.DATA_FRAG
    return new Uint8Array(type === PacketType.REKEY ? 32 : isData ? choice : 0).fill(choice)
  }
  if (choice < 96) return new Uint8Array(452).fill(choice)
  return input.bytes(choice)
}

function broken(frame: Uint8Array, input: Choices): Uint8Array {
  const [at, bit, flags] = [input.number(), input.byte(), input.byte()]
  const [fixCrc, cutShort] = [(flags & 1) !== 0, (flags & 2) !== 0]
  if (frame.length > 0) frame[at % frame.length]! ^= 1 << (bit & 7)
  if (fixCrc && frame.length >= HEADER) finishFrame(frame)
  return cutShort ? frame.subarray(0, at % (frame.length + 1)) : frame
}

function remember(list: Uint8Array[], frame: Uint8Array): void {
  if (list.length === REMEMBERED) list.shift()
  list.push(frame)
}

function pick(list: readonly Uint8Array[], input: Choices): Uint8Array {
  const found = list.at(-1 - (input.byte() % Math.max(list.length, 1)))
  return found ?? new Uint8Array(0)
}

/** Inputs to begin with, one for each choice of the first byte: a message, a PING, a REKEY of each end, time; then a good end. */
export function conversations(): Uint8Array[] {
  return Array.from({ length: 16 }, (_, flags) =>
    Uint8Array.of(flags, 0, 0, 0, 5, 0, 0, 2, 0, 1, 0, 200, 0, 0, 9, 7, 2, 3, 0, 0, 0, 0, 1, 40, 3, 9, 0, 0, 4, 0),
  )
}

/** Several packets in one chunk, where there are chunks. */
export function chunk(kind: TransportKind, packets: readonly Uint8Array[]): readonly Uint8Array[] {
  return kind === 'stream' || kind === 'serial' ? [concatBytes(...packets)] : packets
}
