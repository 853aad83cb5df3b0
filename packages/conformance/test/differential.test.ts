import { randomBytes, randomInt } from 'node:crypto'
import { CipherSuite, Connection, type ConnectionEvent, concatBytes, toHex } from '@usmp/core'
import { Random } from '@usmp/testing'
import { buildCEngine, CEngine, type CModule } from '@usmp/testing/c-programs'
import { beforeAll, describe, expect, test } from 'vitest'

/**
 * The TypeScript core and the C core, compiled to WebAssembly, get the same bytes, the same random numbers and the same
 * time, and must send the same bytes and report the same events.
 */

const psk = new Uint8Array(randomBytes(32))
const deviceId = Uint8Array.of(2, 0xc0, 0xff, 0xee, 0, 1)
const rounds = 60
const steps = 60

/** Randomness that does not depend on the order in which it is asked for. */
const all = (value: number) => (length: number) => new Uint8Array(length).fill(value)

type Kind = 'stream' | 'serial'
type Role = 'client' | 'server'

function describeEvent(event: ConnectionEvent): string | undefined {
  if (event.kind === 'message') return `message ${toHex(event.data)}`
  if (event.kind === 'closed') return `closed ${event.reason.code}`
  return event.kind === 'connected' || event.kind === 'pong' ? event.kind : undefined
}

/** A connection of the TypeScript core that a test can drain. */
class TsEngine {
  readonly connection: Connection
  readonly events: string[] = []
  readonly #suite: CipherSuite

  constructor(role: Role, kind: Kind, suite: CipherSuite, random: (length: number) => Uint8Array) {
    this.#suite = suite
    this.connection =
      role === 'client'
        ? Connection.client({ kind, psk, deviceId, suite, random, allowWeakPsk: true }, 0)
        : Connection.server({ kind, random }, 0)
  }

  takeOutput(now: number): Uint8Array {
    const out: Uint8Array[] = []
    for (let again = true; again; ) {
      again = false
      for (let bytes: Uint8Array | undefined; (bytes = this.connection.pollTransmit()); ) out.push(bytes)
      for (let event: ConnectionEvent | undefined; (event = this.connection.pollEvent()); again = true) {
        if (event.kind === 'hello') this.connection.authorize({ psk, suite: this.#suite, allowWeakPsk: true }, now)
        const words = describeEvent(event)
        if (words) this.events.push(words)
      }
    }
    return concatBytes(...out)
  }
}

let module: CModule
beforeAll(() => {
  module = buildCEngine()
})

/** One life of a connection: both cores on one end, a peer of the TypeScript core on the other. */
function live(role: Role, kind: Kind, suite: CipherSuite, seed: number): string[] {
  const random = new Random(seed)
  const next = (limit: number) => random.below(limit)
  const peer = new TsEngine(role === 'client' ? 'server' : 'client', kind, suite, all(0x33))
  const ts = new TsEngine(role, kind, suite, all(0x5a))
  const c = new CEngine(module, { role, kind, suite, psk, deviceId, random: all(0x5a) }, 0)
  let now = 0

  const compare = () => {
    const bytes = ts.takeOutput(now)
    expect(toHex(c.takeOutput()), 'bytes sent').toBe(toHex(bytes))
    expect(c.events, 'events').toEqual(ts.events)
    return bytes
  }
  const toBoth = (bytes: Uint8Array) => {
    const cut = next(bytes.length + 1)
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      ts.connection.receive(part, now)
      c.receive(part, now)
      peer.connection.receive(compare(), now)
    }
  }
  const exchange = () => {
    peer.connection.receive(compare(), now)
    for (let bytes: Uint8Array; (bytes = peer.takeOutput(now)).length > 0; ) toBoth(bytes)
  }
  const message = () => new Uint8Array(next(1809)).fill(next(256))

  const usual = [
    () => {
      const text = message()
      ts.connection.send(text, now)
      expect(c.send(text, now)).toBe(0)
    },
    () => {
      ts.connection.ping(now)
      expect(c.ping(now)).toBe(0)
    },
    () => {
      ts.connection.rekey(now)
      expect(c.rekey(now)).toBe(0)
    },
    () => peer.connection.send(message(), now),
    () => peer.connection.ping(now),
    () => peer.connection.rekey(now),
  ]
  const noise = () => toBoth(message().subarray(0, 1 + next(40)))
  const flippedBit = () => {
    peer.connection.send(message(), now)
    const bytes = peer.takeOutput(now)
    bytes[next(bytes.length)]! ^= 1 << next(8)
    toBoth(bytes)
  }
  const lostBytes = () => {
    peer.connection.send(message(), now)
    const bytes = peer.takeOutput(now)
    const from = next(bytes.length)
    const until = from + 1 + next(bytes.length - from)
    toBoth(concatBytes(bytes.subarray(0, from), bytes.subarray(until)))
  }
  const bye = () => peer.connection.close()
  const rare = kind === 'stream' ? [noise, flippedBit, bye] : [noise, flippedBit, lostBytes, bye]

  exchange()
  for (let step = 0; step < steps && ts.connection.established && peer.connection.established; step++) {
    now += 300 + next(5000)
    for (const one of [ts.connection, c, peer.connection]) one.handleTimeout(now)
    exchange()
    if (!ts.connection.established || !peer.connection.established) break
    const acts = next(20) === 0 ? rare : usual
    acts[next(acts.length)]!()
    exchange()
  }
  ts.connection.close()
  c.close(now)
  compare()
  return ts.events
}

for (const role of ['client', 'server'] as const) {
  for (const kind of ['stream', 'serial'] as const) {
    describe(`${role} on a ${kind}`, () => {
      for (const suite of [CipherSuite.AES_256_GCM, CipherSuite.CHACHA20_POLY1305]) {
        test(`suite ${suite}: the same bytes and events from both cores`, () => {
          const first = randomInt(2 ** 31)
          const seen = new Set<string>()
          for (let round = 0; round < rounds; round++) {
            let events: string[] = []
            try {
              events = live(role, kind, suite, first + round)
            } catch (error) {
              throw new Error(`seed ${first + round}: ${(error as Error).message}`, { cause: error })
            }
            for (const event of events) seen.add(event.startsWith('message') ? 'message' : event)
          }
          // That something happened in them.
          for (const event of ['connected', 'message', 'pong']) expect(seen).toContain(event)
          const faults = kind === 'stream' ? ['BAD_CRC', 'BAD_MAGIC'] : ['SEQ_MISMATCH']
          for (const code of ['CLOSED', ...faults]) expect(seen).toContain(`closed ${code}`)
        })
      }
    })
  }
}
