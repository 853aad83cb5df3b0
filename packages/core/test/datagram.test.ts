import { bytesOf, codeThrownBy as codeOf, flipBit, Pair, type Side, simulatedNetwork, text } from '@usmp/testing'
import { cipherOf, connectWith, type FixedSession } from '@usmp/testing/internal'
import { withCrc } from '@usmp/testing/provider-suite'
import { describe, expect, test } from 'vitest'
import { toHex } from '../src/bytes.ts'
import { PacketType } from '../src/constants.ts'
import { nobleProvider } from '../src/crypto-noble.ts'
import type { DatagramOptions } from '../src/datagram.ts'
import { UsmpError } from '../src/errors.ts'
import { decodeFrame, encodeFrame } from '../src/frame.ts'
import { decodeUtack, encodeUtack, isUtack } from '../src/utack.ts'

const SESSION: FixedSession = {
  suite: 2,
  sessionId: bytesOf(16, 41),
  clientToServer: bytesOf(32, 42),
  serverToClient: bytesOf(32, 43),
}
const quiet = { keepalive: 0, idleTimeout: 0 } as const

/** An established server, and what it sends in answer to the frames of a client that may misbehave. */
function server(extensions: readonly number[] = [], datagram: DatagramOptions = {}) {
  const end = connectWith(nobleProvider, SESSION, { kind: 'datagram', server: { extensions, datagram } }).server
  const peer = cipherOf(nobleProvider, SESSION, 'client', { ordered: false })
  const answers = (frame: Uint8Array, now = 0): string[] => {
    end.receive(frame, now)
    const sent: string[] = []
    for (let bytes = end.pollTransmit(); bytes; bytes = end.pollTransmit()) sent.push(nameOf(bytes))
    return sent
  }
  return { end, peer, answers }
}

/** What a datagram is, for people. */
function nameOf(bytes: Uint8Array): string {
  if (!isUtack(bytes)) return `type ${decodeFrame(bytes).type} seq ${decodeFrame(bytes).seq}`
  const { type, seq } = decodeUtack(bytes)!
  return `ack of type ${type} seq ${seq}`
}

const types = (pair: Pair, side: Side) =>
  pair.sent[side].filter((bytes) => !isUtack(bytes)).map((bytes) => decodeFrame(bytes).type)

/** A network that passes everything but what `isLost`. */
const losing =
  (isLost: (bytes: Uint8Array, from: Side) => boolean) =>
  ({ bytes, from }: { bytes: Uint8Array; from: Side }) =>
    isLost(bytes, from) ? [] : [{ bytes, delay: 10 }]

describe('what is acknowledged (specification, section 7.4)', () => {
  test('a frame that is authentic, and again each time it is repeated', () => {
    const { end, peer, answers } = server()
    const frame = peer.seal(PacketType.DATA, text('x'))
    for (let i = 0; i < 3; i++) expect(answers(frame)).toEqual(['ack of type 5 seq 0'])
    expect(end.dropped.get('REPLAYED')).toBe(2)
  })

  test('not what is forged, not authentic, unregistered, or no frame of a session', () => {
    const { peer, answers } = server()
    const frame = peer.seal(PacketType.DATA, text('x'))
    expect(answers(withCrc(flipBit(frame, -1)))).toEqual([])
    expect(answers(withCrc(flipBit(frame, 14)))).toEqual([])
    expect(answers(flipBit(frame, -1))).toEqual([])
    expect(answers(encodeFrame({ type: PacketType.DATA, seq: 7, payload: bytesOf(40) }))).toEqual([])
    expect(answers(peer.seal(0x42, text('x')))).toEqual([])
    expect(answers(encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64) }))).toEqual([])
    expect(answers(encodeFrame({ type: PacketType.ERROR, payload: bytesOf(3) }))).toEqual([])
  })

  test('not a handshake frame under a number that was seen', () => {
    const { peer, answers } = server()
    answers(peer.seal(PacketType.DATA, text('x')))
    expect(answers(encodeFrame({ type: PacketType.HELLO, seq: 0, payload: bytesOf(38) }))).toEqual([])
  })

  test('not what is too old to be told from a forgery', () => {
    const { peer, answers } = server()
    const first = peer.seal(PacketType.DATA, text('old'))
    expect(answers(first)).toHaveLength(1)
    for (let i = 0; i < 64; i++) answers(peer.seal(PacketType.DATA, text('x')))
    expect(answers(first)).toEqual([])
  })

  test('what has the wrong thing inside, as it was the peer who sent it', () => {
    const { end, peer, answers } = server()
    expect(answers(peer.seal(PacketType.BYE, text('x')))).toEqual(['ack of type 8 seq 0'])
    expect(end.dropped.get('BAD_PAYLOAD')).toBe(1)
  })

  test('a BYE, before the end', () => {
    const { end, peer, answers } = server()
    expect(answers(peer.seal(PacketType.BYE, new Uint8Array(0)))).toEqual(['ack of type 8 seq 0'])
    expect(end.closedReason?.code).toBe('CLOSED')
  })

  test('no message while the application does not read; control frames are, and the rest comes later', () => {
    const { end, peer, answers } = server()
    end.setReading(false, 0)
    const frame = peer.seal(PacketType.DATA, text('later'))
    expect(answers(frame)).toEqual([])
    expect(end.dropped.get('QUEUE_FULL')).toBe(1)
    expect(answers(peer.seal(PacketType.PING, new Uint8Array(0)))).toEqual(['ack of type 6 seq 1', 'type 7 seq 0'])
    end.setReading(true, 0)
    expect(answers(frame)).toEqual(['ack of type 5 seq 0'])
  })

  test('forged acknowledgements stop nothing', () => {
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet }).connect()
    pair.wait(1_000)
    pair.send('client', text('x'))
    pair.wire.length = 0
    const { type, seq } = decodeFrame(pair.sent.client.at(-1)!)
    const forged = Uint8Array.of(0xac, 0xac, type, seq, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8)
    pair.deliver('client', forged)
    pair.deliver('client', forged.subarray(0, 7))
    expect([pair.client.dropped.get('DECRYPT_FAILED'), pair.client.dropped.get('BAD_PAYLOAD')]).toEqual([1, 1])
    expect(pair.wait(2_000).messages('server')).toEqual([text('x')])
  })
})

describe('handshake repeats (sections 7.5 and 7.8)', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'an acknowledgement does not stop a HELLO: the server may have lost its HELLO_RETRY (jitter of seed %i)',
    (seed) => {
      const pair = new Pair({
        kind: 'datagram',
        seed,
        network: losing((bytes, from) => from === 'server' && !isUtack(bytes)),
      })
      pair.run(4_999)
      const sent = types(pair, 'client')
      // As many as the jitter allows.
      expect([7, 8]).toContain(sent.length)
      expect(new Set(sent)).toEqual(new Set([PacketType.HELLO]))
    },
  )

  test('a repeated frame of the handshake is acknowledged again and does nothing, in the session too', () => {
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet }).connect()
    const [hello, ack] = pair.frames('client')
    const [challenge, ok] = pair.frames('server')
    const before = [...pair.events.server]
    for (const [to, bytes] of [
      ['server', hello],
      ['client', challenge],
      ['server', ack],
      ['client', ok],
    ] as const) {
      const from = to === 'server' ? 'server' : 'client'
      const count = pair.sent[from].length
      pair.deliver(to, bytes!)
      expect(pair.sent[from].slice(count).map(nameOf)).toEqual([`ack of ${nameOf(bytes!)}`])
    }
    expect(pair.events.server).toEqual(before)
    expect(pair.client.dropped.size).toBe(0)
  })

  test('a server sends nothing sealed before it knows that SESSION_OK has arrived', () => {
    let acknowledged = false
    const pair = new Pair({
      kind: 'datagram',
      client: quiet,
      server: quiet,
      network: losing((bytes, from) => from === 'client' && isUtack(bytes) && bytes[2] === 4 && !acknowledged),
    })
    pair.wait(300)
    expect(pair.server.established).toBe(true)
    pair.send('server', text('soon'))
    pair.wait(300)
    expect(types(pair, 'server')).not.toContain(PacketType.DATA)
    expect(pair.server.full).toBe(true)
    acknowledged = true
    expect(pair.wait(5_000).messages('client')).toEqual([text('soon')])
  })

  test('the first sealed frame of the client stands for that acknowledgement', () => {
    const pair = new Pair({
      kind: 'datagram',
      client: quiet,
      server: quiet,
      network: losing((bytes, from) => from === 'client' && isUtack(bytes) && bytes[2] === 4),
    })
    pair.wait(300)
    pair.send('server', text('down'))
    pair.send('client', text('up'))
    expect(pair.wait(100).messages('client')).toEqual([text('down')])
  })
})

describe('rekey (section 5.6)', () => {
  const joined = (isLost: (bytes: Uint8Array, from: Side) => boolean) => {
    let on = false
    const network = losing((bytes, from) => on && isLost(bytes, from))
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet, network }).connect()
    pair.wait(1_000)
    on = true
    return pair
  }

  test('a lost acknowledgement of REKEY costs a repeat: it is acknowledged under the key it came with', () => {
    let lost = 0
    const pair = joined((bytes) => isUtack(bytes) && bytes[2] === PacketType.REKEY && lost++ < 2)
    pair.act('client', (end) => end.rekey(pair.now))
    pair.send('client', text('after'))
    pair.wait(3_000)
    expect(lost).toBe(3)
    expect(pair.kinds('client')).toContain('rekeyed')
    expect(pair.messages('server')).toEqual([text('after')])
    expect(pair.server.dropped.get('REPLAYED')).toBe(2)
  })

  test('what the receiver has under way goes on under the old key, and nothing new goes before it has arrived', () => {
    let held = true
    const pair = joined((bytes, from) => held && from === 'server' && !isUtack(bytes) && bytes[3] === PacketType.DATA)
    pair.send('server', text('old key'))
    pair.act('client', (end) => end.rekey(pair.now))
    pair.wait(90)
    pair.send('server', text('new key'))
    pair.wait(300)
    expect(types(pair, 'server').filter((type) => type === PacketType.PONG)).toEqual([])
    held = false
    pair.wait(3_000)
    expect(pair.messages('client')).toEqual([text('old key'), text('new key')])
    expect(pair.kinds('client')).toContain('rekeyed')
  })

  test('a message of several frames that was begun is ended under the old key', () => {
    let held = true
    const pair = joined(
      (bytes, from) => held && from === 'server' && !isUtack(bytes) && bytes[3] === PacketType.DATA_FRAG,
    )
    pair.send('server', bytesOf(1808))
    pair.act('client', (end) => end.rekey(pair.now))
    pair.wait(90)
    held = false
    pair.wait(5_000)
    expect(pair.messages('client')).toEqual([bytesOf(1808)])
    expect(pair.kinds('client')).toContain('rekeyed')
  })

  test.each([0, 1])('pieces under two keys are not one message, nor is the rest of one (number %i)', (number) => {
    const { end, peer, answers } = server([], { delivery: number === 0 ? 'in-order' : 'on-arrival' })
    answers(peer.seal(PacketType.DATA_FRAG, text('begin')))
    end.rekey(0)
    const rekey = decodeFrame(end.pollTransmit()!)
    peer.acceptRekey(peer.open(rekey))
    for (let skipped = 0; skipped < number; skipped++) peer.seal(PacketType.DATA, text('lost'))
    expect(answers(peer.seal(PacketType.DATA, text('end')))[0]).toBe(`ack of type 5 seq ${number}`)
    expect(end.dropped.get('BAD_FRAGMENT')).toBe(1)
    answers(peer.seal(PacketType.DATA, text('whole')))
    const messages: string[] = []
    for (let event = end.pollEvent(); event; event = end.pollEvent()) {
      if (event.kind === 'message') messages.push(toHex(event.data))
    }
    expect(messages).toEqual([toHex(text('whole'))])
  })

  test('the PINGs behind REKEYs keep to four a second, and each change is confirmed', () => {
    const pair = joined(() => false)
    const pings = () => types(pair, 'client').filter((type) => type === PacketType.PING).length
    const before = pings()
    for (let i = 0; i < 8; i++) {
      codeOf(() => pair.act('client', (end) => end.rekey(pair.now)))
      pair.wait(100)
    }
    expect(pings() - before).toBe(4)
    pair.wait(1_000)
    const rekeys = types(pair, 'client').filter((type) => type === PacketType.REKEY).length
    expect(rekeys).toBe(5)
    expect(pair.kinds('client').filter((kind) => kind === 'rekeyed')).toHaveLength(rekeys)
  })

  test('waits until nothing is under way; a second one is refused meanwhile', () => {
    let held = true
    const pair = joined((bytes) => held && bytes[3] === PacketType.DATA)
    pair.send('client', text('first'))
    pair.act('client', (end) => end.rekey(pair.now))
    pair.wait(90)
    expect(types(pair, 'client')).not.toContain(PacketType.REKEY)
    expect(codeOf(() => pair.client.rekey(pair.now))).toBe('INVALID_ARGUMENT')
    held = false
    pair.wait(3_000)
    expect(pair.kinds('client')).toContain('rekeyed')
  })
})

describe('sending', () => {
  test('up to 8 messages at once, or one if that is asked for; fragments one by one', () => {
    const count = (maxInFlight: number | undefined, message: Uint8Array) => {
      const datagram = maxInFlight === undefined ? {} : { maxInFlight }
      const pair = new Pair({ kind: 'datagram', client: { ...quiet, datagram }, server: quiet }).connect()
      const before = pair.frames('client').length
      for (let i = 0; i < 20; i++) pair.send('client', message)
      return pair.frames('client').length - before
    }
    expect(count(undefined, text('x'))).toBe(8)
    expect(count(1, text('x'))).toBe(1)
    expect(count(undefined, bytesOf(453))).toBe(1)
    expect(codeOf(() => count(0, text('x')))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => count(9, text('x')))).toBe('INVALID_ARGUMENT')
  })

  test('64 messages wait; more are refused, and nothing else is lost by that', () => {
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet }).connect()
    const messages = Array.from({ length: 8 + 64 }, (_, i) => Uint8Array.of(i))
    for (const message of messages) pair.send('client', message)
    expect(codeOf(() => pair.client.send(text('too many'), pair.now))).toBe('QUEUE_FULL')
    expect(pair.wait(1_000).messages('server')).toEqual(messages)
  })

  test('what waits is not changed by the caller any more', () => {
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet }).connect()
    const buffer = bytesOf(905)
    const before = toHex(buffer)
    pair.send('client', buffer)
    buffer.fill(0)
    expect(
      pair
        .wait(1_000)
        .messages('server')
        .map((message) => toHex(message)),
    ).toEqual([before])
  })

  test('a peer that is gone: TRANSPORT_FAILED after 30 s', () => {
    let gone = false
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet, network: losing(() => gone) }).connect()
    pair.wait(1_000)
    gone = true
    pair.send('client', text('x'))
    pair.wait(30_000)
    expect(pair.reason('client')).toBeUndefined()
    pair.wait(6_000)
    expect(pair.reason('client')).toBe('TRANSPORT_FAILED')
    expect(pair.client.closedReason?.message).toContain('DATA 0')
  })

  test('a peer that never confirms SESSION_OK: the session ends after 30 s, as nothing else would end it', () => {
    const pair = new Pair({
      kind: 'datagram',
      client: quiet,
      server: quiet,
      network: ({ from, bytes }) =>
        from === 'client' && isUtack(bytes) && bytes[2] === PacketType.SESSION_OK ? [] : [{ bytes, delay: 10 }],
    })
    pair.wait(30_000)
    expect(pair.server.established).toBe(true)
    pair.wait(6_000)
    expect(pair.reason('server')).toBe('TRANSPORT_FAILED')
    expect(pair.server.closedReason?.message).toContain('SESSION_OK')
  })

  test.each([1, 2, 3, 4, 5])('20 %% loss is survived (seed %i)', (seed) => {
    const network = simulatedNetwork({ delay: 25, jitter: 2, loss: 0.2 }, seed)
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet, network }).run(6_000)
    const messages = Array.from({ length: 200 }, (_, i) => text(`${i}`))
    for (const message of messages) {
      while (pair.client.full) pair.wait(10)
      pair.send('client', message)
    }
    pair.wait(60_000)
    expect(pair.messages('server')).toEqual(messages)
  })

  test('a network that fails for 20 s costs nothing but time', () => {
    const network = simulatedNetwork({ delay: 10, partitions: [[1_000, 21_000]] }, 1)
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet, network }).connect()
    pair.wait(500)
    for (let i = 0; i < 10; i++) pair.send('client', text(`${i}`))
    pair.wait(30_000)
    expect(pair.messages('server')).toEqual(Array.from({ length: 10 }, (_, i) => text(`${i}`)))
    expect(pair.reason('client')).toBeUndefined()
  })

  test.each([
    [undefined, undefined, 5_000, 'CLOSED'],
    ['x', undefined, 5_000, 'TRANSPORT_FAILED'],
    ['x', 'REPLACED', 1_000, 'REPLACED'],
    ['x', 'SHUTDOWN', 1_000, 'SHUTDOWN'],
    ['x', 'DUPLICATE_DEVICE', 1_000, 'DUPLICATE_DEVICE'],
  ] as const)(
    'closing towards a peer that is gone, with %s under way, as %s: over after %i ms, and told as %s',
    (message, reason, takes, told) => {
      let gone = false
      const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet, network: losing(() => gone) }).connect()
      pair.wait(1_000)
      gone = true
      if (message) pair.send('client', text(message))
      pair.act('client', (end) => end.close(reason && new UsmpError(reason)))
      expect(codeOf(() => pair.client.send(text('late'), pair.now))).toBe(reason ?? 'CLOSED')
      pair.wait(takes - 1)
      expect(pair.reason('client')).toBeUndefined()
      pair.wait(1)
      expect(pair.reason('client')).toBe(told)
    },
  )

  test('a peer that acknowledges late does not keep a session that was closed', () => {
    // One acknowledgement of each four seconds gets through: until now each of them gave the close ten seconds more.
    let next = 0
    const pair = new Pair({
      kind: 'datagram',
      client: quiet,
      server: quiet,
      network: ({ from, bytes, now }) => {
        if (from === 'server' && next > 0 && now < next) return []
        if (from === 'server' && next > 0) next = now + 4_000
        return [{ bytes, delay: 10 }]
      },
    }).connect()
    pair.wait(1_000)
    next = pair.now + 4_000
    for (let i = 0; i < 60; i++) pair.send('client', text(`${i}`))
    pair.act('client', (end) => end.close())
    pair.wait(5_000)
    expect(pair.reason('client')).toBe('TRANSPORT_FAILED')
  })

  test('a session whose queue is full can be closed: what waits arrives, and then the BYE', () => {
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet }).connect()
    pair.wait(1_000)
    const messages: Uint8Array[] = []
    while (codeOf(() => pair.send('client', text(`${messages.length}`))) === 'no error') {
      messages.push(text(`${messages.length}`))
    }
    expect(codeOf(() => pair.send('client', text('one more')))).toBe('QUEUE_FULL')
    pair.act('client', (end) => end.close())
    pair.wait(4_000)
    expect(pair.messages('server')).toEqual(messages)
    expect([pair.reason('client'), pair.reason('server')]).toEqual(['CLOSED', 'CLOSED'])
  })

  test('behind a BYE nothing is sent, so that the pings of the peer cannot hold up the end', () => {
    let lost = true
    const pair = new Pair({
      kind: 'datagram',
      client: quiet,
      server: quiet,
      network: ({ from, bytes, now }) => (from === 'client' && now > 1_000 && lost ? [] : [{ bytes, delay: 10 }]),
    }).connect()
    pair.wait(1_000)
    pair.act('client', (end) => end.close())
    for (let i = 0; i < 4; i++) {
      pair.act('server', (end) => end.ping(pair.now))
      pair.wait(300)
    }
    lost = false
    pair.wait(2_000)
    expect(
      pair
        .frames('client')
        .map((bytes) => decodeFrame(bytes).type)
        .at(-1),
    ).toBe(PacketType.BYE)
    expect([pair.reason('client'), pair.reason('server')]).toEqual(['CLOSED', 'CLOSED'])
  })
})

describe('PING', () => {
  test('one that is not answered is followed by another after 5 s, and the round trip is that of the last', () => {
    const { end, peer } = server()
    let pings = 0
    /** The peer acknowledges what comes, and says whether it was a PING. */
    const pinged = (now: number) => {
      const type = decodeFrame(end.pollTransmit()!).type
      end.receive(encodeUtack(nobleProvider, type, pings++, SESSION.serverToClient), now)
      return type === PacketType.PING
    }
    end.ping(0)
    expect(pinged(20)).toBe(true)
    // A second request waits with the first one.
    end.ping(100)
    expect(end.pollTransmit()).toBeUndefined()
    expect(end.pollTimeout()).toBe(5_000)
    end.handleTimeout(5_000)
    expect(pinged(5_020)).toBe(true)
    end.receive(peer.seal(PacketType.PONG, new Uint8Array(0)), 5_030)
    expect(end.pollEvent()).toEqual({ kind: 'pong', roundTrip: 30 })
    while (end.pollTransmit());
    // Nobody waits any more, and nothing is left that a later answer could be taken for.
    expect(end.pollTimeout()).toBeUndefined()
    end.ping(7_000)
    expect(pinged(7_010)).toBe(true)
    end.receive(peer.seal(PacketType.PONG, new Uint8Array(0)), 7_040)
    expect(end.pollEvent()).toEqual({ kind: 'pong', roundTrip: 40 })
  })

  test('every request is answered over a network that loses much', () => {
    const network = simulatedNetwork({ delay: 25, jitter: 2, loss: 0.2 }, 3)
    const pair = new Pair({ kind: 'datagram', client: quiet, server: quiet, network }).run(6_000)
    for (let i = 1; i <= 30; i++) {
      pair.act('client', (end) => end.ping(pair.now))
      pair.wait(30_000)
      expect(pair.kinds('client').filter((kind) => kind === 'pong')).toHaveLength(i)
    }
  })
})

describe('delivery', () => {
  test.each([
    ['in-order', ['a', 'b', 'c']],
    ['on-arrival', ['b', 'c', 'a']],
  ] as const)('%s', (delivery, expected) => {
    const { server: end } = connectWith(nobleProvider, SESSION, {
      kind: 'datagram',
      server: { datagram: { delivery } },
    })
    const peer = cipherOf(nobleProvider, SESSION, 'client', { ordered: false })
    const [a, b, c] = ['a', 'b', 'c'].map((word) => peer.seal(PacketType.DATA, text(word)))
    for (const frame of [b!, c!, a!]) end.receive(frame, 0)
    const got: Uint8Array[] = []
    for (let event = end.pollEvent(); event; event = end.pollEvent()) if (event.kind === 'message') got.push(event.data)
    expect(got).toEqual(expected.map(text))
  })

  test('a number that never comes holds up the others for 45 s', () => {
    const { end, peer, answers } = server()
    peer.seal(PacketType.DATA, text('never sent'))
    answers(peer.seal(PacketType.DATA, text('waits')), 100)
    expect(end.pollEvent()).toBeUndefined()
    expect(end.pollTimeout()).toBe(45_100)
    end.handleTimeout(45_100)
    expect(end.pollEvent()).toMatchObject({ kind: 'message', data: text('waits') })
  })

  test('a BYE gives out what waited', () => {
    const { end, peer, answers } = server()
    peer.seal(PacketType.DATA, text('never sent'))
    answers(peer.seal(PacketType.DATA, text('waits')))
    answers(peer.seal(PacketType.BYE, new Uint8Array(0)))
    expect(end.pollEvent()).toMatchObject({ kind: 'message', data: text('waits') })
    expect(end.pollEvent()).toMatchObject({ kind: 'closed' })
  })
})
