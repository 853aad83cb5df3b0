import { fc, test as property } from '@fast-check/vitest'
import { MAX_MESSAGE } from '@usmp/core'
import * as v from 'valibot'
import { afterEach, describe, expect, test } from 'vitest'
import { CHUNK_HEADER, formatChunk } from '../src/chunks.ts'
import { contract, type Limits, RpcCode, rpc } from '../src/index.ts'
import { codeOf, RawPeer, sessionPair, turns, until } from './helpers.ts'

const api = contract({
  requests: {
    echo: { params: v.object({ value: v.unknown() }), result: v.unknown() },
    wait: { params: v.object({}), result: v.unknown() },
  },
  notifications: { note: v.object({ n: v.number() }) },
})

/** Bytes of a message in one chunk of a session of ours. */
const CHUNK_SIZE = MAX_MESSAGE - CHUNK_HEADER

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()))
})

/** A device that serves `api`; its peer is played by the test. */
async function device(limits: Partial<Limits> = {}) {
  const { client, server } = await sessionPair()
  open.push(client, server)
  const faults: { code?: unknown; message: string }[] = []
  const notes: number[] = []
  const release: (() => void)[] = []
  const peer = rpc(client, {
    serves: api,
    calls: api,
    limits,
    requests: {
      echo: ({ value }) => value,
      wait: () => new Promise((resolve) => release.push(() => resolve('done'))),
    },
    notifications: { note: ({ n }) => void notes.push(n) },
    onFault: (fault) => faults.push(fault),
  })
  return { raw: new RawPeer(server), peer, faults, notes, release }
}

/** That the session lives: the next thing it answers is this. */
async function expectAlive(raw: RawPeer, value: unknown = 'alive'): Promise<void> {
  const id = Math.random()
  expect(await raw.ask({ jsonrpc: '2.0', id, method: 'echo', params: { value } })).toEqual({
    jsonrpc: '2.0',
    id,
    result: value,
  })
}

const utf8 = (text: string) => new TextEncoder().encode(text)

describe('what is no request gets a clear error, and the session lives', () => {
  test.each<[string, string | Uint8Array, number, string | number | null, RegExp]>([
    ['nothing', '', -32700, null, /not JSON/],
    ['half an object', '{"jsonrpc":"2.0","id":1', -32700, null, /not JSON/],
    ['wrong UTF-8', Uint8Array.of(0x22, 0xc3, 0x28, 0x22), -32700, null, /not UTF-8/],
    ['a surrogate in UTF-8', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), -32700, null, /not UTF-8/],
    ['a byte order mark', Uint8Array.of(0xef, 0xbb, 0xbf, ...utf8('{}')), -32700, null, /not JSON/],
    ['NaN', '{"jsonrpc":"2.0","id":1,"method":"echo","params":{"value":NaN}}', -32700, null, /not JSON/],
    ['a number', '7', -32600, null, /must be an object/],
    ['null', 'null', -32600, null, /must be an object/],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"echo"}]', -32600, null, /batches are not supported/],
    ['an empty batch', '[]', -32600, null, /batches are not supported/],
    ['no version', '{"id":1,"method":"echo"}', -32600, 1, /"jsonrpc" must be "2.0"/],
    ['version 1', '{"jsonrpc":"1.0","id":1,"method":"echo"}', -32600, 1, /"jsonrpc" must be "2.0"/],
    ['no method', '{"jsonrpc":"2.0","id":1}', -32600, 1, /"method" must be a text/],
    ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":5}', -32600, 1, /"method" must be a text/],
    ['an id that is null', '{"jsonrpc":"2.0","id":null,"method":"echo"}', -32600, null, /"id" must be/],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"echo"}', -32600, null, /"id" must be/],
    ['an endless id', `{"jsonrpc":"2.0","id":"${'9'.repeat(129)}","method":"echo"}`, -32600, null, /at most 128/],
    ['an unknown method', '{"jsonrpc":"2.0","id":"a","method":"fly"}', -32601, 'a', /no method "fly"/],
    ['a notification as request', '{"jsonrpc":"2.0","id":1,"method":"note","params":{"n":1}}', -32601, 1, /"note"/],
    ['what every object has', '{"jsonrpc":"2.0","id":1,"method":"constructor"}', -32601, 1, /"constructor"/],
    ['a prototype', '{"jsonrpc":"2.0","id":1,"method":"__proto__"}', -32601, 1, /"__proto__"/],
    ['a reserved method', '{"jsonrpc":"2.0","id":1,"method":"$/stop"}', -32601, 1, /no method/],
    ['parameters in a row', '{"jsonrpc":"2.0","id":1,"method":"echo","params":[1]}', -32602, 1, /must be an object/],
    ['parameters of null', '{"jsonrpc":"2.0","id":1,"method":"echo","params":null}', -32602, 1, /must be an object/],
    ['missing parameters', '{"jsonrpc":"2.0","id":1,"method":"echo"}', -32602, 1, /value/],
    ['an age without ttl', '{"jsonrpc":"2.0","id":1,"method":"wait","age":{"at":5}}', -32600, 1, /"age" must be/],
    ['an age that is a text', '{"jsonrpc":"2.0","id":1,"method":"wait","age":"5"}', -32600, 1, /"age" must be/],
    ['a negative ttl', '{"jsonrpc":"2.0","id":1,"method":"wait","age":{"at":5,"ttl":-1}}', -32600, 1, /"age" must be/],
    ['a credit of half', '{"jsonrpc":"2.0","id":1,"method":"wait","credit":0.5}', -32600, 1, /"credit" must be/],
  ])('%s', async (_, message, code, id, text) => {
    const { raw } = await device()
    await raw.session.send(message)
    const answer = await raw.next()
    expect(answer).toMatchObject({ jsonrpc: '2.0', id, error: { code, message: expect.stringMatching(text) } })
    expect(Object.keys(answer).sort()).toEqual(['error', 'id', 'jsonrpc'])
    await expectAlive(raw)
  })

  test('an id that is under way already', async () => {
    const { raw, release } = await device()
    const first = { jsonrpc: '2.0', id: 7, method: 'wait' }
    await raw.send(first)
    expect(await raw.ask(first)).toMatchObject({ id: null, error: { code: -32600, message: /id 7 is under way/ } })
    // The text "7" is another id.
    await raw.send({ ...first, id: '7' })
    await until(() => release.length === 2)
    release[0]!()
    expect(await raw.next()).toEqual({ jsonrpc: '2.0', id: 7, result: 'done' })
    await expectAlive(raw)
  })

  test('long texts are cut in the answer', async () => {
    const { raw } = await device()
    const answer = await raw.ask({ jsonrpc: '2.0', id: 1, method: 'x'.repeat(1700) })
    expect((answer.error as { message: string }).message.length).toBe(512)
  })
})

describe('what is not answered is told at this end, and the session lives', () => {
  test.each<[string, unknown, unknown]>([
    ['an answer to nothing', { jsonrpc: '2.0', id: 99, result: 1 }, /answer to nothing, id 99/],
    ['an error about nothing', { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'what?' } }, /what\?/],
    ['an answer without id', { jsonrpc: '2.0', result: 1 }, /without a usable "id"/],
    ['a result of nothing', { jsonrpc: '2.0', id: null, result: 1 }, /result without an "id"/],
    ['result and error', { jsonrpc: '2.0', id: 1, result: 1, error: { code: 1, message: '' } }, /not both/],
    ['an error that is a text', { jsonrpc: '2.0', id: 1, error: 'no' }, /an error needs/],
    ['an answer of another version', { jsonrpc: '3.0', id: 1, result: 1 }, /"jsonrpc" must be/],
    ['a notification without object', { jsonrpc: '2.0', method: 'note', params: [1] }, /"params" must be an object/],
    ['a notification that is unknown', { jsonrpc: '2.0', method: 'constructor' }, /no notification "constructor"/],
    ['a notification that does not fit', { jsonrpc: '2.0', method: 'note', params: { n: 'x' } }, /note: n: /],
  ])('%s', async (_, message, text) => {
    const { raw, faults } = await device()
    await raw.send(message)
    await expectAlive(raw)
    expect(faults.map((fault) => fault.message)).toEqual([expect.stringMatching(text as RegExp)])
  })

  test.each([
    ['an error without code', { error: { message: 'x' } }],
    ['nothing but an error', { error: null }],
    ['result and error', { result: 1, error: { code: 1, message: 'x' } }],
  ])('a malformed answer fails its request: %s', async (_, answer) => {
    const { raw, peer } = await device()
    const asked = peer.request('wait', {})
    const { id } = await raw.next()
    await raw.send({ jsonrpc: '2.0', id, ...answer })
    expect(await codeOf(asked)).toBe('INVALID_RESPONSE')
    await expectAlive(raw)
  })

  test('an onFault that throws does not end the reading', async () => {
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', (error) => uncaught.push(error))
    try {
      const { client, server } = await sessionPair()
      open.push(client, server)
      const requests = { echo: ({ value }: { value: unknown }) => value, wait: () => null }
      rpc(client, {
        serves: api,
        requests,
        onFault: () => {
          throw new Error('a bug in the listener')
        },
      })
      const raw = new RawPeer(server)
      await raw.send({ jsonrpc: '2.0', id: 5, result: 1 })
      await expectAlive(raw)
      await until(() => uncaught.length === 1)
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })
})

describe('what a peer can make grow is bounded', () => {
  test('requests that are worked on', async () => {
    const { raw, release } = await device({ incomingRequests: 3 })
    for (let id = 1; id <= 3; id++) await raw.send({ jsonrpc: '2.0', id, method: 'wait' })
    expect(await raw.ask({ jsonrpc: '2.0', id: 4, method: 'wait' })).toMatchObject({ id: 4, error: { code: -32000 } })
    release[1]!()
    expect(await raw.next()).toMatchObject({ id: 2, result: 'done' })
    await expectAlive(raw)
  })

  test('requests that wait for their answer', async () => {
    const { raw, peer } = await device({ outgoingRequests: 2 })
    const asked = [peer.request('wait', {}), peer.request('wait', {})]
    expect(await codeOf(peer.request('wait', {}))).toBe('QUEUE_FULL')
    await raw.next()
    await raw.send({ jsonrpc: '2.0', id: 1, result: 'answered' })
    expect(await asked[0]).toBe('answered')
    void peer.request('wait', {}).catch(() => {})
    asked[1]!.catch(() => {})
  })

  test('notifications that are worked on', async () => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    const faults: Error[] = []
    let begun = 0
    rpc(client, {
      serves: api,
      requests: { echo: ({ value }) => value, wait: () => null },
      notifications: {
        note: () => {
          begun++
          return new Promise(() => {})
        },
      },
      limits: { incomingRequests: 2 },
      onFault: (fault) => faults.push(fault),
    })
    const raw = new RawPeer(server)
    for (let n = 0; n < 5; n++) await raw.send({ jsonrpc: '2.0', method: 'note', params: { n } })
    await expectAlive(raw)
    expect(begun).toBe(2)
    expect(faults.length).toBe(3)
  })

  test('refusals to somebody who sends rubbish and reads nothing', async () => {
    const { raw, peer } = await device({ incomingRequests: 4 })
    const rubbish = utf8('{'.repeat(100))
    for (let n = 0; n < 1000; n++) await raw.session.send(rubbish)
    // It still reads: a request of its own is answered.
    const asked = peer.request('wait', {})
    void (async () => {
      for (let next = await raw.next(); ; next = await raw.next()) {
        if (next.method === 'wait') return raw.send({ jsonrpc: '2.0', id: next.id, result: 'still there' })
      }
    })()
    expect(await asked).toBe('still there')
  })

  test('messages in chunks: their length', async () => {
    const { raw } = await device({ message: 5000 })
    const announce = formatChunk(9, 5001, 0, new Uint8Array(CHUNK_SIZE))
    await raw.session.send(announce)
    expect(await raw.next()).toMatchObject({ id: null, error: { code: -32000, data: { message: 9 } } })
    // The rest of it, which is under way already, is not complained about again.
    await raw.session.send(formatChunk(9, 5001, CHUNK_SIZE, new Uint8Array(CHUNK_SIZE)))
    await raw.session.send(formatChunk(9, 5001, 2 * CHUNK_SIZE, new Uint8Array(5001 - 2 * CHUNK_SIZE)))
    await expectAlive(raw)
  })

  test('messages in chunks: how many are unfinished', async () => {
    const { raw } = await device()
    for (let number = 0; number < 4; number++) await raw.session.send(formatChunk(number, 50, 0, new Uint8Array(1)))
    await raw.session.send(formatChunk(4, 50, 0, new Uint8Array(1)))
    expect(await raw.next()).toMatchObject({ id: null, error: { code: -32000, data: { message: 4 } } })
    // One that is given up makes room.
    await raw.session.send(formatChunk(2, 50, 0, new Uint8Array(0)))
    const text = utf8(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'echo', params: { value: 'x' } }))
    await raw.session.send(formatChunk(5, text.length, 0, text))
    expect(await raw.next()).toMatchObject({ id: 1, result: 'x' })
  })

  test.each<[string, Uint8Array[]]>([
    ['a chunk without header', [Uint8Array.of(0xff)]],
    ['a chunk of nothing known', [formatChunk(1, 100, 50, new Uint8Array(5))]],
    ['a gap', [formatChunk(1, 100, 0, new Uint8Array(5)), formatChunk(1, 100, 6, new Uint8Array(5))]],
    ['another length', [formatChunk(1, 100, 0, new Uint8Array(5)), formatChunk(1, 99, 5, new Uint8Array(5))]],
    ['more than announced', [formatChunk(1, 4, 0, new Uint8Array(5))]],
    ['no length', [formatChunk(1, 0, 0, new Uint8Array(5))]],
  ])('%s is refused once', async (_, chunks) => {
    const { raw } = await device()
    for (const chunk of chunks) await raw.session.send(chunk)
    expect(await raw.next()).toMatchObject({ id: null, error: { code: -32600 } })
    await expectAlive(raw)
  })

  test('what a peer does not take fails here at once, as it is told', async () => {
    const { raw, peer } = await device()
    const asked = peer.request('echo', { value: 'x'.repeat(10_000) })
    const first = await raw.session.receive()
    expect(first![0]).toBe(0xff)
    const number = first![1]! | (first![2]! << 8)
    await raw.send({
      jsonrpc: '2.0',
      id: null,
      error: { code: -32000, message: 'too large', data: { message: number } },
    })
    expect(await codeOf(asked)).toBe(RpcCode.BUSY)
  })

  test('messages of this end', async () => {
    const { peer } = await device({ message: 5000 })
    expect(await codeOf(peer.request('echo', { value: 'x'.repeat(5000) }))).toBe('MESSAGE_TOO_LARGE')
    expect(await codeOf(peer.notify('note', { n: 1, more: 'x'.repeat(5000) } as never))).toBe('MESSAGE_TOO_LARGE')
    expect(() => peer.tryNotify('note', { n: 1, more: 'x'.repeat(5000) } as never)).toThrow('5')
  })

  test('an answer that is too large is an error, and frees its place', async () => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    const requests = { echo: () => 'x'.repeat(5000), wait: () => 'small' }
    rpc(client, { serves: api, requests, limits: { message: 5000, incomingRequests: 1 } })
    const raw = new RawPeer(server)
    for (let id = 1; id <= 2; id++) {
      const answer = await raw.ask({ jsonrpc: '2.0', id, method: 'echo', params: { value: 1 } })
      expect(answer).toMatchObject({ id, error: { code: -32000, message: expect.stringContaining('cannot be sent') } })
      await turns()
    }
  })

  test.each([0, -1, 1.5, Number.NaN])('a limit of %d is none', async (incomingRequests) => {
    await expect(device({ incomingRequests })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('any junk', () => {
  const id = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.object())
  const method = fc.oneof(
    fc.constantFrom(
      'echo',
      'wait',
      'note',
      '$/cancel',
      '$/item',
      '$/end',
      '$/stop',
      '$/credit',
      '__proto__',
      'toString',
    ),
    fc.string(),
    fc.anything(),
  )
  const envelope = fc.record(
    {
      jsonrpc: fc.oneof({ weight: 9, arbitrary: fc.constant('2.0') }, fc.anything()),
      id,
      method,
      params: fc.oneof(
        fc.record(
          { id, stream: id, count: fc.integer(), value: fc.jsonValue(), error: fc.jsonValue() },
          { requiredKeys: [] },
        ),
        fc.jsonValue(),
      ),
      result: fc.jsonValue(),
      error: fc.jsonValue(),
      age: fc.jsonValue(),
      credit: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  const asText = (value: unknown) => {
    try {
      return JSON.stringify(value) ?? ''
    } catch {
      return '{'
    }
  }
  const junk = fc.oneof(
    envelope.map((value) => utf8(asText(value))),
    fc.jsonValue().map((value) => utf8(asText(value))),
    fc.uint8Array({ maxLength: 60 }),
    fc
      .record({ number: fc.nat(6), total: fc.nat(100), offset: fc.nat(20), data: fc.uint8Array({ maxLength: 30 }) })
      .map(({ number, total, offset, data }) => formatChunk(number, total, offset, data)),
  )

  property.prop([fc.array(junk, { maxLength: 40 })], { numRuns: 60 })(
    'leaves the session alive',
    async (messages) => {
      const { raw, peer } = await device()
      let asked: unknown
      // Anything of the junk might answer it.
      const asking = peer.request('wait', {}).then(
        (result) => (asked = { result }),
        (error) => (asked = { error }),
      )
      for (const message of messages) if (message.length <= MAX_MESSAGE) await raw.session.send(message)
      await turns(2)
      await raw.send({ jsonrpc: '2.0', id: 'the last', method: 'echo', params: { value: 'alive' } })
      let answer = await raw.next()
      while (answer.id !== 'the last' || answer.method !== undefined) answer = await raw.next()
      expect(answer.result).toBe('alive')
      await peer.notify('note', { n: 1 })
      await Promise.all([raw.session.close(), peer.closed])
      await asking
      expect(asked).toBeDefined()
      open.length = 0
    },
    30_000,
  )
})
