import type { Duplex } from 'node:stream'
import { type Session, type Transport, type TransportSink, UsmpError } from '@usmp/core'
import { endStream } from './duplex.js'

/** A serial line that can be opened again and again. */
export interface SerialLine {
  /** For people and logs, e.g. the path of the port. */
  readonly name: string
  /** Opens the line: a stream of raw bytes, already configured for speed and parity. */
  open(): Promise<Duplex>
}

/**
 * One open line that several handshakes and one session share: what arrives is shown to all of them, as each drops what is
 * not its own (specification, section 6.5).
 */
export class SharedLine {
  readonly #stream: Duplex
  readonly #name: string
  readonly #sinks = new Set<TransportSink>()
  /** Whose queues are full. The line flows only while there is nobody here. */
  readonly #pausing = new Set<Transport>()
  #session: Session | undefined

  constructor(stream: Duplex, name: string) {
    this.#stream = stream
    this.#name = name
    let cause: unknown
    stream.on('error', (error) => (cause = error))
    stream.on('data', (chunk: Uint8Array) => this.#tell((sink) => sink.receive(chunk)))
    stream.on('drain', () => this.#tell((sink) => sink.drain()))
    // A line that says it has ended may still wait for us to end it too.
    stream.on('end', () => stream.destroy())
    stream.on('close', () => this.#tell((sink) => sink.end(cause)))
  }

  /** Whether the line is usable. */
  get open(): boolean {
    return !this.#stream.destroyed
  }

  /** A share of the line. Closing it leaves the line to the others. */
  join(): Transport {
    const stream = this.#stream
    const sinks = this.#sinks
    let own: TransportSink | undefined
    const leave = () => {
      if (own) sinks.delete(own)
      this.#resume(share)
    }
    const share: Transport = {
      kind: 'serial',
      address: this.#name,
      open(sink) {
        own = sink
        sinks.add(sink)
      },
      write: (frames) => (stream.destroyed ? true : stream.write(Buffer.concat(frames))),
      pause: () => {
        this.#pausing.add(share)
        stream.pause()
      },
      resume: () => this.#resume(share),
      close: async () => leave(),
      abort: leave,
    }
    return share
  }

  /** Makes a newly proven session the one of this line; the one before ends, and is told so on its own side only. */
  async replaceSession(session: Session): Promise<void> {
    const older = this.#session
    this.#session = session
    await older?.close(new UsmpError('REPLACED'))
  }

  /** Ends the line for everybody. */
  async close(): Promise<void> {
    // A line does not end from its other side: there is nothing to wait for but the last bytes.
    this.#stream.once('finish', () => this.#stream.destroy())
    await endStream(this.#stream)
  }

  #resume(share: Transport): void {
    this.#pausing.delete(share)
    if (this.#pausing.size === 0) this.#stream.resume()
  }

  #tell(action: (sink: TransportSink) => void): void {
    for (const sink of [...this.#sinks]) action(sink)
  }
}
