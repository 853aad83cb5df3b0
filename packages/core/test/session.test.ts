import {
  bytesOf,
  codeThrownBy as codeOf,
  otherSide,
  Pair,
  type PairOptions,
  recordingProvider,
  text,
} from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { PacketType } from '../src/constants.ts'
import { UsmpError } from '../src/errors.ts'
import { decodeFrame } from '../src/frame.ts'

const SIDES = ['client', 'server'] as const
const typesOf = (frames: readonly Uint8Array[]) => frames.map((frame) => decodeFrame(frame).type)
/** A pair in a session, and the types of what each side sends from here on. */
function session(options: PairOptions = {}) {
  const pair = new Pair(options).connect()
  const before = { client: pair.sent.client.length, server: pair.sent.server.length }
  const sent = (side: 'client' | 'server') => typesOf(pair.sent[side].slice(before[side]))
  return { pair, sent }
}

describe('messages', () => {
  test.each([0, 1, 451, 452, 453, 904, 905, 1356, 1357, 1808])('of %i bytes arrive whole, both ways', (size) => {
    const { pair } = session()
    for (const side of SIDES) pair.send(side, bytesOf(size))
    pair.wait(100)
    for (const side of SIDES) expect(pair.messages(side)).toEqual([bytesOf(size)])
  })

  test('may be changed by their sender behind the call', () => {
    const { pair } = session()
    const message = text('as it was')
    pair.send('client', message)
    message.fill(0)
    expect(pair.wait(100).messages('server')).toEqual([text('as it was')])
  })

  test('stay what they are when the receive buffer is used again', () => {
    const { pair } = session()
    pair.send('client', text('kept'))
    const bytes = pair.wire.shift()!.bytes.slice()
    pair.deliver('server', bytes)
    bytes.fill(0)
    expect(pair.messages('server')).toEqual([text('kept')])
  })

  test('cannot be sent before there is a session', () => {
    const pair = new Pair({ network: () => [] })
    for (const side of SIDES) {
      expect(codeOf(() => pair.send(side, text('x')))).toBe('NOT_CONNECTED')
      expect(codeOf(() => pair.act(side, (end) => end.ping(0)))).toBe('NOT_CONNECTED')
      expect(codeOf(() => pair.act(side, (end) => end.rekey(0)))).toBe('NOT_CONNECTED')
    }
  })

  test('the server may speak first, right behind SESSION_OK', () => {
    const pair = new Pair()
    pair.wait(30)
    expect(pair.server.established).toBe(true)
    pair.send('server', text('welcome'))
    expect(pair.wait(20).messages('client')).toEqual([text('welcome')])
  })
})

describe('PING', () => {
  test.each(SIDES)('of the %s measures the round trip', (side) => {
    const { pair } = session({ latency: 35 })
    pair.act(side, (end) => end.ping(pair.now))
    pair.wait(100)
    expect(pair.events[side].at(-1)).toEqual({ kind: 'pong', roundTrip: 70 })
    expect(pair.kinds(otherSide(side))).not.toContain('pong')
  })

  test('requests while one is under way share its answer', () => {
    const { pair, sent } = session()
    for (let i = 0; i < 20; i++) pair.act('client', (end) => end.ping(pair.now))
    pair.wait(100)
    expect(sent('client')).toEqual([PacketType.PING])
    expect(pair.kinds('client').filter((event) => event === 'pong')).toHaveLength(1)
  })

  test('as often as an application likes is no flood', () => {
    const { pair } = session({ latency: 1 })
    for (let at = 0; at < 5000; at += 10) {
      for (const side of SIDES) pair.act(side, (end) => end.ping(pair.now))
      pair.wait(10)
    }
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
    expect(pair.kinds('client').filter((event) => event === 'pong').length).toBeGreaterThan(10)
  })
})

describe('FLOOD', () => {
  test('a stall of the network that ends makes no flood of what an honest peer has sent', () => {
    const stall = { from: 3_000, to: 3_900 }
    const pair = new Pair({
      network: ({ bytes, now }) => [{ bytes, delay: now >= stall.from && now < stall.to ? stall.to - now : 1 }],
    }).connect()
    for (let at = 0; at < 6_000; at += 10) {
      for (const side of SIDES) {
        pair.act(side, (end) => end.ping(pair.now))
        // It carries a PING of its own.
        codeOf(() => pair.act(side, (end) => end.rekey(pair.now)))
      }
      pair.wait(10)
    }
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
    expect(pair.kinds('client').filter((event) => event === 'rekeyed').length).toBeGreaterThan(10)
  })
})

describe('keepalive and idle end', () => {
  test('a quiet client sends PING after 20 s, and the session lives on', () => {
    const { pair, sent } = session()
    pair.run(19_000)
    expect(sent('client')).toEqual([])
    pair.run(21_100)
    expect(sent('client')).toEqual([PacketType.PING])
    pair.run(600_000)
    expect([pair.reason('client'), pair.reason('server')]).toEqual([undefined, undefined])
  })

  test('a client that sends and hears nothing asks too', () => {
    const { pair, sent } = session()
    for (let at = 2_000; at < 30_000; at += 1_000) {
      pair.run(at)
      pair.send('client', text('x'))
    }
    expect(sent('client')).toContain(PacketType.PING)
  })

  test('a server sends none by itself', () => {
    const { pair, sent } = session({ client: { keepalive: 0 } })
    pair.run(50_000)
    expect(sent('server')).toEqual([])
  })

  test.each(SIDES)('the %s ends after 60 s without an authentic frame', (side) => {
    const { pair } = session({ client: { keepalive: 0 }, [otherSide(side)]: { keepalive: 0, idleTimeout: 0 } })
    const heardAt = pair.now
    pair.send(otherSide(side), text('the last'))
    pair.wire.splice(0, pair.wire.length, ...pair.wire.map((packet) => ({ ...packet, at: heardAt })))
    pair.run(heardAt + 59_999)
    expect(pair.reason(side)).toBeUndefined()
    pair.run(heardAt + 60_000)
    expect(pair.reason(side)).toBe('IDLE_TIMEOUT')
    expect(pair.messages(side)).toEqual([text('the last')])
  })

  test('while nothing is read, silence means nothing', () => {
    const { pair } = session({ client: { keepalive: 0, idleTimeout: 0 } })
    pair.server.setReading(false, pair.now)
    pair.run(200_000)
    expect(pair.reason('server')).toBeUndefined()
    pair.server.setReading(true, pair.now)
    pair.run(259_999)
    expect(pair.reason('server')).toBeUndefined()
    pair.run(260_000)
    expect(pair.reason('server')).toBe('IDLE_TIMEOUT')
  })

  test('both can be switched off', () => {
    const { pair } = session({ client: { keepalive: 0, idleTimeout: 0 }, server: { idleTimeout: 0 } })
    expect(pair.client.pollTimeout()).toBeUndefined()
    expect(pair.server.pollTimeout()).toBeUndefined()
  })
})

describe('the end', () => {
  test.each(SIDES)('a BYE of the %s ends both sides well, behind what was sent before', (side) => {
    const { pair, sent } = session()
    pair.send(side, text('last words'))
    pair.act(side, (end) => end.close())
    pair.wait(100)
    expect(sent(side)).toEqual([PacketType.DATA, PacketType.BYE])
    expect(sent(otherSide(side))).toEqual([])
    expect(pair.messages(otherSide(side))).toEqual([text('last words')])
    expect([pair.reason('client'), pair.reason('server')]).toEqual(['CLOSED', 'CLOSED'])
    pair.act(otherSide(side), (end) => end.receiveEnd(new Error('reset')))
    expect(pair.reason(otherSide(side))).toBe('CLOSED')
  })

  test('who is ended by its peer is told that another device may have its id: the wire does not say it', () => {
    const { pair } = session()
    pair.act('server', (end) => end.close(new UsmpError('REPLACED')))
    pair.wait(100)
    expect(pair.reason('server')).toBe('REPLACED')
    expect(pair.reason('client')).toBe('CLOSED')
    expect(pair.client.closedReason?.hint).toContain('same device id')
  })

  test('a transport that ends without BYE is TRUNCATED, by a fault TRANSPORT_FAILED with its cause', () => {
    for (const side of SIDES) {
      const quiet = session().pair
      quiet.act(side, (end) => end.receiveEnd())
      expect(quiet.reason(side)).toBe('TRUNCATED')
      const broken = session().pair
      const cause = new Error('reset')
      broken.act(side, (end) => end.receiveEnd(cause))
      expect(broken.reason(side)).toBe('TRANSPORT_FAILED')
      expect(broken.ends[side].closedReason?.cause).toBe(cause)
    }
  })

  test('an end in the middle of a frame is TRUNCATED and says so', () => {
    const { pair } = session()
    pair.send('client', text('x'))
    pair.deliver('server', pair.wire.shift()!.bytes.subarray(0, 20))
    pair.act('server', (end) => end.receiveEnd())
    expect(pair.reason('server')).toBe('TRUNCATED')
    expect(pair.server.closedReason?.message).toMatch(/middle of a frame/)
  })

  test('half a message is never delivered', () => {
    const { pair } = session()
    pair.send('client', bytesOf(1000))
    pair.wire.pop()
    pair.wait(100)
    pair.act('server', (end) => end.receiveEnd())
    expect(pair.messages('server')).toEqual([])
    expect(pair.reason('server')).toBe('TRUNCATED')
  })

  test.each([
    ['BYE', (pair: Pair) => pair.act('client', (end) => end.close()), 'CLOSED'],
    ['a fault', (pair: Pair) => pair.deliver('client', text('GET / HTTP/1.1')), 'BAD_MAGIC'],
    ['time', (pair: Pair) => pair.run(200_000), 'IDLE_TIMEOUT'],
    [
      'the owner, for a reason',
      (pair: Pair) => pair.act('client', (end) => end.close(new UsmpError('SHUTDOWN'))),
      'SHUTDOWN',
    ],
  ] as const)('after the end by %s every call tells the same error, and nothing more is sent', (_, endIt, code) => {
    const { pair } = session({ client: { keepalive: 0, extensions: [0x42] }, server: { idleTimeout: 0 } })
    endIt(pair)
    const reason = pair.client.closedReason
    expect(reason?.code).toBe(code)
    const sent = pair.sent.client.length
    const calls = [
      () => pair.send('client', text('x')),
      () => pair.act('client', (end) => end.sendExtension(0x42, text('x'), pair.now)),
      () => pair.act('client', (end) => end.ping(pair.now)),
      () => pair.act('client', (end) => end.rekey(pair.now)),
    ]
    for (const call of calls) expect(call).toThrow(reason)
    pair.act('client', (end) => {
      end.close()
      end.receive(bytesOf(40), pair.now)
      end.receiveEnd(new Error('late'))
      end.handleTimeout(pair.now + 1_000_000)
    })
    expect(pair.client.closedReason).toBe(reason)
    expect(pair.client.pollTimeout()).toBeUndefined()
    expect(pair.sent.client).toHaveLength(sent)
    expect(pair.kinds('client').filter((event) => event === 'closed')).toHaveLength(1)
  })

  test('closing with a provider that fails still ends the session', () => {
    const provider = recordingProvider()
    const { pair, sent } = session({ client: { provider } })
    provider.failSealIn(1)
    pair.act('client', (end) => end.close())
    expect(pair.reason('client')).toBe('CLOSED')
    expect(sent('client')).toEqual([])
    expect(provider.alive()).toEqual([])
  })

  test('closing during the handshake ends it without a BYE', () => {
    const pair = new Pair({ network: () => [] })
    for (const side of SIDES) pair.act(side, (end) => end.close())
    expect([pair.reason('client'), pair.reason('server')]).toEqual(['CLOSED', 'CLOSED'])
    expect(pair.sent).toMatchObject({ client: [expect.anything()], server: [] })
  })

  test('events before a fault in the same bytes are still there', () => {
    const { pair } = session()
    pair.send('client', text('a'))
    pair.send('client', text('b'))
    pair.act('client', (end) => end.close())
    const bytes = pair.wire.splice(0).flatMap((packet) => [...packet.bytes])
    pair.server.receive(Uint8Array.from([...bytes, 1, 2, 3]), pair.now)
    pair.drive()
    expect(pair.messages('server')).toEqual([text('a'), text('b')])
    expect(pair.events.server.at(-1)).toMatchObject({ kind: 'closed', reason: { code: 'CLOSED' } })
  })
})

describe('rekey', () => {
  test.each(SIDES)('by the %s: reported there when the peer has used the new keys', (side) => {
    const { pair } = session()
    pair.act(side, (end) => end.rekey(pair.now))
    expect(pair.kinds(side)).not.toContain('rekeyed')
    expect(codeOf(() => pair.act(side, (end) => end.rekey(pair.now)))).toBe('INVALID_ARGUMENT')
    pair.wait(100)
    expect(pair.kinds(side).filter((event) => event === 'rekeyed')).toHaveLength(1)
    expect(pair.kinds(otherSide(side))).not.toContain('rekeyed')
    for (const from of SIDES) pair.send(from, text('on'))
    pair.wait(100)
    for (const to of SIDES) expect(pair.messages(to)).toEqual([text('on')])
  })

  test('frames under the old key that cross it are delivered', () => {
    const { pair } = session()
    pair.send('server', text('crossing'))
    pair.act('client', (end) => end.rekey(pair.now))
    pair.send('client', text('right behind'))
    pair.wait(100)
    expect(pair.messages('client')).toEqual([text('crossing')])
    expect(pair.messages('server')).toEqual([text('right behind')])
  })

  test('of both at once: both hear of the new keys, and numbers begin from 0', () => {
    const { pair } = session()
    for (const side of SIDES) pair.act(side, (end) => end.rekey(pair.now))
    pair.wait(100)
    for (const side of SIDES) expect(pair.kinds(side).filter((event) => event === 'rekeyed')).toHaveLength(1)
    for (const from of SIDES) pair.send(from, text('on'))
    expect(decodeFrame(pair.sent.server.at(-1)!).seq).toBeLessThan(3)
    pair.wait(100)
    for (const to of SIDES) expect(pair.messages(to)).toEqual([text('on')])
  })

  test('a BYE right behind it ends well, and `closed` stays the last event', () => {
    const { pair } = session()
    pair.act('server', (end) => end.close())
    pair.act('client', (end) => end.rekey(pair.now))
    pair.wait(100)
    expect(pair.reason('client')).toBe('CLOSED')
    expect(pair.events.client.at(-1)?.kind).toBe('closed')
  })

  test('a failing random source leaves the session as it was', () => {
    let broken = false
    const random = (length: number) => {
      if (broken) throw new Error('no entropy')
      return bytesOf(length, 3)
    }
    const { pair } = session({ client: { random } })
    broken = true
    expect(codeOf(() => pair.act('client', (end) => end.rekey(pair.now)))).toBe('RANDOM_FAILED')
    pair.send('client', text('on'))
    expect(pair.wait(100).messages('server')).toEqual([text('on')])
  })
})
