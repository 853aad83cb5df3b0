import { Session, streamTransport } from '@usmp/core'
import {
  codeOf,
  codeThrownBy,
  deviceNumber,
  failureOf,
  OTHER_PSK,
  PSK,
  SimulatedClock,
  turns,
  until,
} from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { connect } from '../src/connect.ts'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'
import type { ListenOptions } from '../src/listen-options.ts'
import { type UnprovenDevice, UnprovenDevices } from '../src/unproven-devices.ts'
import { LOOPBACK, startServer } from './network.ts'

/** What the core tells of a device that has this key. */
const proofOf = (deviceId: string, key = PSK) => ({ deviceId, matches: (psk: Uint8Array) => psk === key })
const here = { address: 'here:1', source: 'here' }
const DEVICE = deviceNumber(1)

function start() {
  const clock = new SimulatedClock()
  return { clock, devices: new UnprovenDevices(clock) }
}

describe('attempts of unproven devices', () => {
  test('say who it was and where, and which key fits', () => {
    const attempt = start().devices.add(proofOf(DEVICE), here)
    expect([attempt.deviceId, attempt.address]).toEqual([DEVICE, 'here:1'])
    expect([attempt.matches(OTHER_PSK), attempt.matches(PSK)]).toEqual([false, true])
  })

  test('answer for 60 s', () => {
    const { clock, devices } = start()
    const attempt = devices.add(proofOf(DEVICE), here)
    clock.advance(59_999)
    expect(attempt.matches(PSK)).toBe(true)
    clock.advance(1)
    expect([attempt.matches(PSK), clock.pending]).toEqual([false, 0])
  })

  test('the newest of a device from one address replaces the older, with a minute of its own', () => {
    const { clock, devices } = start()
    const older = devices.add(proofOf(DEVICE, OTHER_PSK), here)
    clock.advance(30_000)
    const newer = devices.add(proofOf(DEVICE), here)
    expect([older.matches(OTHER_PSK), newer.matches(PSK)]).toEqual([false, true])
    clock.advance(59_999)
    expect([newer.matches(PSK), clock.pending]).toEqual([true, 1])
  })

  test('somebody elsewhere who claims the id does not replace it', () => {
    const { devices } = start()
    const honest = devices.add(proofOf(DEVICE), here)
    devices.add(proofOf(DEVICE, OTHER_PSK), { address: 'elsewhere:1', source: 'elsewhere' })
    expect(honest.matches(PSK)).toBe(true)
  })

  test('256 at most; a flood from one address pushes out its own', () => {
    const { clock, devices } = start()
    const honest = devices.add(proofOf(DEVICE), here)
    const flood = Array.from({ length: 1_000 }, (_, n) =>
      devices.add(proofOf(deviceNumber(n)), { address: 'flood:1', source: 'flood' }),
    )
    expect(clock.pending).toBe(256)
    expect(honest.matches(PSK)).toBe(true)
    expect(flood.filter((attempt) => attempt.matches(PSK))).toEqual(flood.slice(-255))
  })

  test('are all forgotten when the server closes, also those that are kept', () => {
    const { clock, devices } = start()
    const attempt = devices.add(proofOf(DEVICE), here)
    const kept = devices.add(proofOf(deviceNumber(2)), here)
    kept.keep(3_600_000)
    devices.clear()
    expect([attempt.matches(PSK), kept.matches(PSK), clock.pending]).toEqual([false, false, 0])
  })

  test('one that is kept answers for the time that was asked for, from each call on', () => {
    const { clock, devices } = start()
    const attempt = devices.add(proofOf(DEVICE), here)
    clock.advance(30_000)
    expect(attempt.keep(3_600_000)).toBe(true)
    clock.advance(3_599_999)
    expect([attempt.matches(PSK), attempt.keep(1_000)]).toEqual([true, true])
    clock.advance(999)
    expect(attempt.matches(PSK)).toBe(true)
    clock.advance(1)
    expect([attempt.matches(PSK), attempt.keep(1_000), clock.pending]).toEqual([false, false, 0])
  })

  test('one that is kept gives way neither to a newer one of the device nor to a flood', () => {
    const { clock, devices } = start()
    const kept = devices.add(proofOf(DEVICE), here)
    kept.keep(600_000)
    const newer = devices.add(proofOf(DEVICE, OTHER_PSK), here)
    for (let n = 0; n < 1_000; n++) devices.add(proofOf(deviceNumber(n + 10)), here)
    expect([kept.matches(PSK), newer.matches(OTHER_PSK), clock.pending]).toEqual([true, false, 257])
  })

  test('one that the application forgets is gone, and leaves a newer one of the device alone', () => {
    const { clock, devices } = start()
    const older = devices.add(proofOf(DEVICE), here)
    older.keep(600_000)
    const newer = devices.add(proofOf(DEVICE), here)
    older.forget()
    older.forget()
    expect([older.matches(PSK), newer.matches(PSK), clock.pending]).toEqual([false, true, 1])
  })

  test.each([0, -1, Number.NaN, 2 ** 31])('cannot be kept for %d ms', (time) => {
    const attempt = start().devices.add(proofOf(DEVICE), here)
    expect(codeThrownBy(() => attempt.keep(time))).toBe('INVALID_ARGUMENT')
  })
})

describe('onUnproven of a server', () => {
  const places: [string, Partial<ListenOptions>, (url: string, udpPort: () => number) => string][] = [
    ['TCP', {}, (url) => url],
    ['UDP', { udp: { host: LOOPBACK, port: 0 } }, (_, udpPort) => `usmp+udp://${LOOPBACK}:${udpPort()}`],
    ['WebSocket', { tcp: false, websocket: { host: LOOPBACK, port: 0 } }, (url) => url],
  ]

  test.each(places)('tells over %s of a device without a key, and lets it be asked', async (_, options, urlOf) => {
    const attempts: UnprovenDevice[] = []
    const onUnproven = (attempt: UnprovenDevice) => void attempts.push(attempt)
    const { server, url, codes } = await startServer({
      psk: () => null,
      handshakeTimeout: 500,
      onUnproven,
      ...options,
    })
    const target = urlOf(url, () => server.udpPort)
    await failureOf(connect(target, { deviceId: DEVICE, psk: PSK, handshakeTimeout: 400 }))
    await until(() => attempts.length === 1 && codes().length === 1)
    expect([attempts[0]!.deviceId, attempts[0]!.address]).toEqual([DEVICE, expect.stringMatching(/^127\.0\.0\.1:\d+$/)])
    expect([attempts[0]!.matches(OTHER_PSK), attempts[0]!.matches(PSK)]).toEqual([false, true])
    expect(codes()).toEqual(['UNKNOWN_DEVICE'])
    await server.close()
    expect(attempts[0]!.matches(PSK), 'of a closed server').toBe(false)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('broken')
      },
    ],
  ])('one that %s is a warning', async (_, onUnproven) => {
    const { url, warnings } = await startServer({ psk: () => null, onUnproven })
    expect(await codeOf(connect(url, { deviceId: DEVICE, psk: PSK }))).toBe('HANDSHAKE_REFUSED')
    await until(() => warnings.length === 1)
    expect(warnings).toEqual(['onUnproven threw'])
  })

  test('one whose proof came just before the server closed is neither told nor kept', async () => {
    const attempts: UnprovenDevice[] = []
    const { server } = await startServer({ tcp: false, psk: () => null, onUnproven: (one) => void attempts.push(one) })
    server.addEventListener('refused', () => void server.close())
    const there = new TransformStream<Uint8Array, Uint8Array>()
    const back = new TransformStream<Uint8Array, Uint8Array>()
    const far = streamTransport({ kind: 'stream', readable: there.readable, writable: back.writable })
    const near = streamTransport({ kind: 'stream', readable: back.readable, writable: there.writable })
    const deviceId = new Uint8Array(6)
    const device = Session.connect(near, { deviceId, psk: PSK, random: nodeRandom, provider: nodeProvider })
    await Promise.all([failureOf(device), server.accept(far)])
    await server.close()
    await turns()
    expect(attempts.map((attempt) => attempt.matches(PSK))).toEqual([])
  })
})
