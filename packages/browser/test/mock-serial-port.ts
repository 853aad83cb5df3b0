import type { OpenSerialPort } from '../src/web-serial.ts'

/** A `SerialPort` as Web Serial has it: a stream that failed or was given up is followed by a fresh one, until it is gone. */
export class MockSerialPort implements OpenSerialPort {
  /** Where written bytes go; it may take its time. */
  onWrite: (bytes: Uint8Array) => void | Promise<void> = () => {}
  readonly #queue: Uint8Array[] = []
  #readable: ReadableStream<Uint8Array> | undefined
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  #wake: (() => void) | undefined
  readonly #writable: WritableStream<Uint8Array>
  #gone = false
  #hungUp = false

  constructor() {
    this.#writable = new WritableStream(
      { write: (bytes) => this.onWrite(bytes) },
      { highWaterMark: 4096, size: (bytes) => bytes.length },
    )
  }

  get readable(): ReadableStream<Uint8Array> | null {
    if (this.#gone) return null
    this.#readable ??= new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: async (controller) => {
          while (this.#queue.length === 0) {
            if (this.#hungUp) return controller.close()
            await new Promise<void>((resolve) => (this.#wake = resolve))
          }
          controller.enqueue(this.#queue.shift()!)
        },
      },
      { highWaterMark: 0 },
    )
    return this.#readable
  }

  get writable(): WritableStream<Uint8Array> | null {
    return this.#gone ? null : this.#writable
  }

  /** Bytes from the other end of the line. */
  receive(bytes: Uint8Array): void {
    this.#queue.push(bytes)
    this.#wake?.()
  }

  /** Bytes that nobody has read. */
  get waiting(): number {
    return this.#queue.reduce((sum, { length }) => sum + length, 0)
  }

  /** A fault of the line that costs some bytes and not the port. */
  fault(name: 'FramingError' | 'ParityError' | 'BufferOverrunError'): void {
    const controller = this.#controller
    this.#readable = undefined
    controller?.error(new DOMException('noise', name))
  }

  /** The other end is gone: what it has sent can still be read. */
  hangUp(): void {
    this.#hungUp = true
    this.#wake?.()
  }

  /** The device was unplugged. */
  unplug(): void {
    this.#gone = true
    this.#controller?.error(new DOMException('The device has been lost.', 'NetworkError'))
  }
}

/** Two ports at the ends of one line. It has hardware flow control: a writer waits while the other end does not read. */
export function serialLine(): [MockSerialPort, MockSerialPort] {
  const ends: [MockSerialPort, MockSerialPort] = [new MockSerialPort(), new MockSerialPort()]
  for (const [from, to] of [ends, [...ends].reverse() as typeof ends]) {
    from.onWrite = async (bytes) => {
      to.receive(bytes)
      while (to.waiting > 16 * 1024) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  return ends
}
