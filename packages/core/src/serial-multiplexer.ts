import { UsmpError } from './errors.js'
import type { Session } from './session.js'
import type { Transport, TransportSink } from './transport.js'

/**
 * A serial line that several handshakes and one session share. All of them see what arrives, and each drops what does not
 * belong to it (specification, section 6.5). So a device that restarts can open a new session while the old one still stands.
 *
 * The caller takes one share with `join` for each handshake, and calls `replaceSession` with each session that is proven. The
 * multiplexer owns the line and its one sink; a share that closes must never close the line.
 */
export class SerialMultiplexer {
  readonly #serial: Transport
  readonly #sinks = new Set<TransportSink>()
  /** The shares whose queues are full. The line flows only while there are none. */
  readonly #pausing = new Set<Transport>()
  #session: Session | undefined
  #open = true

  /** @param serial a transport of the kind `serial` that is used nowhere else */
  constructor(serial: Transport) {
    this.#serial = serial
    serial.open({
      receive: (bytes) => this.#tell((sink) => sink.receive(bytes)),
      drain: () => this.#tell((sink) => sink.drain()),
      end: (cause) => this.#end(cause),
    })
  }

  /** Whether the line is usable. */
  get open(): boolean {
    return this.#open
  }

  /** A share of the line. Closing it leaves the line to the others. */
  join(): Transport {
    let own: TransportSink | undefined
    const leave = () => {
      if (own) this.#sinks.delete(own)
      this.#resume(share)
    }
    const share: Transport = {
      kind: this.#serial.kind,
      address: this.#serial.address,
      open: (sink) => {
        if (!this.#open) return sink.end()
        own = sink
        this.#sinks.add(sink)
      },
      write: (frames) => !this.#open || this.#serial.write(frames),
      pause: () => {
        if (this.#pausing.size === 0) this.#serial.pause()
        this.#pausing.add(share)
      },
      resume: () => this.#resume(share),
      close: async () => leave(),
      abort: leave,
    }
    return share
  }

  /** Makes a newly proven session the one of this line; the one before ends, and is told so on its own side only. */
  replaceSession(session: Session): void {
    // Not waited for: the next HELLO may be on its way, and no share is there yet to receive it.
    void this.#session?.close(new UsmpError('REPLACED'))
    this.#session = session
  }

  /** Ends the line for all shares, after the last bytes. Never rejects: a line that fails has ended, too. */
  async close(): Promise<void> {
    try {
      await this.#serial.close()
    } catch (error) {
      return this.#end(error)
    }
    this.#end()
  }

  #end(cause?: unknown): void {
    this.#open = false
    this.#tell((sink) => sink.end(cause))
    this.#sinks.clear()
  }

  #resume(share: Transport): void {
    if (this.#pausing.delete(share) && this.#pausing.size === 0 && this.#open) this.#serial.resume()
  }

  #tell(action: (sink: TransportSink) => void): void {
    for (const sink of [...this.#sinks]) action(sink)
  }
}
