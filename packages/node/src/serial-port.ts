import { Duplex } from 'node:stream'
import { type Transport, UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import type { SerialPort } from 'serialport'
import { duplexTransport } from './duplex.js'
import { serialPortTable } from './options.js'
import type { SerialLine } from './serial.js'

const DEFAULT_BAUD_RATE = 115_200
/** How often an open port is asked whether it is still there, ms. */
const WATCH_INTERVAL = 500
/** What the poller of a port can be asked for (libuv's UV_READABLE and UV_WRITABLE). */
const POLL_READABLE = 1
const POLL_WRITABLE = 2

/** Options of {@link serialPort}. */
export interface SerialOptions {
  /** Bits a second; default 115200. */
  readonly baudRate?: number
}

/**
 * A serial port as a line for `listen`, by the package `serialport`, which is an optional dependency. 8 data bits, no parity,
 * one stop bit, no flow control, as chips have it.
 * @param path e.g. `/dev/ttyUSB0` or `COM3`
 * @throws UsmpError INVALID_ARGUMENT
 */
export function serialPort(path: string, options: SerialOptions = {}): SerialLine {
  checkOptions('serialPort', options, serialPortTable)
  const { baudRate = DEFAULT_BAUD_RATE } = options
  return { name: path, open: () => openPort(path, baudRate) }
}

/**
 * Opens a serial port for a client.
 * @throws UsmpError INVALID_ARGUMENT; UNREACHABLE with the system's error as its cause; ABORTED
 */
export async function connectSerial(url: URL, signal: AbortSignal | undefined): Promise<Transport> {
  const { path, baudRate } = parseSerialUrl(url)
  if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
  return duplexTransport(await openPort(path, baudRate), 'serial', path)
}

/** `serial:///dev/ttyUSB0?baud=115200`, or `serial:COM3`. */
function parseSerialUrl(url: URL): { path: string; baudRate: number } {
  const baudRate = Number(url.searchParams.get('baud') ?? DEFAULT_BAUD_RATE)
  const path = decodeURIComponent(url.pathname)
  if (url.hostname === '' && path !== '' && Number.isInteger(baudRate) && baudRate > 0) return { path, baudRate }
  throw new UsmpError('INVALID_ARGUMENT', `the address must look like serial:///dev/ttyUSB0?baud=115200, not ${url}`)
}

async function openPort(path: string, baudRate: number): Promise<Duplex> {
  const { SerialPort } = await load()
  return new Promise((resolve, reject) => {
    const port = new SerialPort({ path, baudRate }, (cause) => {
      if (cause) return reject(unreachable(path, cause))
      waitForBoth(port)
      resolve(watched(port, streamOf(port)))
    })
  })
}

function unreachable(path: string, cause: Error): UsmpError {
  const hint = 'Is the device plugged in, the path right, and the port free and yours to open?'
  return new UsmpError('UNREACHABLE', `${path}: ${cause.message}`, { cause, hint })
}

/** A port as a stream like others: what ends or destroys it closes the port, and a port that is gone ends it. */
function streamOf(port: SerialPort): Duplex {
  const stream = new Duplex({
    read: () => void port.resume(),
    write: (chunk, _, done) => void port.write(chunk, undefined, done),
    destroy: (error, done) => {
      if (port.isOpen) port.close(() => done(error))
      else done(error)
    },
  })
  port.on('data', (chunk: Uint8Array) => {
    if (!stream.push(chunk)) port.pause()
  })
  port.on('error', (error) => stream.destroy(error))
  port.on('close', (error: Error | null) => stream.destroy(error ?? undefined))
  // Some drivers say that an unplugged port has ended, and leave it open.
  port.on('end', () => stream.destroy(new Error('the serial port is gone')))
  // A line does not end by itself: there is nothing to wait for.
  stream.once('finish', () => stream.destroy())
  return stream
}

/**
 * Lets a port wait for bytes and for room at once. The poller of the package (`@serialport/bindings-cpp` 13) forgets the one
 * when it is asked for the other: two ends that both have more to send than the line holds would wait for ever. Windows has
 * no poller.
 */
function waitForBoth({ port }: SerialPort): void {
  if (!port || !('poller' in port)) return
  const { poller } = port
  const poll = poller.poll.bind(poller)
  poller.poll = (events = 0) => {
    const readable = poller.listenerCount('readable') > 0 ? POLL_READABLE : 0
    const writable = poller.listenerCount('writable') > 0 ? POLL_WRITABLE : 0
    poll(events | readable | writable)
  }
}

/**
 * Destroys the stream of a port that is gone. A port tells so only to who waits for bytes: one that is not read (the
 * application is slow) tells nobody, and one that goes in the middle of a read is read again and again by the package
 * (`serialport` 13 takes an end of file for "nothing yet"). So it is asked for its control lines. A port without such lines,
 * as a pseudo-terminal, answers with a fault from the beginning; what counts is another fault than that.
 */
function watched(port: SerialPort, stream: Duplex): Duplex {
  const ask = () => new Promise<string | undefined>((resolve) => port.get((fault) => resolve(fault?.message)))
  const atFirst = ask()
  const timer = setInterval(async () => {
    const [fault, usual] = [await ask(), await atFirst]
    if (fault !== undefined && fault !== usual) stream.destroy(new Error(`the serial port is gone: ${fault}`))
  }, WATCH_INTERVAL)
  stream.once('close', () => clearInterval(timer))
  return stream
}

/** On first use: most programs have no serial port, and the package brings native code. */
async function load(): Promise<typeof import('serialport')> {
  try {
    return await import('serialport')
  } catch (cause) {
    const hint = 'Install it beside @usmp/node: npm install serialport'
    throw new UsmpError('INVALID_ARGUMENT', 'serial ports need the package serialport', { cause, hint })
  }
}
