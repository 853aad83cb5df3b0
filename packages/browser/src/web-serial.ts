import { concatBytes, type Transport, type TransportSink, UsmpError } from '@usmp/core'
import { settledWithin } from './timeout.js'

/** How long a close waits for the line to take the rest, ms. */
const CLOSE_TIMEOUT = 2_000

/** What is needed of a `SerialPort` of Web Serial. */
export interface OpenSerialPort {
  readonly readable: ReadableStream<Uint8Array> | null
  readonly writable: WritableStream<Uint8Array> | null
}

/**
 * A port of Web Serial as a transport. The page has asked for it and opened it (`port.open({ baudRate })`), and closes it in
 * the end: it outlives sessions, which take one transport each, one after the other.
 * @throws UsmpError INVALID_ARGUMENT if the port is not open, or in use
 */
export function serialTransport(port: OpenSerialPort): Transport {
  if (!port.readable || !port.writable) throw new UsmpError('INVALID_ARGUMENT', 'the serial port is not open')
  if (port.readable.locked || port.writable.locked) throw new UsmpError('INVALID_ARGUMENT', 'the serial port is in use')
  const writer = port.writable.getWriter()
  let reader = port.readable.getReader()
  let sink: TransportSink | undefined
  let released = false
  let reading = Promise.resolve()
  let resumeReading: (() => void) | undefined
  let lastWrite: Promise<void> = Promise.resolve()

  function end(cause?: unknown): void {
    const target = sink
    sink = undefined
    release()
    target?.end(cause)
  }

  /** Gives the port back. What was not read yet stays in it. */
  function release(): void {
    released = true
    resumeReading?.()
    reader.releaseLock()
    writer.releaseLock()
  }

  async function readAll(): Promise<void> {
    try {
      for (;;) {
        await reading
        const { done, value } = await reader.read()
        if (done) return end()
        sink?.receive(value)
      }
    } catch (error) {
      if (!sink) return
      // After framing, parity and overrun faults the port gives a fresh stream; a port that is gone gives none.
      if (!port.readable || port.readable.locked) return end(error)
      reader.releaseLock()
      reader = port.readable.getReader()
      void readAll()
    }
  }

  return {
    kind: 'serial',
    address: 'serial port',
    open(target) {
      sink = target
      void readAll()
    },
    write(packets) {
      if (released) return true
      lastWrite = writer.write(concatBytes(...packets))
      lastWrite.catch(end)
      if ((writer.desiredSize ?? 0) > 0) return true
      writer.ready.then(() => sink?.drain(), end)
      return false
    },
    pause() {
      reading = new Promise((resolve) => (resumeReading = resolve))
    },
    resume: () => resumeReading?.(),
    async close() {
      sink = undefined
      await settledWithin(CLOSE_TIMEOUT, lastWrite)
      release()
    },
    abort() {
      sink = undefined
      release()
    },
  }
}
