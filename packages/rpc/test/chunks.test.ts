import { fc, test as property } from '@fast-check/vitest'
import { MAX_MESSAGE, type Session } from '@usmp/core'
import * as v from 'valibot'
import { afterEach, describe, expect, test } from 'vitest'
import { CHUNK_HEADER, ChunkAssembler, formatChunk } from '../src/chunks.ts'
import { contract, type RpcSession, rpc } from '../src/index.ts'
import { codeOf, collect, isSettled, pattern, sessionPair, turns, until } from './helpers.ts'

const api = contract({
  requests: { echo: { params: v.object({ value: v.unknown() }), result: v.unknown() } },
  notifications: { note: v.object({ text: v.string() }) },
  streams: { repeat: { params: v.object({ text: v.string(), times: v.number() }), item: v.string() } },
})

/** Bytes of a message in one chunk of a session of ours. */
const CHUNK_SIZE = MAX_MESSAGE - CHUNK_HEADER

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()))
})

/** Notes what a session sends. */
function recorded(session: Session): Uint8Array[] {
  const sent: Uint8Array[] = []
  const send = session.send.bind(session)
  session.send = (message, options) => {
    sent.push(message as Uint8Array)
    return send(message, options)
  }
  return sent
}

async function pair() {
  const { client, server } = await sessionPair()
  open.push(client, server)
  const sent = recorded(client)
  const notes: string[] = []
  /** In which order things arrived. */
  const order: string[] = []
  rpc(server, {
    serves: api,
    requests: {
      echo: ({ value }) => {
        order.push('echo')
        return value
      },
    },
    notifications: {
      note: ({ text }) => {
        order.push('note')
        notes.push(text)
      },
    },
    streams: {
      repeat: {
        overflow: 'block',
        items: async function* ({ text, times }) {
          for (let n = 0; n < times; n++) yield text
        },
      },
    },
  })
  return { peer: rpc(client, { calls: api }), sent, notes, order, client, server }
}

/** A session that carries no longer messages than `maxMessage`. */
function narrow(session: Session, maxMessage: number): RpcSession {
  return {
    maxMessage,
    send: (message, options) => session.send(message, options),
    trySend: (message) => session.trySend(message),
    receive: (options) => session.receive(options),
    close: (reason) => session.close(reason),
    closed: session.closed,
  }
}

/** The length of the text that makes a request of `length` bytes. */
const requestOf = (length: number) =>
  'x'.repeat(length - JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'echo', params: { value: '' } }).length)

describe('a session with chunks', () => {
  test('a message of 1808 bytes is bare JSON, one of 1809 comes in chunks', async () => {
    for (const [length, first] of [
      [MAX_MESSAGE, 0x7b],
      [MAX_MESSAGE + 1, 0xff],
    ] as const) {
      const { peer, sent } = await pair()
      const value = requestOf(length)
      expect(await peer.request('echo', { value })).toBe(value)
      expect(sent.map((bytes) => bytes[0])).toEqual(length > MAX_MESSAGE ? [first, first] : [first])
      if (length === MAX_MESSAGE) expect(sent[0]!.length).toBe(MAX_MESSAGE)
    }
  })

  test.each([12, 100])(
    'a session that carries %d bytes sends chunks of that size, and they arrive whole',
    async (most) => {
      const { client, server } = await sessionPair()
      open.push(client, server)
      const sent = recorded(client)
      const serves = contract({ requests: { echo: { params: v.object({ value: v.string() }), result: v.string() } } })
      rpc(server, { serves, requests: { echo: ({ value }) => value } })
      const peer = rpc(narrow(client, most), { calls: serves })
      expect(await peer.request('echo', { value: 'x'.repeat(300) })).toBe('x'.repeat(300))
      expect(sent.length).toBeGreaterThan(300 / most)
      expect(Math.max(...sent.map(({ length }) => length))).toBe(most)
    },
  )

  test.each([11, 0, Number.NaN, undefined])('a session that carries %s bytes is not taken', async (most) => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    expect(() => rpc(narrow(client, most as number), { calls: api })).toThrow('maxMessage')
  })

  test('a chunk on the wire', async () => {
    const { peer, sent } = await pair()
    await peer.notify('note', { text: 'y'.repeat(2000) })
    const json = new TextEncoder().encode(
      JSON.stringify({ jsonrpc: '2.0', method: 'note', params: { text: 'y'.repeat(2000) } }),
    )
    const total = [json.length & 0xff, json.length >> 8, 0, 0]
    expect([...sent[0]!]).toEqual([0xff, 0, 0, ...total, 0, 0, 0, 0, ...json.subarray(0, 1797)])
    expect([...sent[1]!]).toEqual([0xff, 0, 0, ...total, 0x05, 0x07, 0, 0, ...json.subarray(1797)])
  })

  test('large things go both ways: requests, answers, notifications, items', async () => {
    const { peer, notes } = await pair()
    const large = Array.from({ length: 2_000 }, (_, n) => n)
    expect(await peer.request('echo', { value: large })).toEqual(large)
    await peer.notify('note', { text: 'ü'.repeat(5_000) })
    expect(peer.tryNotify('note', { text: 'z'.repeat(10_000) })).toBe(true)
    await until(() => notes.length === 2)
    expect(notes).toEqual(['ü'.repeat(5_000), 'z'.repeat(10_000)])
    const items = await collect(peer.stream('repeat', { text: 'w'.repeat(5000), times: 20 }))
    expect(items).toEqual(Array.from({ length: 20 }, () => 'w'.repeat(5000)))
  })

  test('more large messages than may be unfinished at a time', async () => {
    const { peer } = await pair()
    const values = Array.from({ length: 12 }, (_, n) => 'abcdefghijkl'.charAt(n).repeat(8_000))
    expect(await Promise.all(values.map((value) => peer.request('echo', { value })))).toEqual(values)
  })

  test('small messages overtake large ones', async () => {
    const { peer, order, client } = await pair()
    const large = 'x'.repeat(200_000)
    while (client.trySend('{"jsonrpc":"2.0","method":"filler"}'));
    const asked = peer.request('echo', { value: large })
    void peer.notify('note', { text: 'quick' })
    expect(await asked).toBe(large)
    expect(order).toEqual(['note', 'echo'])
  })

  test('an aborted large request leaves nothing at the peer', async () => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    const peer = rpc(client, { calls: api })
    const abort = new AbortController()
    const asked = peer.request('echo', { value: 'x'.repeat(200_000) }, { signal: abort.signal })
    const first = await server.receive()
    expect(first![0]).toBe(0xff)
    abort.abort()
    expect(await codeOf(asked)).toBe('ABORTED')
    // What follows ends with an empty chunk of this message.
    let last = first!
    while (last.length > 11) {
      last = (await server.receive())!
      expect(last[0]).toBe(0xff)
    }
    expect([...last.subarray(0, 3)]).toEqual([...first!.subarray(0, 3)])
    // It was never a request for the peer, so nothing is cancelled.
    void peer.notify('note', { text: 'next' })
    expect(new TextDecoder().decode((await server.receive())!)).toContain('next')
  })

  test('who waits for a turn can leave', async () => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    const peer = rpc(client, { calls: api })
    const value = 'x'.repeat(200_000)
    const sending = Array.from({ length: 4 }, () => peer.request('echo', { value }))
    const abort = new AbortController()
    const waiting = peer.request('echo', { value }, { signal: abort.signal })
    expect(peer.tryNotify('note', { text: value })).toBe(false)
    abort.abort()
    expect(await codeOf(waiting)).toBe('ABORTED')
    await server.close()
    for (const request of sending) expect(await codeOf(request)).toBe('CLOSED')
  })

  property.prop([fc.jsonValue({ maxDepth: 6 })], { numRuns: 50 })('any JSON comes back as it was', async (value) => {
    const { peer } = await pair()
    expect(await peer.request('echo', { value })).toEqual(JSON.parse(JSON.stringify(value)))
  })
})

describe('joining', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 4 })

  property.prop([lengths, fc.integer({ min: 1, max: CHUNK_SIZE }), fc.infiniteStream(fc.nat())])(
    'any interleaving of the chunks of up to four messages gives every message',
    (totals, size, choices) => {
      const messages = totals.map((total, n) => pattern(total, n))
      const left = messages.map((bytes, number) => {
        const chunks: Uint8Array[] = []
        for (let at = 0; at < bytes.length; at += size) {
          chunks.push(formatChunk(number, bytes.length, at, bytes.subarray(at, at + size)))
        }
        return chunks
      })
      const assembler = new ChunkAssembler(5_000)
      const joined: Uint8Array[] = []
      while (left.some((chunks) => chunks.length > 0)) {
        const waiting = left.filter((chunks) => chunks.length > 0)
        const chunk = waiting[choices.next().value % waiting.length]!.shift()!
        const number = chunk[1]!
        const whole = assembler.push(chunk)
        if (whole) joined[number] = whole
      }
      expect(joined.length).toBe(messages.length)
      expect(joined.every((bytes, number) => Buffer.compare(bytes, messages[number]!) === 0)).toBe(true)
    },
  )

  test('a message that begins again takes the place of its unfinished beginning', () => {
    const assembler = new ChunkAssembler(100)
    expect(assembler.push(formatChunk(1, 4, 0, Uint8Array.of(9, 9)))).toBeUndefined()
    expect(assembler.push(formatChunk(1, 4, 0, Uint8Array.of(1, 2)))).toBeUndefined()
    expect([...assembler.push(formatChunk(1, 4, 2, Uint8Array.of(3, 4)))!]).toEqual([1, 2, 3, 4])
  })
})

test('turns are handed on when the session ends', async () => {
  const { client, server } = await sessionPair()
  open.push(client, server)
  const peer = rpc(client, { calls: api })
  const notes = Array.from({ length: 10 }, () => peer.notify('note', { text: 'x'.repeat(200_000) }))
  await turns()
  for (const note of notes) expect(await isSettled(note)).toBe(false)
  await server.close()
  for (const note of notes) expect(await codeOf(note)).toBe('CLOSED')
})
