import { bytesOf, codeThrownBy as codeOf, DEVICE_ID_BYTES as DEVICE_ID, flipBit, Pair, PSK, text } from '@usmp/testing'
import { withCrc } from '@usmp/testing/provider-suite'
import { describe, expect, test } from 'vitest'
import { concatBytes, toHex } from '../src/bytes.ts'
import { encodeSerial } from '../src/cobs.ts'
import { PacketType } from '../src/constants.ts'
import { UsmpError } from '../src/errors.ts'
import { decodeFrame, encodeFrame } from '../src/frame.ts'
import { wireVersion1 } from '../src/wire-version-1.ts'

const KINDS = ['stream', 'message', 'serial', 'datagram'] as const
const LOW_ORDER = [
  ['zero', '00'.repeat(32)],
  ['one', `01${'00'.repeat(31)}`],
  ['order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
  ['p', `ed${'ff'.repeat(30)}7f`],
] as const
const OTHER_DEVICE = Uint8Array.of(1, 2, 3, 4, 5, 6)

describe.each(KINDS)('handshake on a %s transport', (kind) => {
  test('ends with a session whose two ends say the same about it', () => {
    const pair = new Pair({ kind }).connect()
    const [client, server] = (['client', 'server'] as const).map((side) =>
      pair.events[side].find((event) => event.kind === 'connected'),
    )
    expect(client).toEqual(server)
    expect(client).toMatchObject({ deviceId: DEVICE_ID, suite: 1, wireVersion: 2 })
    pair.send('client', text('up'))
    pair.send('server', text('down'))
    pair.wait(100)
    expect(pair.messages('server')).toEqual([text('up')])
    expect(pair.messages('client')).toEqual([text('down')])
  })

  test('both suites', () => {
    const pair = new Pair({ kind, client: { suite: 2 } }).connect()
    pair.send('client', text('up'))
    expect(pair.wait(100).messages('server')).toEqual([text('up')])
  })

  test('a client that is not answered ends after 5 s', () => {
    const pair = new Pair({ kind, network: () => [] })
    pair.run(4999)
    expect(pair.reason('client')).toBeUndefined()
    pair.run(5000)
    expect(pair.reason('client')).toBe('HANDSHAKE_TIMEOUT')
    expect(pair.client.pollTimeout()).toBeUndefined()
  })

  test('each step of the client has its own 5 s', () => {
    const pair = new Pair({ kind, network: ({ bytes }) => [{ bytes, delay: 2400 }] })
    pair.run(9000)
    expect(pair.reason('client')).toBeUndefined()
    expect(pair.server.established).toBe(true)
    pair.run(9600)
    expect(pair.client.established).toBe(true)
  })

  test('the whole handshake has 10 s at the server', () => {
    const pair = new Pair({
      kind,
      network: ({ from, index, bytes }) => (from === 'client' && index >= 1 ? [] : [{ bytes, delay: 10 }]),
      client: { handshakeTimeout: 60_000 },
    })
    pair.run(9_999)
    expect(pair.reason('server')).toBeUndefined()
    pair.run(10_010)
    expect(pair.reason('server')).toBe('HANDSHAKE_TIMEOUT')
  })

  test('a lookup that never answers is part of the 10 s', () => {
    const pair = new Pair({ kind, authorize: () => undefined, client: { handshakeTimeout: 60_000 } })
    pair.run(10_010)
    expect(pair.reason('server')).toBe('HANDSHAKE_TIMEOUT')
  })

  test('a look-up that failed is told to the client, and where the handshake stays the next HELLO asks again', () => {
    let asked = 0
    const pair: Pair = new Pair({
      kind,
      authorize: () => {
        if (++asked > 1) return { psk: PSK }
        pair.act('server', (server) => server.failLookup(new UsmpError('PSK_LOOKUP_FAILED', 'no database'), pair.now))
        return undefined
      },
    })
    pair.run(9_000)
    const error = encodeFrame({ type: PacketType.ERROR, payload: Uint8Array.of(7, 0, 0) })
    const expected = toHex(kind === 'serial' ? encodeSerial(error) : error)
    expect(pair.sent.server.filter((bytes) => toHex(bytes) === expected)).toHaveLength(1)
    if (kind === 'stream' || kind === 'message') {
      expect(pair.reason('server')).toBe('PSK_LOOKUP_FAILED')
      pair.act('client', (client) => client.receiveEnd())
      const { closedReason } = pair.client
      expect([closedReason!.code, closedReason!.retryable, closedReason!.awaited]).toEqual([
        'HANDSHAKE_REFUSED',
        true,
        2,
      ])
      expect(closedReason!.hint).toMatch(/could not look up the key/)
    } else if (kind === 'datagram') {
      expect([asked, pair.client.established, pair.server.established]).toEqual([2, true, true])
    } else {
      expect(pair.reason('client')).toBe('HANDSHAKE_TIMEOUT')
      expect(pair.run(11_000).reason('server')).toBe('PSK_LOOKUP_FAILED')
    }
  })

  test.runIf(kind === 'datagram' || kind === 'serial')(
    'a store that is away is not asked as fast as HELLOs come',
    () => {
      let asked = 0
      const pair: Pair = new Pair({
        kind,
        authorize: () => {
          asked++
          pair.act('server', (server) => server.failLookup(new UsmpError('PSK_LOOKUP_FAILED', 'no database'), pair.now))
          return undefined
        },
      })
      pair.wait(20)
      const [hello] = pair.sent.client
      for (let i = 0; i < 1000; i++) pair.deliver('server', hello!)
      expect(asked).toBe(1)
      pair.wait(1_000)
      for (let i = 0; i < 1000; i++) pair.deliver('server', hello!)
      expect(asked).toBe(2)
    },
  )

  test('ERROR frames in every state are hints and change nothing', () => {
    const pair = new Pair({ kind, latency: 10 })
    const errorFrame = encodeFrame({ type: PacketType.ERROR, payload: Uint8Array.of(2, 0, 0) })
    const everywhere = () => {
      for (const side of ['client', 'server'] as const) {
        pair.deliver(side, kind === 'serial' ? encodeSerial(errorFrame) : errorFrame)
      }
    }
    for (let i = 0; i < 6; i++) {
      everywhere()
      pair.wait(10)
    }
    expect([pair.client.established, pair.server.established]).toEqual([true, true])
    expect(pair.frames('client')).toHaveLength(2)
    expect(pair.frames('server')).toHaveLength(2)
  })

  test('the same bytes leave for an unknown device and for a wrong key', () => {
    const unknown = new Pair({ kind, authorize: () => null })
    const wrong = new Pair({ kind, authorize: () => ({ psk: bytesOf(32, 5) }) })
    for (const pair of [unknown, wrong]) pair.run(30_000)
    for (const side of ['client', 'server'] as const) {
      expect(unknown.sent[side].map((bytes) => bytes.length)).toEqual(wrong.sent[side].map((bytes) => bytes.length))
    }
    expect(unknown.reason('client')).toBe(wrong.reason('client'))
    expect(unknown.frames('server').length).toBe(1)
    const strict = kind === 'stream' || kind === 'message'
    if (strict) {
      expect([unknown.reason('server'), wrong.reason('server')]).toEqual(['UNKNOWN_DEVICE', 'AUTH_FAILED'])
      expect(unknown.client.closedReason?.hint).toMatch(/key is wrong or the device id unknown/)
    } else {
      // Dropped as often as it is repeated; what it was about is told when the time is over.
      expect(unknown.server.dropped.get('UNKNOWN_DEVICE')).toBe(wrong.server.dropped.get('AUTH_FAILED'))
      expect([unknown.reason('server'), wrong.reason('server')]).toEqual(['UNKNOWN_DEVICE', 'AUTH_FAILED'])
    }
  })
})

describe('handshake on a stream', () => {
  test.each(LOW_ORDER)('a server key that is low-order (%s) ends the client', (_, point) => {
    const pair = new Pair({ network: () => [] })
    const payload = concatBytes(bytesOf(32), Uint8Array.from(Buffer.from(point, 'hex')))
    pair.deliver('client', encodeFrame({ type: PacketType.CHALLENGE, payload }))
    expect(pair.reason('client')).toBe('LOW_ORDER_POINT')
    expect(pair.frames('client')).toHaveLength(1)
  })

  test('the server judges the mac before it computes anything with the key', () => {
    const pair = new Pair({ network: () => [] })
    const payload = concatBytes(DEVICE_ID, new Uint8Array(32))
    pair.deliver('server', encodeFrame({ type: PacketType.HELLO, payload }))
    pair.deliver('server', encodeFrame({ type: PacketType.HELLO_ACK, payload: bytesOf(32) }))
    expect(pair.reason('server')).toBe('AUTH_FAILED')
  })

  test('one bit of any mac ends it: at the server AUTH_FAILED, at the client AUTH_FAILED', () => {
    const change = (type: number) =>
      new Pair({
        network: ({ bytes }) => [
          { bytes: decodeFrame(bytes).type === type ? withCrc(flipBit(bytes, -1)) : bytes, delay: 10 },
        ],
      }).wait(1000)
    expect(change(PacketType.HELLO_ACK).reason('server')).toBe('AUTH_FAILED')
    expect(change(PacketType.HELLO_ACK).reason('client')).toBe('HANDSHAKE_REFUSED')
    expect(change(PacketType.SESSION_OK).reason('client')).toBe('AUTH_FAILED')
    expect(change(PacketType.SESSION_OK).reason('server')).toBe('TRUNCATED')
  })

  test('a server that is silent and one that sends a byte a second both end after the step of 5 s', () => {
    const challenge = encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64) })
    const pair = new Pair({ network: () => [] })
    for (let second = 1; second <= 4; second++) {
      pair.run(second * 1000)
      pair.deliver('client', challenge.subarray(second - 1, second))
    }
    expect(pair.reason('client')).toBeUndefined()
    pair.run(5000)
    expect(pair.reason('client')).toBe('HANDSHAKE_TIMEOUT')
  })

  test('a client of one byte a second, or of none, ends after 10 s in whole', () => {
    const hello = encodeFrame({ type: PacketType.HELLO, payload: bytesOf(38) })
    const slow = new Pair({ network: () => [], client: { handshakeTimeout: 60_000 } })
    for (let second = 1; second <= 9; second++) {
      slow.run(second * 1000)
      slow.deliver('server', hello.subarray(second - 1, second))
    }
    const silent = new Pair({ network: () => [], client: { handshakeTimeout: 60_000 } })
    for (const pair of [slow, silent]) {
      pair.run(9_999)
      expect(pair.reason('server')).toBeUndefined()
      pair.run(10_000)
      expect(pair.reason('server')).toBe('HANDSHAKE_TIMEOUT')
    }
  })

  test('a timeout says the step, and what an ERROR frame claimed, as unproven', () => {
    const pair = new Pair({ network: () => [] })
    pair.deliver('client', encodeFrame({ type: PacketType.ERROR, payload: Uint8Array.of(2, 0, 0) }))
    pair.run(5000)
    expect(pair.client.closedReason?.message).toMatch(/awaiting challenge.*unproven.*AUTH/)
  })

  test('an ERROR frame of another length is not even a hint', () => {
    const pair = new Pair({ network: () => [] })
    pair.deliver('client', encodeFrame({ type: PacketType.ERROR, payload: Uint8Array.of(2) }))
    pair.run(5000)
    expect(pair.client.closedReason?.message).not.toMatch(/AUTH/)
  })

  test.each([
    ['in order', undefined],
    ['by a fault', new Error('reset')],
  ])('a transport that ends %s during the handshake', (_, cause) => {
    const pair = new Pair({ network: () => [] })
    pair.act('client', (end) => end.receiveEnd(cause))
    pair.act('server', (end) => end.receiveEnd(cause))
    expect(pair.reason('client')).toBe('HANDSHAKE_REFUSED')
    expect(pair.reason('server')).toBe(cause ? 'TRANSPORT_FAILED' : 'TRUNCATED')
    expect(pair.client.closedReason?.cause).toBe(cause)
  })

  test('a sealed frame before SESSION_OK ends it', () => {
    const pair = new Pair({ network: () => [] })
    pair.deliver('client', encodeFrame({ type: PacketType.DATA, payload: bytesOf(40) }))
    expect(pair.reason('client')).toBe('UNEXPECTED_PACKET')
  })

  test('a frame between HELLO and the answer of the application ends it', () => {
    const pair = new Pair({ authorize: () => undefined })
    pair.wait(100)
    pair.deliver('server', encodeFrame({ type: PacketType.HELLO_ACK, payload: bytesOf(32) }))
    expect(pair.reason('server')).toBe('UNEXPECTED_PACKET')
  })

  test('authorize: only once, only at a server, and a mistake spoils nothing', () => {
    const pair = new Pair({ authorize: () => undefined })
    expect(codeOf(() => pair.server.authorize({ psk: PSK }, 0))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => pair.client.authorize({ psk: PSK }, 0))).toBe('INVALID_ARGUMENT')
    pair.wait(100)
    expect(codeOf(() => pair.server.authorize({ psk: bytesOf(3) }, pair.now))).toBe('WEAK_PSK')
    pair.act('server', (end) => end.authorize({ psk: PSK }, pair.now))
    expect(codeOf(() => pair.server.authorize({ psk: bytesOf(32, 9) }, pair.now))).toBe('INVALID_ARGUMENT')
    pair.connect()
  })

  test('an answer that comes too late, or after the end, lets nobody in', () => {
    const late = new Pair({ authorize: () => undefined })
    late.wait(100)
    late.act('server', (end) => end.authorize({ psk: PSK }, 10_000))
    expect(late.reason('server')).toBe('HANDSHAKE_TIMEOUT')
    late.act('server', (end) => end.authorize({ psk: PSK }, 10_001))
    expect(late.sent.server).toEqual([])
  })

  test('the public keys and nonces of two handshakes differ', () => {
    const [a, b] = [1, 2].map((seed) => new Pair({ seed: seed * 100 }).connect())
    for (const side of ['client', 'server'] as const) {
      const theirs = b!.sent[side].map((bytes) => toHex(bytes))
      expect(a!.sent[side].filter((bytes) => theirs.includes(toHex(bytes)))).toEqual([])
    }
  })

  test('a recorded handshake is of no use against a new one', () => {
    const recorded = new Pair().connect().sent.client
    const pair = new Pair({ network: () => [], server: { random: (length) => bytesOf(length, 1234) } })
    for (const bytes of recorded) pair.deliver('server', bytes)
    expect(pair.reason('server')).toBe('AUTH_FAILED')
  })

  test('both ends of different suites: the first sealed frame says so', () => {
    const pair = new Pair({ client: { suite: 2 }, authorize: () => ({ psk: PSK, suite: 1 }) }).connect()
    pair.send('client', text('x'))
    pair.wait(100)
    expect(pair.reason('server')).toBe('SUITE_MISMATCH')
  })
})

describe.each(['serial', 'datagram'] as const)('handshake on a %s transport: anybody may disturb', (kind) => {
  const pack = (frame: Uint8Array) => (kind === 'serial' ? encodeSerial(frame) : frame)

  test('a server waits for HELLO without limit', () => {
    const pair = new Pair({ kind, network: () => [] })
    pair.run(3_600_000)
    expect(pair.reason('server')).toBeUndefined()
    expect(pair.server.pollTimeout()).toBeUndefined()
  })

  test('forged challenges before the true one do not hinder', () => {
    const pair = new Pair({ kind })
    for (let i = 0; i < 3; i++)
      pair.deliver('client', pack(encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64, i) })))
    pair.connect()
    pair.send('client', text('up'))
    expect(pair.wait(100).messages('server')).toEqual([text('up')])
  })

  test('forged challenges behind the true one do not hinder, up to three', () => {
    const pair = new Pair({ kind })
    pair.wait(25)
    for (let i = 0; i < 3; i++)
      pair.deliver('client', pack(encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64, i) })))
    pair.connect()
    pair.send('server', text('down'))
    expect(pair.wait(100).messages('client')).toEqual([text('down')])
  })

  test('forged challenges give a client no more time', () => {
    const pair = new Pair({ kind, network: () => [] })
    for (let second = 1; second < 12; second++) {
      pair.run(second * 1000)
      pair.deliver('client', pack(encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64, second) })))
    }
    expect(pair.reason('client')).toBe('HANDSHAKE_TIMEOUT')
    // The first answer began a step, and no other did.
    expect(pair.events.client.at(-1)?.kind).toBe('closed')
    expect(pair.frames('client')).toHaveLength(1 + 5)
  })

  test('a repeated challenge is answered once', () => {
    const pair = new Pair({
      kind,
      network: ({ from, bytes }) => [{ bytes, delay: 10 }, ...(from === 'server' ? [{ bytes, delay: 12 }] : [])],
    }).connect()
    expect(pair.frames('client')).toHaveLength(2)
  })

  test('the same HELLO again: on a line it begins again, as a datagram it is a repeat', () => {
    const pair = new Pair({ kind, network: () => [] })
    for (let i = 0; i < 2; i++) pair.deliver('server', pair.sent.client[0]!)
    expect(pair.frames('server')).toHaveLength(kind === 'serial' ? 2 : 1)
  })

  test('a client that restarts in the middle is let in', () => {
    const first = new Pair({ kind, seed: 5, network: () => [] })
    const pair = new Pair({ kind, network: ({ from, bytes }) => (from === 'server' ? [] : [{ bytes, delay: 10 }]) })
    pair.deliver('server', first.sent.client[0]!)
    pair.wait(20)
    expect(pair.frames('server')).toHaveLength(2)
    const challenge = pair.frames('server')[1]!
    pair.deliver('client', challenge)
    pair.wait(20)
    expect(pair.server.established).toBe(true)
  })

  test('the answer for one device lets no other one in', () => {
    const pair = new Pair({ kind, authorize: () => undefined, client: { deviceId: OTHER_DEVICE }, network: () => [] })
    // The client knows the key of one device, and claims to be another while that key is looked up.
    pair.deliver(
      'server',
      pack(encodeFrame({ type: PacketType.HELLO, payload: concatBytes(DEVICE_ID, bytesOf(32, 3)) })),
    )
    pair.deliver('server', pair.sent.client[0]!)
    expect(pair.events.server).toMatchObject([{ kind: 'hello', deviceId: DEVICE_ID }])
    pair.act('server', (end) => end.authorize({ psk: PSK }, 0))
    pair.deliver('client', pair.frames('server')[0]!)
    pair.deliver('server', pair.frames('client')[1]!)
    expect(pair.server.established).toBe(false)
  })

  test('a HELLO ends no session', () => {
    const pair = new Pair({ kind }).connect()
    pair.deliver('server', pack(encodeFrame({ type: PacketType.HELLO, payload: bytesOf(38) })))
    pair.send('client', text('still here'))
    expect(pair.wait(100).messages('server')).toEqual([text('still here')])
  })
})

describe('cookies', () => {
  const cookie = bytesOf(16, 8)
  const cookies = { issue: () => cookie, verify: (given: Uint8Array) => toHex(given) === toHex(cookie) }

  test('a datagram server that asks for one keeps no state before it has it', () => {
    const pair = new Pair({ kind: 'datagram', server: { cookies } })
    pair.wait(15)
    expect(pair.events.server).toEqual([])
    expect(pair.frames('server')).toHaveLength(1)
    expect(pair.server.pollTimeout()).toBeUndefined()
    pair.connect()
    expect(pair.frames('client')).toHaveLength(3)
  })

  test('a bad cookie is dropped, in the middle of a handshake too, and changes nothing', () => {
    const pair = new Pair({ kind: 'datagram', server: { cookies } })
    pair.wait(35)
    const forged = encodeFrame({ type: PacketType.HELLO, payload: concatBytes(bytesOf(38), bytesOf(16)) })
    pair.deliver('server', forged)
    expect(pair.server.dropped.get('BAD_COOKIE')).toBe(1)
    pair.connect()
  })

  test('a second HELLO_RETRY is not answered', () => {
    const pair = new Pair({ kind: 'datagram', network: () => [] })
    const retry = (seed: number) => encodeFrame({ type: PacketType.HELLO_RETRY, payload: bytesOf(16, seed) })
    pair.deliver('client', retry(1))
    pair.deliver('client', retry(2))
    expect(pair.frames('client')).toHaveLength(2)
    expect(pair.client.dropped.get('UNEXPECTED_PACKET')).toBe(1)
  })
})

describe('wire version 1', () => {
  test('is refused by both sides unless asked for', () => {
    const old = new Pair({ client: { unsafeWireVersion1: wireVersion1 } }).wait(100)
    expect(old.reason('server')).toBe('BAD_VERSION')
    const oldServer = new Pair({ network: () => [] })
    oldServer.deliver('client', encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64), version: 1 }))
    expect(oldServer.reason('client')).toBe('BAD_VERSION')
  })

  test('is spoken where both sides ask for it, and reported', () => {
    const pair = new Pair({
      client: { unsafeWireVersion1: wireVersion1 },
      server: { unsafeWireVersion1: wireVersion1 },
    }).connect()
    for (const side of ['client', 'server'] as const) {
      expect(pair.events[side].find((event) => event.kind === 'connected')).toMatchObject({ wireVersion: 1 })
    }
    expect(pair.events.server[0]).toMatchObject({ kind: 'hello', wireVersion: 1 })
    pair.send('client', bytesOf(1808))
    pair.send('server', text('down'))
    pair.wait(100)
    expect(pair.messages('server')).toEqual([bytesOf(1808)])
    expect(pair.messages('client')).toEqual([text('down')])
    expect(codeOf(() => pair.client.rekey(pair.now))).toBe('INVALID_ARGUMENT')
  })

  test('is never chosen by itself: a server that takes both answers version 2 with version 2', () => {
    const pair = new Pair({ server: { unsafeWireVersion1: wireVersion1 } }).connect()
    expect(pair.events.server[0]).toMatchObject({ wireVersion: 2 })
    pair.deliver('server', encodeFrame({ type: PacketType.DATA, payload: bytesOf(40), version: 1 }))
    expect(pair.reason('server')).toBe('BAD_VERSION')
  })

  test('a client that asks for it takes no version 2', () => {
    const pair = new Pair({ client: { unsafeWireVersion1: wireVersion1 }, network: () => [] })
    pair.deliver('client', encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64) }))
    expect(pair.reason('client')).toBe('BAD_VERSION')
  })

  test('knows no REKEY', () => {
    const pair = new Pair({
      client: { unsafeWireVersion1: wireVersion1 },
      server: { unsafeWireVersion1: wireVersion1 },
    }).connect()
    pair.deliver('server', encodeFrame({ type: PacketType.REKEY, payload: bytesOf(60), version: 1 }))
    expect(pair.reason('server')).toBe('UNEXPECTED_PACKET')
  })
})
