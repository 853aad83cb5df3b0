import { bytesOf, codeThrownBy as codeOf, DEVICE_ID_BYTES as DEVICE_ID, Pair, PSK, pseudoRandom } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { toHex } from '../src/bytes.ts'
import type { Clock } from '../src/clock.ts'
import { Connection, type TransportKind } from '../src/connection.ts'
import { ReliableDatagram } from '../src/datagram.ts'
import { UsmpError } from '../src/errors.ts'
import type { UnprovenDevice } from '../src/handshake/handshake.ts'
import type { UnprovenAttempt } from '../src/psk-lookup.ts'
import { Session } from '../src/session.ts'
import type { Transport, TransportSink } from '../src/transport.ts'

const KINDS: readonly TransportKind[] = ['stream', 'message', 'serial', 'datagram']
const WRONG = bytesOf(32, 5)

/** The devices that a server reports. */
const unproven = (pair: Pair): UnprovenDevice[] =>
  pair.events.server.flatMap((event) => (event.kind === 'unproven' ? [event] : []))

describe.each(KINDS)('a device without a key here, on %s', (kind) => {
  test('is reported once it has sent its proof, with the question whether a key is its own', () => {
    const pair = new Pair({ kind, authorize: () => null }).wait(100)
    const [device, ...more] = unproven(pair)
    expect(more).toEqual([])
    expect(toHex(device!.deviceId)).toBe(toHex(DEVICE_ID))
    expect([PSK, WRONG, PSK.subarray(0, 16), new Uint8Array(0)].map(device!.matches)).toEqual([
      true,
      false,
      false,
      false,
    ])
    expect(codeOf(() => device!.matches('text' as never))).toBe('INVALID_ARGUMENT')
  })

  test('can be asked about when the connection has ended', () => {
    const pair = new Pair({ kind, authorize: () => null }).wait(100)
    pair.act('server', (end) => end.close())
    pair.act('client', (end) => end.close())
    expect(pair.server.closedReason).toBeDefined()
    expect(pair.kinds('server').at(-1)).toBe('closed')
    const [device] = unproven(pair)
    expect([device!.matches(PSK), device!.matches(WRONG)]).toEqual([true, false])
  })

  test('is refused with the same bytes as one that has another key', () => {
    const [unknown, wrong] = [null, { psk: WRONG }].map((answer) =>
      new Pair({ kind, authorize: () => answer }).wait(100),
    )
    expect(unknown!.sent.server.map((bytes) => toHex(bytes))).toEqual(wrong!.sent.server.map((bytes) => toHex(bytes)))
    expect(unknown!.sent.client.map((bytes) => toHex(bytes))).toEqual(wrong!.sent.client.map((bytes) => toHex(bytes)))
    expect(unproven(wrong!)).toEqual([])
  })

  test('is not reported before its proof', () => {
    const pair = new Pair({
      kind,
      authorize: () => null,
      network: ({ from, index, bytes }) => {
        const isHello = from === 'client' && index === 0
        return isHello ? [{ bytes, delay: 10 }] : []
      },
    }).wait(100)
    expect(pair.kinds('server')).toContain('hello')
    expect(unproven(pair)).toEqual([])
  })
})

test('a device that starts again within one attempt is reported once', () => {
  const server = Connection.server({ kind: 'serial', random: pseudoRandom(1) }, 0)
  const devices: UnprovenDevice[] = []
  for (let round = 0; round < 3; round++) {
    const client = Connection.client({ kind: 'serial', random: pseudoRandom(round), deviceId: DEVICE_ID, psk: PSK }, 0)
    for (let again = true; again; ) {
      again = false
      for (let bytes = client.pollTransmit(); bytes; bytes = client.pollTransmit()) server.receive(bytes, 0)
      for (let event = server.pollEvent(); event; event = server.pollEvent()) {
        if (event.kind === 'hello') server.authorize(null, 0)
        if (event.kind === 'unproven') devices.push(event)
      }
      for (let bytes = server.pollTransmit(); bytes; bytes = server.pollTransmit()) {
        client.receive(bytes, 0)
        again = true
      }
    }
  }
  expect(server.dropped.get('UNKNOWN_DEVICE')).toBe(3)
  expect(devices).toHaveLength(1)
  expect(devices[0]!.matches(PSK)).toBe(true)
})

/** Time that stands still, and work that is put off until the test says so. */
class HeldClock implements Clock {
  readonly deferred: (() => void)[] = []
  now = () => 0
  setTimer = () => 0
  clearTimer(): void {}
  defer(callback: () => void): void {
    this.deferred.push(callback)
  }
  yieldToEventLoop(callback: () => void): void {
    this.deferred.push(callback)
  }
}

/** The server's end of a transport; the test carries the bytes. */
class HandTransport implements Transport {
  readonly address = 'by hand'
  sink: TransportSink | undefined
  readonly written: Uint8Array[] = []
  aborted = false
  readonly kind: TransportKind

  constructor(kind: TransportKind) {
    this.kind = kind
  }

  open(sink: TransportSink): void {
    this.sink = sink
  }

  write(frames: readonly Uint8Array[]): boolean {
    this.written.push(...frames)
    return true
  }

  pause(): void {}
  resume(): void {}
  async close(): Promise<void> {}

  abort(): void {
    this.aborted = true
  }
}

interface Outcome {
  readonly written: readonly string[]
  readonly transport: HandTransport
  readonly session: Promise<Session>
  readonly clock: HeldClock
}

/** A client with a good key at a server that has none for it; ends with the proof at the server. */
async function attempt(
  kind: TransportKind,
  authorize: () => { psk: Uint8Array } | null,
  onUnproven?: (attempt: UnprovenAttempt) => void,
): Promise<Outcome> {
  const [clock, transport] = [new HeldClock(), new HandTransport(kind)]
  const common = { reliableDatagram: ReliableDatagram, random: pseudoRandom(3) }
  const client = Connection.client({ ...common, kind, deviceId: DEVICE_ID, psk: PSK }, 0)
  const session = Session.accept(transport, { ...common, authorize, clock, ...(onUnproven ? { onUnproven } : {}) })
  session.catch(() => {})
  let carried = 0
  for (let round = 0; round < 4; round++) {
    for (let bytes = client.pollTransmit(); bytes; bytes = client.pollTransmit()) transport.sink!.receive(bytes)
    await new Promise((resolve) => setTimeout(resolve))
    while (carried < transport.written.length) client.receive(transport.written[carried++]!, 0)
  }
  return { written: transport.written.map((bytes) => toHex(bytes)), transport, session, clock }
}

describe.each(KINDS)('Session.accept on %s', (kind) => {
  const ends = kind === 'stream' || kind === 'message'

  test('tells onUnproven after the end that the proof leads to', async () => {
    const told: UnprovenAttempt[] = []
    const { transport, session, clock } = await attempt(
      kind,
      () => null,
      (attempt) => told.push(attempt),
    )
    expect(transport.aborted).toBe(ends)
    expect(told).toEqual([])
    for (const callback of clock.deferred.splice(0)) callback()
    expect(told.map(({ deviceId }) => deviceId)).toEqual(['aa:bb:cc:dd:ee:ff'])
    expect([told[0]!.matches(PSK), told[0]!.matches(WRONG)]).toEqual([true, false])
    if (ends) await expect(session).rejects.toMatchObject({ code: 'UNKNOWN_DEVICE' })
  })

  test('writes the same bytes with and without onUnproven', async () => {
    const without = await attempt(kind, () => null)
    const told = await attempt(
      kind,
      () => null,
      () => {},
    )
    expect(told.written).toEqual(without.written)
    expect(told.written.length).toBeGreaterThan(0)
  })

  test('does not tell of a device whose key is known, or whose entry is faulty', async () => {
    const told: UnprovenAttempt[] = []
    for (const psk of [WRONG, new Uint8Array(3)]) {
      const { clock } = await attempt(
        kind,
        () => ({ psk }),
        (attempt) => told.push(attempt),
      )
      for (const callback of clock.deferred.splice(0)) callback()
    }
    expect(told).toEqual([])
  })
})

test('onUnproven must be a function', async () => {
  const options = { authorize: () => null, random: pseudoRandom(1), onUnproven: 1 as never }
  await expect(Session.accept(new HandTransport('stream'), options)).rejects.toBeInstanceOf(UsmpError)
})
