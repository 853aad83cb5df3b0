import { Duplex } from 'node:stream'
import { type Transport, UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import type { SerialPort } from 'serialport'
import { duplexTransport } from './duplex.js'
import { serialPortTable } from './options.js'
import type { SerialSource } from './serial.js'

const DEFAULT_BAUD_RATE = 115_200
/** What is no number in the query of an address. */
const SERIAL_VALUES = new Map<string, boolean>([
  ['true', true],
  ['false', false],
])
/** How often an open port is asked whether it is still there, ms. */
const WATCH_INTERVAL = 500
/** What the poller of a port can be asked for (libuv's UV_READABLE and UV_WRITABLE). */
const POLL_READABLE = 1
const POLL_WRITABLE = 2

/** Options of {@link serialPort}. */
export interface SerialOptions {
  /** Bits a second; default 115200. */
  readonly baudRate?: number
  /** Flow control by the wires RTS and CTS, which have to be connected at both ends. Default false. */
  readonly rtscts?: boolean
  /** Level of DTR once the port is open; default true. Many boards reset by a change of DTR or RTS: false leaves them running. */
  readonly dtr?: boolean
  /** Level of RTS once the port is open; default true. Not together with `rtscts`, which drives it. */
  readonly rts?: boolean
}

/**
 * A serial port as a line for `listen`, by the package `serialport`, which is an optional dependency. 8 data bits, no parity,
 * one stop bit. There is no flow control by XON and XOFF: frames contain these bytes.
 * @param path e.g. `/dev/ttyUSB0` or `COM3`
 * @throws UsmpError INVALID_ARGUMENT
 */
export function serialPort(path: string, options: SerialOptions = {}): SerialSource {
  checkSerialOptions('serialPort', options)
  return { name: path, open: () => openPort(path, options) }
}

/**
 * Opens a serial port for a client.
 * @throws UsmpError INVALID_ARGUMENT; UNREACHABLE with the system's error as its cause; ABORTED
 */
export async function connectSerial(url: URL, signal: AbortSignal | undefined): Promise<Transport> {
  const { path, options } = parseSerialUrl(url)
  if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
  return duplexTransport(await openPort(path, options), 'serial', path)
}

/** @throws UsmpError INVALID_ARGUMENT */
function checkSerialOptions(caller: string, options: SerialOptions): void {
  checkOptions(caller, options, serialPortTable)
  if (options.rtscts !== true || options.rts === undefined) return
  throw new UsmpError('INVALID_ARGUMENT', `${caller}: rts cannot be set together with rtscts, which drives it`)
}

/** `serial:///dev/ttyUSB0?baud=115200`, or `serial:COM3`; `baud` is short for `baudRate`. */
function parseSerialUrl(url: URL): { path: string; options: SerialOptions } {
  const options: Record<string, unknown> = {}
  for (const [name, text] of url.searchParams) {
    options[/^baud(rate)?$/i.test(name) ? 'baudRate' : name] = SERIAL_VALUES.get(text) ?? (Number(text) || text)
  }
  const path = decoded(url.pathname)
  if (url.hostname !== '' || url.hash !== '' || !path) {
    const hint = 'A per cent sign or a # in the path is written as %25 or %23.'
    const detail = `the address must look like serial:///dev/ttyUSB0?baud=115200, not ${url}`
    throw new UsmpError('INVALID_ARGUMENT', detail, { hint })
  }
  checkSerialOptions(`the address ${url}`, options)
  return { path, options }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

async function openPort(
  path: string,
  { baudRate = DEFAULT_BAUD_RATE, rtscts = false, dtr, rts }: SerialOptions,
): Promise<Duplex> {
  const { SerialPort } = await load()
  const port = await new Promise<SerialPort>((resolve, reject) => {
    const opened = new SerialPort({ path, baudRate, rtscts }, (cause) =>
      cause ? reject(unreachable(path, cause)) : resolve(opened),
    )
  })
  if (dtr !== undefined || rts !== undefined) await setLevels(port, { dtr: dtr ?? true, rts: rts ?? true })
  waitForBoth(port)
  return watched(port, streamOf(port))
}

/** @throws UsmpError UNREACHABLE if the port has no such wires; it is closed then */
function setLevels(port: SerialPort, levels: { dtr: boolean; rts: boolean }): Promise<void> {
  return new Promise((resolve, reject) => {
    port.set(levels, (cause) => {
      if (!cause) return resolve()
      port.close(() => reject(unreachable(`${port.path}: its DTR and RTS cannot be set`, cause)))
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
 * when it is asked for the other: two ends that both have more to send than the line holds would wait without end. Windows has
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
