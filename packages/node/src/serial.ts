import type { Duplex } from 'node:stream'

/** A serial port that can be opened again and again. */
export interface SerialSource {
  /** For people and logs, e.g. the path of the port. */
  readonly name: string
  /** Opens the port: a stream of raw bytes, already configured for speed and parity. */
  open(): Promise<Duplex>
}
