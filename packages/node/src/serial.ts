import type { Duplex } from 'node:stream'
import { SerialMultiplexer } from '@usmp/core'
import { duplexTransport } from './duplex.js'

/** A serial line that can be opened again and again. */
export interface SerialSource {
  /** For people and logs, e.g. the path of the port. */
  readonly name: string
  /** Opens the line: a stream of raw bytes, already configured for speed and parity. */
  open(): Promise<Duplex>
}

/** A line that was opened, for handshakes and a session to share. */
export function shareSerial(stream: Duplex, name: string): SerialMultiplexer {
  // A line that says it has ended may still wait for us to end it too; and where we end, there is nothing to wait for.
  stream.once('end', () => stream.destroy())
  stream.once('finish', () => stream.destroy())
  return new SerialMultiplexer(duplexTransport(stream, 'serial', name))
}
