// The messages in the bytes of a WebSocket (RFC 6455, section 5.2), as whoever carries them can see them.

const HEADER_END = Buffer.from('\r\n\r\n')
const OPCODE = 0x0f
const BINARY = 0x02
const MASKED = 0x80
const LENGTH = 0x7f
const TWO_BYTES = 126
const EIGHT_BYTES = 127
const MASK_SIZE = 4

/** Finds the binary messages in one direction of a connection. Peers of a relay send each in one frame. */
export class MessageFinder {
  readonly #onMessage: (message: Buffer) => void
  #rest: Buffer = Buffer.alloc(0)
  #isOpen = false

  constructor(onMessage: (message: Buffer) => void) {
    this.#onMessage = onMessage
  }

  push(chunk: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    if (!this.#isOpen && !this.#skipHeader()) return
    while (this.#takeFrame()) {}
  }

  /** The request or answer of HTTP that comes first. */
  #skipHeader(): boolean {
    const end = this.#rest.indexOf(HEADER_END)
    if (end < 0) return false
    this.#rest = this.#rest.subarray(end + HEADER_END.length)
    this.#isOpen = true
    return true
  }

  #takeFrame(): boolean {
    const head = frameHead(this.#rest)
    if (!head || this.#rest.length < head.size + head.length) return false
    const frame = this.#rest.subarray(0, head.size + head.length)
    this.#rest = this.#rest.subarray(frame.length)
    if ((frame[0]! & OPCODE) === BINARY) this.#onMessage(unmasked(frame, head))
    return true
  }
}

interface FrameHead {
  /** Bytes of the head itself. */
  readonly size: number
  /** Bytes of the payload. */
  readonly length: number
  readonly isMasked: boolean
}

function frameHead(bytes: Buffer): FrameHead | undefined {
  if (bytes.length < 2) return undefined
  const isMasked = (bytes[1]! & MASKED) !== 0
  const short = bytes[1]! & LENGTH
  const more = short === TWO_BYTES ? 2 : short === EIGHT_BYTES ? 8 : 0
  if (bytes.length < 2 + more) return undefined
  const length = more === 2 ? bytes.readUInt16BE(2) : more === 8 ? Number(bytes.readBigUInt64BE(2)) : short
  return { size: 2 + more + (isMasked ? MASK_SIZE : 0), length, isMasked }
}

function unmasked(frame: Buffer, { size, isMasked }: FrameHead): Buffer {
  const payload = Buffer.from(frame.subarray(size))
  if (!isMasked) return payload
  const mask = frame.subarray(size - MASK_SIZE, size)
  return payload.map((byte, index) => byte ^ mask[index % MASK_SIZE]!) as Buffer
}
