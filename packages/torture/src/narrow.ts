// Transports that take little at a time, or nothing for a while.
import { spawn } from 'node:child_process'
import { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Session, type Transport } from '@usmp/core'
import { duplexTransport, nodeClock, nodeProvider, nodeRandom } from '@usmp/node'
import { Random } from '@usmp/testing'
import { deviceId, PSK } from './fleet.js'
import { numbered, numberOf } from './numbered.js'
import type { TortureOptions } from './torture.js'

const AMOUNT = { long: 2_000, short: 100 }
const BIGGEST = 1_800
/** More than a pipe, and the buffers at both of its ends, take in. */
const PIPE_FULL = 1_000
/** How long a reader is stopped after the writer has met a full pipe, ms. */
const STOP = 500

export interface NarrowResult {
  readonly name: string
  readonly messages: number
  readonly violations: readonly string[]
}

const common = { provider: nodeProvider, random: nodeRandom, clock: nodeClock }

export function beDevice(transport: Transport, n = 1): Promise<Session> {
  return Session.connect(transport, { ...common, deviceId: deviceId(n), psk: PSK })
}

export function beServer(transport: Transport): Promise<Session> {
  return Session.accept(transport, { ...common, authorize: () => ({ psk: PSK }) })
}

/** Two streams of which each takes up to so many bytes in a turn of the event loop, and says that it is full meanwhile. */
function narrowPair(most: number, random: Random): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const make = (own: 0 | 1): Duplex =>
    new Duplex({
      highWaterMark: 16,
      read() {},
      write(chunk: Uint8Array, _encoding, done) {
        const rest = (from: number) => {
          const to = Math.min(chunk.length, from + random.between(1, most))
          ends[1 - own]!.push(chunk.subarray(from, to))
          if (to === chunk.length) done()
          else setImmediate(rest, to)
        }
        rest(0)
      },
      final(done) {
        ends[1 - own]!.push(null)
        done()
      },
    })
  ends.push(make(0), make(1))
  return ends as [Duplex, Duplex]
}

async function sendAll(session: Session, count: number, random: Random): Promise<void> {
  for (let n = 0; n < count; n++) await session.send(numbered(n, random.between(0, BIGGEST)))
}

/** Reads so many messages; says what is wrong with them. */
async function readAll(session: Session, count: number, who: string): Promise<string[]> {
  const wrong: string[] = []
  for (let n = 0; n < count; n++) {
    const message = await session.receive()
    if (!message) return [...wrong, `${who}: only ${n} of ${count} messages came`]
    const found = numberOf(message)
    if (found !== n) wrong.push(`${who}: ${found} in place of ${n}`)
  }
  return wrong
}

async function halfWrites(most: number, count: number, random: Random): Promise<NarrowResult> {
  const [front, back] = narrowPair(most, random)
  const [device, server] = await Promise.all([
    beDevice(duplexTransport(front, 'stream', 'server')),
    beServer(duplexTransport(back, 'stream', 'device')),
  ])
  const found = await Promise.all([
    readAll(device, count, 'device'),
    readAll(server, count, 'server'),
    sendAll(device, count, random),
    sendAll(server, count, random),
    device.rekey(),
  ])
  await Promise.all([device.close(), server.close()])
  return {
    name: `${most === 1 ? 'one byte' : `1 to ${most} bytes`} at a time`,
    messages: 2 * count,
    violations: found.flatMap((part) => part ?? []),
  }
}

/** A pipe of the system to a process that is stopped until the pipe is full. */
async function fullPipe(count: number, random: Random): Promise<NarrowResult> {
  const path = fileURLToPath(new URL('../dist/children/pipe-echo.js', import.meta.url))
  const child = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const pipe = Duplex.from({ readable: child.stdout, writable: child.stdin })
  const session = await beDevice(duplexTransport(pipe, 'stream', 'a pipe'))
  const violations: string[] = []
  try {
    const reading = readAll(session, count, 'echo')
    let [sent, stops] = [0, 0]
    while (sent < count) {
      child.kill('SIGSTOP')
      while (sent < count && session.trySend(numbered(sent, random.between(0, BIGGEST)))) {
        sent++
        // Frames leave with the turn in which they were made.
        await new Promise(setImmediate)
      }
      if (sent < count) stops++
      await new Promise((resolve) => setTimeout(resolve, random.between(0, STOP)))
      child.kill('SIGCONT')
      if (sent < count) {
        await session.send(numbered(sent, random.between(0, BIGGEST)))
        sent++
      }
    }
    violations.push(...(await reading))
    if (stops === 0) violations.push('the pipe was never full')
    await session.close()
  } finally {
    child.kill('SIGKILL')
  }
  return { name: 'a full pipe to a process that is stopped', messages: 2 * count, violations }
}

/** All of them, one after the other. */
export async function narrowPlaces({ short, seed }: TortureOptions): Promise<NarrowResult[]> {
  const count = short ? AMOUNT.short : AMOUNT.long
  const random = new Random(seed)
  return [
    await halfWrites(1, Math.ceil(count / 20), random),
    await halfWrites(7, Math.ceil(count / 4), random),
    await halfWrites(300, count, random),
    await fullPipe(Math.max(count, PIPE_FULL), random),
  ]
}
