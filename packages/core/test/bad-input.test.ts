import {
  bytesOf,
  codeThrownBy as codeOf,
  DEVICE_ID_BYTES as DEVICE_ID,
  flipBit,
  otherSide,
  Pair,
  PSK,
  pseudoRandom,
  type Side,
  text,
} from '@usmp/testing'
import { cipherOf, connectWith, type FixedSession } from '@usmp/testing/internal'
import { withCrc } from '@usmp/testing/provider-suite'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../src/bytes.ts'
import { cobsDecode, encodeSerial } from '../src/cobs.ts'
import { Connection, type TransportKind } from '../src/connection.ts'
import { PacketType } from '../src/constants.ts'
import { nobleProvider } from '../src/crypto-noble.ts'
import type { ErrorCode } from '../src/errors.ts'
import { decodeFrame, encodeFrame } from '../src/frame.ts'

import { wireVersion1 } from '../src/wire-version-1.ts'

const SESSION: FixedSession = {
  suite: 1,
  sessionId: bytesOf(16, 41),
  clientToServer: bytesOf(32, 42),
  serverToClient: bytesOf(32, 43),
}
const SIDES = ['client', 'server'] as const
const KINDS = ['stream', 'message', 'serial', 'datagram'] as const

/** An established end, and the cipher of a peer that may misbehave. */
function victim(side: Side, kind: TransportKind = 'stream', extensions: readonly number[] = []) {
  // What a peer leaves out would else be waited for; order has tests of its own.
  const options = { extensions, datagram: { delivery: 'on-arrival' } } as const
  const end = connectWith(nobleProvider, SESSION, { kind, client: options, server: options })[side]
  const peer = cipherOf(nobleProvider, SESSION, otherSide(side))
  const receive = (bytes: Uint8Array, now = 0) => end.receive(kind === 'serial' ? encodeSerial(bytes) : bytes, now)
  const messages = () => {
    const found: Uint8Array[] = []
    for (let event = end.pollEvent(); event; event = end.pollEvent())
      if (event.kind === 'message') found.push(event.data)
    return found
  }
  return { end, peer, receive, messages }
}

const good = encodeFrame({ type: PacketType.DATA, seq: 0, payload: bytesOf(40) })
const withBytes = (at: number, ...values: number[]) => {
  const out = good.slice()
  out.set(values, at)
  return withCrc(out)
}

/** Faults of frames that every transport can see. */
const frameFaults: [string, ErrorCode, Uint8Array][] = [
  ['wrong magic', 'BAD_MAGIC', withBytes(0, 0xab, 0xcd)],
  ['wire version 1', 'BAD_VERSION', withBytes(2, 1)],
  ['wire version 3', 'BAD_VERSION', withBytes(2, 3)],
  ['type 0x00', 'BAD_TYPE', withBytes(3, 0)],
  ['length 481', 'BAD_LENGTH', withBytes(8, 0xe1, 0x01)],
  ['length 65535', 'BAD_LENGTH', withBytes(8, 0xff, 0xff)],
  ['wrong CRC', 'BAD_CRC', flipBit(good, 10)],
  ['garbled payload', 'BAD_CRC', flipBit(good, 20)],
  ['text', 'BAD_MAGIC', text('GET / HTTP/1.1\r\nHost: example\r\n\r\n')],
]
/** Faults that only show where a packet has an end. */
const packetFaults: [string, ErrorCode, Uint8Array][] = [
  ['a frame cut short', 'INCOMPLETE', good.subarray(0, -1)],
  ['half a header', 'INCOMPLETE', good.subarray(0, 6)],
  ['a byte behind the frame', 'TRAILING_BYTES', concatBytes(good, Uint8Array.of(0))],
  ['two frames', 'TRAILING_BYTES', concatBytes(good, good)],
]

describe.each(SIDES)('frames that are none, %s', (side) => {
  test.each(frameFaults)('%s ends a stream with %s, behind what was delivered', (_, code, bytes) => {
    const { end, peer, receive, messages } = victim(side)
    receive(concatBytes(peer.seal(PacketType.DATA, text('before')), bytes, peer.seal(PacketType.DATA, text('behind'))))
    expect(messages()).toEqual([text('before')])
    expect(end.closedReason?.code).toBe(code)
  })

  test.each([...frameFaults, ...packetFaults])('%s ends a message transport with %s', (_, code, bytes) => {
    const { end, receive } = victim(side, 'message')
    receive(bytes)
    expect(end.closedReason?.code).toBe(code)
  })

  test.each([...frameFaults, ...packetFaults])('%s costs nothing on datagrams: dropped as %s', (_, code, bytes) => {
    const { end, peer, receive, messages } = victim(side, 'datagram')
    receive(bytes)
    expect(end.dropped.get(code)).toBe(1)
    receive(peer.seal(PacketType.DATA, text('and on')))
    expect(messages()).toEqual([text('and on')])
  })

  test.each([...frameFaults, ...packetFaults])('%s costs nothing on a serial line: dropped as %s', (_, code, bytes) => {
    const { end, peer, receive, messages } = victim(side, 'serial')
    receive(bytes)
    expect(end.dropped.get(code)).toBe(1)
    receive(peer.seal(PacketType.DATA, text('and on')))
    expect(messages()).toEqual([text('and on')])
  })

  test('a boot log on a serial line costs nothing', () => {
    const { end, peer, receive, messages } = victim(side, 'serial')
    end.receive(text('rst:0x1 (POWERON_RESET),boot:0x13\r\n'.repeat(100)), 0)
    receive(peer.seal(PacketType.DATA, text('and on')))
    expect(messages()).toEqual([text('and on')])
    expect(end.dropped.get('BAD_COBS')).toBe(1)
  })

  test('an empty message is INCOMPLETE', () => {
    const { end, receive } = victim(side, 'message')
    receive(new Uint8Array(0))
    expect(end.closedReason?.code).toBe('INCOMPLETE')
  })
})

/** What an authenticated or pretended peer may do wrong in a session, with the code an ordered transport ends with. */
const sessionFaults: [string, ErrorCode, (peer: ReturnType<typeof victim>['peer']) => Uint8Array[]][] = [
  [
    'a handshake type',
    'UNEXPECTED_PACKET',
    () => [encodeFrame({ type: PacketType.HELLO_RETRY, payload: bytesOf(16) })],
  ],
  ['an unregistered type', 'UNEXPECTED_PACKET', (peer) => [peer.seal(0x0c, text('x'))]],
  [
    'a payload too short to be sealed',
    'BAD_PAYLOAD',
    () => [encodeFrame({ type: PacketType.DATA, seq: 5, payload: bytesOf(27) })],
  ],
  ['a wrong nonce', 'BAD_NONCE', (peer) => [withCrc(flipBit(peer.seal(PacketType.DATA, text('x')), 12))]],
  [
    'a wrong tag on the first frame',
    'SUITE_MISMATCH',
    (peer) => [withCrc(flipBit(peer.seal(PacketType.DATA, text('x')), -1))],
  ],
  [
    'a wrong tag later',
    'DECRYPT_FAILED',
    (peer) => [peer.seal(PacketType.DATA, text('x')), withCrc(flipBit(peer.seal(PacketType.DATA, text('y')), -1))],
  ],
  [
    'a skipped number',
    'SEQ_MISMATCH',
    (peer) => [peer.seal(PacketType.DATA, text('x')), peer.seal(PacketType.DATA, text('y'))].slice(1),
  ],
  [
    'a replayed frame',
    'SEQ_MISMATCH',
    (peer) => {
      const frame = peer.seal(PacketType.DATA, text('x'))
      return [frame, frame]
    },
  ],
  ['a BYE with something inside', 'BAD_PAYLOAD', (peer) => [peer.seal(PacketType.BYE, text('x'))]],
  ['a REKEY of 31 bytes', 'BAD_PAYLOAD', (peer) => [peer.seal(PacketType.REKEY, bytesOf(31))]],
  [
    'fragments without end',
    'BAD_FRAGMENT',
    (peer) => Array.from({ length: 4 }, () => peer.seal(PacketType.DATA_FRAG, bytesOf(452))),
  ],
  [
    'an interleaved frame between fragments',
    'BAD_FRAGMENT',
    (peer) => [peer.seal(PacketType.DATA_FRAG, text('x')), peer.seal(PacketType.PONG, new Uint8Array(0))],
  ],
  [
    'a flood of PING',
    'FLOOD',
    (peer) => Array.from({ length: 513 }, () => peer.seal(PacketType.PING, new Uint8Array(0))),
  ],
]

describe.each(SIDES)('faults in a session, %s', (side) => {
  const first = ([, code]: (typeof sessionFaults)[number]) => code === 'SUITE_MISMATCH'
  /** Faults that only the peer itself can make, as the frames are authentic. */
  const byPeer = sessionFaults.filter(
    ([name, code]) =>
      ['SEQ_MISMATCH', 'BAD_FRAGMENT', 'FLOOD'].includes(code) ||
      name.startsWith('a BYE') ||
      name.startsWith('a REKEY'),
  )

  function expectEnd(kind: TransportKind, code: ErrorCode, frames: (typeof sessionFaults)[number][2]) {
    const { end, peer, receive, messages } = victim(side, kind)
    receive(peer.seal(PacketType.DATA, text('before')))
    for (const frame of frames(peer)) receive(frame)
    expect(messages()[0]).toEqual(text('before'))
    expect(end.closedReason?.code).toBe(code)
    const sent: (number | undefined)[] = []
    for (let bytes = end.pollTransmit(); bytes; bytes = end.pollTransmit()) {
      sent.push(kind === 'serial' ? decodeFrame(cobsDecode(bytes.subarray(1, -1))).type : bytes[3])
    }
    // Of PINGs in one second eight are answered. On a line nothing but a BYE tells the peer.
    const answers = Array(code === 'FLOOD' ? 8 : 0).fill(PacketType.PONG)
    expect(sent).toEqual(kind === 'serial' ? [...answers, PacketType.BYE] : answers)
  }

  describe.each(['stream', 'message'] as const)('%s', (kind) => {
    test.each(sessionFaults.filter((fault) => !first(fault)))(
      '%s: ends with %s, keeps what was delivered, sends nothing more',
      (_, code, frames) => expectEnd(kind, code, frames),
    )

    test('a wrong tag on the first frame ever: SUITE_MISMATCH', () => {
      const { end, peer, receive } = victim(side, kind)
      for (const frame of sessionFaults.find(first)![2](peer)) receive(frame)
      expect(end.closedReason?.code).toBe('SUITE_MISMATCH')
    })
  })

  test.each(byPeer)('serial: %s: ends with %s, and a BYE', (_, code, frames) => expectEnd('serial', code, frames))

  test.each(sessionFaults.filter((fault) => !byPeer.includes(fault)))(
    'serial: %s: noise, dropped and counted',
    (_, code, frames) => {
      const { end, peer, receive } = victim(side, 'serial')
      receive(peer.seal(PacketType.DATA, text('before')))
      for (const frame of frames(peer)) receive(frame)
      expect(end.closedReason).toBeUndefined()
      expect(end.dropped.get(code === 'SUITE_MISMATCH' ? 'DECRYPT_FAILED' : code)).toBe(1)
    },
  )

  test('a flood ends a session on datagrams as well: nobody but the peer can cause it', () => {
    const { end, peer, receive } = victim(side, 'datagram')
    for (let i = 0; i < 512; i++) receive(peer.seal(PacketType.PING, new Uint8Array(0)))
    expect(end.closedReason).toBeUndefined()
    receive(peer.seal(PacketType.PING, new Uint8Array(0)))
    expect(end.closedReason?.code).toBe('FLOOD')
  })

  test.each(sessionFaults.filter(([, code]) => code !== 'SEQ_MISMATCH' && code !== 'FLOOD'))(
    '%s: ends nothing on datagrams, counted',
    (_, code, frames) => {
      const { end, peer, receive, messages } = victim(side, 'datagram')
      receive(peer.seal(PacketType.DATA, text('before')))
      for (const frame of frames(peer)) receive(frame)
      expect(end.closedReason).toBeUndefined()
      expect(end.dropped.get(code === 'SUITE_MISMATCH' ? 'DECRYPT_FAILED' : code)).toBe(1)
      receive(peer.seal(PacketType.DATA, text('and on')))
      expect(messages().at(-1)).toEqual(text('and on'))
    },
  )

  test('a replayed datagram is dropped without being opened', () => {
    const { end, peer, receive, messages } = victim(side, 'datagram')
    const frame = peer.seal(PacketType.DATA, text('once'))
    for (let i = 0; i < 3; i++) receive(frame)
    expect(messages()).toEqual([text('once')])
    expect(end.dropped.get('REPLAYED')).toBe(2)
    receive(withCrc(flipBit(frame, -1)))
    expect(end.dropped.get('DECRYPT_FAILED')).toBeUndefined()
    expect(end.dropped.get('REPLAYED')).toBe(3)
  })

  test('a datagram far behind the window is dropped, 63 behind is taken', () => {
    const { end, peer, receive, messages } = victim(side, 'datagram')
    const frames = Array.from({ length: 66 }, (_, n) => peer.seal(PacketType.DATA, Uint8Array.of(n)))
    receive(frames[65]!)
    receive(frames[1]!)
    receive(frames[2]!)
    expect(messages()).toEqual([Uint8Array.of(65), Uint8Array.of(2)])
    expect(end.dropped.get('REPLAYED')).toBe(1)
  })

  test('0xffffffff under a good tag ends no datagram session', () => {
    const { end, receive } = victim(side, 'datagram')
    const key = side === 'client' ? SESSION.serverToClient : SESSION.clientToServer
    const frame = cipherOf(nobleProvider, SESSION, otherSide(side)).seal(PacketType.DATA, text('x'))
    frame.fill(0xff, 4, 8)
    frame.fill(0xff, 12, 16)
    nobleProvider.aead(1, key).seal(frame.subarray(12, 24), frame.subarray(0, 10), text('x'), frame.subarray(24))
    receive(withCrc(frame))
    expect(end.closedReason).toBeUndefined()
    expect(end.dropped.get('SEQ_EXHAUSTED')).toBe(1)
  })

  test('forged frames are no sign of life', () => {
    const pair = new Pair({ client: { keepalive: 0 }, kind: 'datagram' }).connect()
    for (let at = 5_000; at < 60_000; at += 5_000) {
      pair.run(at)
      pair.deliver(side, encodeFrame({ type: PacketType.DATA, seq: at, payload: bytesOf(60) }))
    }
    pair.run(61_000)
    expect(pair.reason(side)).toBe('IDLE_TIMEOUT')
  })

  test.each(KINDS)('ERROR frames change nothing, %s', (kind) => {
    const { end, peer, receive, messages } = victim(side, kind)
    for (const size of [0, 1, 3, 4, 480])
      receive(encodeFrame({ type: PacketType.ERROR, seq: 9, payload: bytesOf(size) }))
    receive(peer.seal(PacketType.DATA, text('and on')))
    expect(messages()).toEqual([text('and on')])
    expect(end.established).toBe(true)
  })

  test('registered extension types are delivered with their type, others are not', () => {
    const { end, peer, receive } = victim(side, 'stream', [0x42, 0xfe])
    receive(peer.seal(0x42, text('a')))
    receive(peer.seal(0xfe, new Uint8Array(0)))
    expect(end.pollEvent()).toEqual({ kind: 'extension', type: 0x42, data: text('a') })
    expect(end.pollEvent()).toEqual({ kind: 'extension', type: 0xfe, data: new Uint8Array(0) })
    receive(peer.seal(0x43, text('a')))
    expect(end.closedReason?.code).toBe('UNEXPECTED_PACKET')
  })

  test('an extension between fragments is BAD_FRAGMENT', () => {
    const { end, peer, receive } = victim(side, 'stream', [0x42])
    receive(peer.seal(PacketType.DATA_FRAG, text('a')))
    receive(peer.seal(0x42, text('a')))
    expect(end.closedReason?.code).toBe('BAD_FRAGMENT')
  })
})

test('pieces under two keys never become one message', () => {
  const ends = connectWith(nobleProvider, SESSION, { kind: 'datagram' })
  const peer = cipherOf(nobleProvider, SESSION, 'client', { ordered: false })
  const piece = peer.seal(PacketType.DATA_FRAG, text('old '))
  const rekey = peer.startRekey(bytesOf(32))
  const first = peer.seal(PacketType.PING, new Uint8Array(0))
  const second = peer.seal(PacketType.DATA, text('new'))
  // The REKEY overtakes the fragment; the number of what follows fits, the key does not.
  for (const frame of [rekey, piece, second, first]) ends.server.receive(frame, 0)
  const messages: Uint8Array[] = []
  for (let event = ends.server.pollEvent(); event; event = ends.server.pollEvent()) {
    if (event.kind === 'message') messages.push(event.data)
  }
  expect(messages).toEqual([text('new')])
})

describe('arguments', () => {
  const random = pseudoRandom(1)
  const client = { kind: 'stream', random, deviceId: DEVICE_ID, psk: PSK } as const

  test.each([
    ['a device id of 5 bytes', 'INVALID_ARGUMENT', { deviceId: bytesOf(5) }],
    ['a PSK of 15 bytes', 'WEAK_PSK', { psk: bytesOf(15) }],
    ['a PSK of 15 bytes, weak ones allowed', 'WEAK_PSK', { psk: bytesOf(15), allowWeakPsk: true }],
    ['a PSK of one byte value', 'WEAK_PSK', { psk: new Uint8Array(32) }],
    ['a typed PSK', 'WEAK_PSK', { psk: text('correct horse battery st') }],
    ['a PSK that is text', 'INVALID_ARGUMENT', { psk: 'secret' as unknown as Uint8Array }],
    ['an extension type below 0x0C', 'INVALID_ARGUMENT', { extensions: [0x0b] }],
    ['an extension type 0xFF', 'INVALID_ARGUMENT', { extensions: [0xff] }],
    ['wire version 1 on datagrams', 'INVALID_ARGUMENT', { kind: 'datagram', unsafeWireVersion1: wireVersion1 }],
  ] as const)('%s is %s', (_, code, changes) => {
    expect(codeOf(() => Connection.client({ ...client, ...changes }, 0))).toBe(code)
  })

  test('a typed PSK is taken if the application insists', () => {
    expect(
      codeOf(() => Connection.client({ ...client, psk: text('correct horse battery st'), allowWeakPsk: true }, 0)),
    ).toBe('no error')
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('no entropy')
      },
    ],
    ['gives too little', () => new Uint8Array(3)],
  ])('a random source that %s is RANDOM_FAILED', (_, broken) => {
    expect(codeOf(() => Connection.client({ ...client, random: broken }, 0))).toBe('RANDOM_FAILED')
    const pair = new Pair({ server: { random: broken }, authorize: () => undefined })
    pair.wait(100)
    expect(codeOf(() => pair.server.authorize({ psk: PSK }, 100))).toBe('RANDOM_FAILED')
  })

  test('messages over 1808 bytes are refused and use no number', () => {
    const pair = new Pair().connect()
    expect(codeOf(() => pair.send('client', bytesOf(1809)))).toBe('MESSAGE_TOO_LARGE')
    pair.send('client', bytesOf(1808))
    expect(pair.wait(100).messages('server')).toEqual([bytesOf(1808)])
  })

  test('extension frames: unregistered, too large', () => {
    const pair = new Pair({ client: { extensions: [0x42] }, server: { extensions: [0x42] } }).connect()
    const sendExtension = (type: number, size: number) =>
      codeOf(() => pair.act('client', (end) => end.sendExtension(type, bytesOf(size), pair.now)))
    expect(sendExtension(0x43, 1)).toBe('INVALID_ARGUMENT')
    expect(sendExtension(0x42, 453)).toBe('MESSAGE_TOO_LARGE')
    expect(sendExtension(0x42, 452)).toBe('no error')
    pair.wait(100)
    expect(pair.events.server.at(-1)).toEqual({ kind: 'extension', type: 0x42, data: bytesOf(452) })
  })

  test('bytes that are none end the connection instead of throwing', () => {
    const pair = new Pair().connect()
    pair.deliver('server', 'text' as unknown as Uint8Array)
    expect(pair.reason('server')).toBe('INVALID_ARGUMENT')
  })
})

test('frames in a row in one chunk and byte by byte give the same session', () => {
  const whole = victim('server')
  const slow = victim('server')
  const frames = concatBytes(...['a', 'b', 'c'].map((word) => whole.peer.seal(PacketType.DATA, text(word))))
  whole.receive(frames)
  for (const byte of frames) slow.receive(Uint8Array.of(byte))
  expect(slow.messages()).toEqual([text('a'), text('b'), text('c')])
  expect(whole.messages()).toEqual([text('a'), text('b'), text('c')])
})
