import { type Transport, type TransportSink, UsmpError } from '@usmp/core'

/**
 * A circuit on which a plain message of each end comes first, and a session follows. It takes the one message of the other end, then it
 * is handed to the session as its transport.
 *
 * `start` opens the circuit; `next` waits for the message; `open` begins the session. Nothing honest comes between the last two, so a
 * second message ends it.
 */
export class PairingCircuit implements Transport, TransportSink {
  readonly kind = 'message'
  readonly #circuit: Transport
  #sink: TransportSink | undefined
  #first: Uint8Array | undefined
  #end: { readonly cause?: unknown } | undefined
  #waiting: { resolve(message: Uint8Array): void; reject(error: unknown): void } | undefined

  constructor(circuit: Transport) {
    this.#circuit = circuit
  }

  get address(): string {
    return this.#circuit.address
  }

  start(): void {
    this.#circuit.open(this)
  }

  /**
   * The first message of the other end; called once.
   * @throws UsmpError TRUNCATED if the circuit ends before it, and the reason of the abort
   */
  next(signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason)
      const forget = () => {
        this.#waiting = undefined
        signal.removeEventListener('abort', onAbort)
      }
      this.#waiting = {
        resolve: (message) => {
          forget()
          resolve(message)
        },
        reject: (error) => {
          forget()
          reject(error)
        },
      }
      if (signal.aborted) this.#waiting.reject(signal.reason)
      else signal.addEventListener('abort', onAbort, { once: true })
      this.#tell()
    })
  }

  // ─── what the circuit calls ───

  receive(bytes: Uint8Array): void {
    if (this.#sink) return this.#sink.receive(bytes)
    if (this.#end) return
    if (this.#first) return this.#fail(new UsmpError('UNEXPECTED_PACKET', 'a second message before the handshake'))
    this.#first = bytes.slice()
    this.#tell()
  }

  drain(): void {
    this.#sink?.drain()
  }

  end(cause?: unknown): void {
    if (this.#sink) return this.#sink.end(cause)
    this.#end ??= { cause }
    this.#tell()
  }

  // ─── what the session calls ───

  open(sink: TransportSink): void {
    this.#sink = sink
    if (this.#end) sink.end(this.#end.cause)
  }

  write(messages: readonly Uint8Array[]): boolean {
    return this.#circuit.write(messages)
  }

  pause(): void {
    this.#circuit.pause()
  }

  resume(): void {
    this.#circuit.resume()
  }

  close(reason?: UsmpError): Promise<void> {
    return this.#circuit.close(reason)
  }

  abort(reason?: UsmpError): void {
    try {
      this.#circuit.abort(reason)
    } catch {
      // It is over, whatever the circuit throws.
    }
  }

  #fail(error: UsmpError): void {
    this.#end = { cause: error }
    this.abort(error)
    this.#tell()
  }

  /** Answers {@link next}, once there is something to say. */
  #tell(): void {
    if (this.#end) this.#waiting?.reject(new UsmpError('TRUNCATED', undefined, { cause: this.#end.cause }))
    else if (this.#first) this.#waiting?.resolve(this.#first)
  }
}
