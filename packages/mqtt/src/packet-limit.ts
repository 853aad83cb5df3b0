import type { Readable } from 'node:stream'

/** Bytes of a length field at most, and the bit that says that another byte follows. */
const LENGTH_SIZE = 4
const MORE = 0x80

/**
 * Keeps MQTT packets of more than `max` bytes away from who reads `stream`: without this, one of up to 256 MB is collected before anybody
 * asks who sends it, or looks at its topic. It stands where the stream takes in what has arrived, its `push`.
 * @param onLong called for each such packet, when its length has come and nothing else of it
 */
export function limitPackets(stream: Readable, max: number, onLong: () => void): void {
  const push = stream.push.bind(stream)
  const filter = new PacketFilter(max, onLong)
  stream.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
    if (!chunk) return push(chunk, encoding)
    const kept = filter.pass(chunk)
    return kept.length === 0 || push(kept)
  }
}

/** Follows the fixed headers of a stream of packets, and leaves out those that are too long. */
class PacketFilter {
  readonly #max: number
  readonly #onLong: () => void
  /** What has come of the fixed header that is read now. */
  #head: number[] = []
  /** Bytes of the packet that are still to come after its header. */
  #left = 0
  #dropping = false

  constructor(max: number, onLong: () => void) {
    this.#max = max
    this.#onLong = onLong
  }

  pass(chunk: Uint8Array): Buffer {
    const kept: Uint8Array[] = []
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        this.#onHeadByte(chunk[at++]!, kept)
        continue
      }
      const end = Math.min(chunk.length, at + this.#left)
      if (!this.#dropping) kept.push(chunk.subarray(at, end))
      this.#left -= end - at
      at = end
    }
    return Buffer.concat(kept)
  }

  #onHeadByte(byte: number, kept: Uint8Array[]): void {
    this.#head.push(byte)
    const length = lengthOf(this.#head)
    if (length === undefined) return
    this.#left = length
    this.#dropping = length > this.#max
    if (this.#dropping) this.#onLong()
    else kept.push(Uint8Array.from(this.#head))
    this.#head = []
  }
}

/** @returns undefined if there is more to come; infinite for a length that does not end, after which nothing can be understood */
function lengthOf([, ...digits]: readonly number[]): number | undefined {
  const last = digits.at(-1)
  if (last === undefined) return undefined
  if (last & MORE) return digits.length < LENGTH_SIZE ? undefined : Number.POSITIVE_INFINITY
  return digits.reduce((sum, digit, i) => sum + (digit & ~MORE) * MORE ** i, 0)
}
