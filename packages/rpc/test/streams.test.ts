import * as v from 'valibot'
import { afterEach, describe, expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { contract, RpcCode, RpcError, rpc } from '../src/index.ts'
import { codeOf, collect, failureOf, isSettled, RawPeer, SimulatedClock, sessionPair, turns, until } from './helpers.ts'

const api = contract({
  requests: { ready: { params: v.object({}), result: v.boolean() } },
  streams: { count: { params: v.object({ to: v.number() }), item: v.number() } },
})

type Count = Parameters<typeof rpc<typeof api>>[1]['streams']['count']

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()))
})

async function* upTo({ to }: { to: number }) {
  for (let n = 0; n < to; n++) yield n
}

/** A value after another, each given by the test. */
function source() {
  let wake: (() => void) | undefined
  const values: (number | Error)[] = []
  const state = { drawn: 0, ended: false, signal: undefined as AbortSignal | undefined }
  async function* items(_: unknown, { signal }: { signal: AbortSignal }) {
    state.signal = signal
    signal.addEventListener('abort', () => wake?.())
    try {
      while (!signal.aborted) {
        while (values.length === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve))
        const value = values.shift()
        if (value instanceof Error) throw value
        if (value === undefined) return
        state.drawn++
        yield value
      }
    } finally {
      state.ended = true
    }
  }
  const give = (...more: (number | Error)[]) => {
    values.push(...more)
    wake?.()
  }
  return { items, give, state }
}

async function pair(count: Count, limits: Parameters<typeof rpc<typeof api>>[1]['limits'] = {}) {
  const time = new SimulatedClock()
  const { client, server } = await sessionPair()
  open.push(client, server)
  const faults: Error[] = []
  const onFault = (fault: Error) => faults.push(fault)
  rpc(server, { serves: api, requests: { ready: () => true }, streams: { count }, clock: time, onFault, limits })
  return { consumer: rpc(client, { calls: api, clock: time }), faults, client, server, time }
}

/** A server whose consumer is played by the test. */
async function served(count: Count) {
  const { client, server } = await sessionPair()
  open.push(client, server)
  const faults: Error[] = []
  const onFault = (fault: Error) => faults.push(fault)
  rpc(server, { serves: api, requests: { ready: () => true }, streams: { count }, onFault })
  const raw = new RawPeer(client)
  /** Every value up to the answer to a question that is asked now. */
  const items = async () => {
    await raw.send({ jsonrpc: '2.0', id: 'now', method: 'ready' })
    const seen: unknown[] = []
    for (let next = await raw.next(); next.id !== 'now'; next = await raw.next()) {
      seen.push(next.method === '$/item' ? (next.params as { value: unknown }).value : next)
    }
    return seen
  }
  return { raw, items, faults }
}

/** A consumer whose server is played by the test. */
async function consuming() {
  const { client, server } = await sessionPair()
  open.push(client, server)
  return { raw: new RawPeer(server), consumer: rpc(client, { calls: api }) }
}

describe.each(['block', 'keepLatest', 'dropOldest'] as const)('a stream that can %s', (overflow) => {
  const serve = (items: Count['items']): Count =>
    overflow === 'dropOldest' ? { overflow, buffer: 1000, items } : { overflow, items }

  test('brings its items and its end', async () => {
    const { consumer } = await pair(serve(upTo))
    const seen = await collect(consumer.stream('count', { to: 100 }))
    expectTypeOf(seen).toEqualTypeOf<number[]>()
    // The newest is never lost.
    expect(seen.at(-1)).toBe(99)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
    if (overflow !== 'keepLatest') expect(seen.length).toBe(100)
  })

  test('may be empty', async () => {
    const { consumer } = await pair(serve(upTo))
    expect(await collect(consumer.stream('count', { to: 0 }))).toEqual([])
  })

  test('fails with the error of its source, after its items', async () => {
    const { give, items } = source()
    const { consumer, faults } = await pair(serve(items))
    const stream = consumer.stream('count', { to: 0 })
    give(1)
    expect((await stream.next()).value).toBe(1)
    give(new RpcError(-32005, 'robot is gone', { robot: 'r1' }))
    const failure = await failureOf(stream.next())
    expect(failure).toMatchObject({ code: -32005, message: 'robot is gone', data: { robot: 'r1' } })
    expect(faults).toEqual([])
  })

  test('ends also where its error cannot be sent', async () => {
    const { give, items } = source()
    const { consumer } = await pair(serve(items), { message: 4000 })
    give(new RpcError(-32005, 'robot is gone', 'x'.repeat(5000)))
    expect(await failureOf(consumer.stream('count', { to: 0 }).next())).toMatchObject({ code: RpcCode.BUSY })
  })

  test('does not tell what is internal', async () => {
    const { give, items } = source()
    const { consumer, faults } = await pair(serve(items))
    const fault = new Error('swordfish')
    give(fault)
    expect(await failureOf(consumer.stream('count', { to: 0 }).next())).toMatchObject({
      code: RpcCode.INTERNAL_ERROR,
      message: 'internal error',
    })
    expect(faults).toEqual([fault])
  })

  test('stops its source when the consumer leaves', async () => {
    const { give, items, state } = source()
    const { consumer } = await pair(serve(items))
    give(1)
    for await (const item of consumer.stream('count', { to: 0 })) {
      expect(item).toBe(1)
      break
    }
    await until(() => state.ended)
    expect(state.signal!.reason).toMatchObject({ code: RpcCode.CANCELLED })
  })

  test('stops when its signal fires, also before it is open', async () => {
    const { give, items, state } = source()
    const { consumer } = await pair(serve(items), { streams: 1 })
    const early = new AbortController()
    const opening = consumer.stream('count', { to: 0 }, { signal: early.signal }).next()
    early.abort()
    expect(await codeOf(opening)).toBe('ABORTED')
    await turns()

    const abort = new AbortController()
    const stream = consumer.stream('count', { to: 0 }, { signal: abort.signal })
    give(1)
    await stream.next()
    const next = stream.next()
    abort.abort()
    expect(await codeOf(next)).toBe('ABORTED')
    await until(() => state.ended)
  })

  test('ends at both ends with the session', async () => {
    const { give, items, state } = source()
    const { consumer, server, faults } = await pair(serve(items))
    const stream = consumer.stream('count', { to: 0 })
    give(1)
    await stream.next()
    const next = stream.next()
    next.catch(() => {})
    await server.close()
    expect(await codeOf(next)).toBe('CLOSED')
    await until(() => state.ended)
    expect(faults).toEqual([])
  })
})

describe('overflow', () => {
  test('block: nothing is drawn that the consumer has no room for', async () => {
    let drawn = 0
    const { consumer } = await pair({
      overflow: 'block',
      items: async function* ({ to }) {
        for (; drawn < to; ) yield drawn++
      },
    })
    const stream = consumer.stream('count', { to: 200 })
    await stream.next()
    await turns(50)
    expect(drawn).toBeLessThanOrEqual(1 + 16)
    const rest = await collect(stream)
    expect(rest).toEqual(Array.from({ length: 199 }, (_, n) => n + 1))
  })

  test('block: a source that waits for room, and looks at no signal, is ended too', async () => {
    let ended = false
    const { consumer } = await pair({
      overflow: 'block',
      items: async function* () {
        try {
          for (let n = 0; ; n++) yield n
        } finally {
          ended = true
        }
      },
    })
    for await (const _ of consumer.stream('count', { to: 0 })) break
    await until(() => ended)
  })

  test('block: without credit nothing comes', async () => {
    const { raw, items } = await served({ overflow: 'block', items: upTo })
    expect(await raw.ask({ jsonrpc: '2.0', id: 1, method: 'count', params: { to: 5 } })).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { stream: 1, overflow: 'block' },
    })
    expect(await items()).toEqual([])
    const credit = (count: number) => raw.send({ jsonrpc: '2.0', method: '$/credit', params: { stream: 1, count } })
    await credit(2)
    await turns()
    expect(await items()).toEqual([0, 1])
    await credit(4)
    await turns()
    expect(await items()).toEqual([2, 3, 4, { jsonrpc: '2.0', method: '$/end', params: { stream: 1 } }])
  })

  test('keepLatest: a slow consumer gets the newest', async () => {
    const { give, items, state } = source()
    const { consumer } = await pair({ overflow: 'keepLatest', items })
    const stream = consumer.stream('count', { to: 0 })
    give(0)
    await stream.next()
    for (let n = 1; n <= 60; n++) {
      give(n)
      await until(() => state.drawn === n + 1)
    }
    await turns(50)
    expect((await stream.next()).value).toBe(60)
    await stream.return()
  })

  test('keepLatest and dropOldest: peers that know no credit get everything that the session takes', async () => {
    for (const count of [
      { overflow: 'keepLatest', items: upTo },
      { overflow: 'dropOldest', buffer: 3, items: upTo },
    ] as const) {
      const { give, items: values } = source()
      const { raw, items } = await served({ ...count, items: values })
      await raw.ask({ jsonrpc: '2.0', id: 7, method: 'count', params: { to: 0 } })
      for (const n of [1, 2, 3]) {
        give(n)
        await turns()
      }
      expect(await items()).toEqual([1, 2, 3])
    }
  })

  test('dropOldest: so many wait, and the oldest are lost', async () => {
    const { give, items: values, state } = source()
    const { raw, items } = await served({ overflow: 'dropOldest', buffer: 3, items: values })
    await raw.ask({ jsonrpc: '2.0', id: 1, method: 'count', params: { to: 0 }, credit: 1 })
    give(0, 1, 2, 3, 4, 5)
    await until(() => state.drawn === 6)
    await raw.send({ jsonrpc: '2.0', method: '$/credit', params: { stream: 1, count: 10 } })
    await turns()
    const seen = await items()
    expect(seen.slice(-3)).toEqual([3, 4, 5])
    expect(seen.length).toBe(4)
  })
})

describe('on the wire', () => {
  test('a stream is a request, items and an end', async () => {
    const { raw, consumer } = await consuming()
    const all = collect(consumer.stream('count', { to: 2 }))
    expect(await raw.next()).toEqual({ jsonrpc: '2.0', id: 1, method: 'count', params: { to: 2 }, credit: 16 })
    await raw.send({ jsonrpc: '2.0', id: 1, result: { stream: 'x' } })
    const item = (value: unknown) => raw.send({ jsonrpc: '2.0', method: '$/item', params: { stream: 'x', value } })
    await item(0)
    await item(1)
    await raw.send({ jsonrpc: '2.0', method: '$/end', params: { stream: 'x' } })
    expect(await all).toEqual([0, 1])
    // What has ended is not stopped as well.
    consumer.request('ready', {}).catch(() => {})
    expect(await raw.next()).toMatchObject({ method: 'ready' })
  })

  test('the id of an open stream is under way', async () => {
    const { raw } = await served({ overflow: 'block', items: upTo })
    await raw.ask({ jsonrpc: '2.0', id: 1, method: 'count', params: { to: 5 } })
    expect(await raw.ask({ jsonrpc: '2.0', id: 1, method: 'ready' })).toMatchObject({
      id: null,
      error: { code: -32600 },
    })
    await raw.send({ jsonrpc: '2.0', method: '$/stop', params: { stream: 1 } })
    await turns()
    expect(await raw.ask({ jsonrpc: '2.0', id: 1, method: 'ready' })).toMatchObject({ id: 1, result: true })
  })

  test('what comes after the end, or for no stream, is ignored', async () => {
    const { raw, consumer } = await consuming()
    const first = consumer.stream('count', { to: 2 })
    const next = first.next()
    await raw.next()
    await raw.send({ jsonrpc: '2.0', id: 1, result: { stream: 1 } })
    await raw.send({ jsonrpc: '2.0', method: '$/end', params: { stream: 1 } })
    await raw.send({ jsonrpc: '2.0', method: '$/item', params: { stream: 1, value: 5 } })
    await raw.send({ jsonrpc: '2.0', method: '$/item', params: { stream: 99, value: 5 } })
    await raw.send({ jsonrpc: '2.0', method: '$/item', params: { stream: { deep: 1 }, value: 5 } })
    await raw.send({ jsonrpc: '2.0', method: '$/end', params: { stream: 99, error: 'odd' } })
    expect(await next).toEqual({ done: true, value: undefined })
    const asked = consumer.request('ready', {})
    await raw.next()
    await raw.send({ jsonrpc: '2.0', id: 2, result: true })
    expect(await asked).toBe(true)
  })

  test.each([
    ['no stream', {}],
    ['null', null],
    ['an object as stream', { stream: {} }],
  ])('an answer with %s is no stream', async (_, result) => {
    const { raw, consumer } = await consuming()
    const next = consumer.stream('count', { to: 2 }).next()
    await raw.next()
    await raw.send({ jsonrpc: '2.0', id: 1, result })
    expect(await codeOf(next)).toBe('INVALID_RESPONSE')
  })

  test('two streams cannot have one name', async () => {
    const { raw, consumer } = await consuming()
    const first = consumer.stream('count', { to: 2 }).next()
    const second = consumer.stream('count', { to: 2 }).next()
    await raw.send({ jsonrpc: '2.0', id: 1, result: { stream: 1 } })
    await raw.send({ jsonrpc: '2.0', id: 2, result: { stream: 1 } })
    expect(await codeOf(second)).toBe('INVALID_RESPONSE')
    expect(await isSettled(first)).toBe(false)
    first.catch(() => {})
  })

  test('an item that does not fit the contract ends the stream', async () => {
    const { raw, consumer } = await consuming()
    const next = consumer.stream('count', { to: 2 }).next()
    await raw.next()
    await raw.send({ jsonrpc: '2.0', id: 1, result: { stream: 1 } })
    await raw.send({ jsonrpc: '2.0', method: '$/item', params: { stream: 1, value: 'five' } })
    expect(await codeOf(next)).toBe('INVALID_RESPONSE')
    expect(await raw.next()).toEqual({ jsonrpc: '2.0', method: '$/stop', params: { stream: 1 } })
  })

  test('a peer that ignores the credit fills no memory', async () => {
    const { raw, consumer } = await consuming()
    const stream = consumer.stream('count', { to: 2 })
    const next = stream.next()
    await raw.next()
    await raw.send({ jsonrpc: '2.0', id: 1, result: { stream: 1 } })
    for (let value = 0; value < 100; value++) {
      await raw.send({ jsonrpc: '2.0', method: '$/item', params: { stream: 1, value } })
    }
    await raw.send({ jsonrpc: '2.0', method: '$/end', params: { stream: 1 } })
    await next
    await turns(100)
    expect((await collect(stream)).length).toBeLessThanOrEqual(16)
  })
})

describe('limits', () => {
  test('only so many streams are served, and places come free', async () => {
    const { items, state } = source()
    const { consumer } = await pair({ overflow: 'block', items }, { streams: 1 })
    const abort = new AbortController()
    const first = consumer.stream('count', { to: 0 }, { signal: abort.signal }).next()
    await until(() => state.signal !== undefined)
    expect(await codeOf(consumer.stream('count', { to: 0 }).next())).toBe(RpcCode.BUSY)
    abort.abort()
    expect(await codeOf(first)).toBe('ABORTED')
    await until(() => state.ended)
    const second = consumer.stream('count', { to: 0 }).next()
    expect(await isSettled(second)).toBe(false)
    second.catch(() => {})
  })

  test('only so many streams are consumed', async () => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    const consumer = rpc(client, { calls: api, limits: { streams: 2 } })
    const waiting = [1, 2].map(() => consumer.stream('count', { to: 0 }).next())
    expect(await codeOf(consumer.stream('count', { to: 0 }).next())).toBe('QUEUE_FULL')
    for (const next of waiting) next.catch(() => {})
    void collect(server)
  })
})

test('a source whose `return` throws ends its stream, and not the process', async () => {
  const seen: unknown[] = []
  const note = (error: unknown) => seen.push(error)
  process.on('uncaughtException', note).on('unhandledRejection', note)
  onTestFinished(() => void process.off('uncaughtException', note).off('unhandledRejection', note))
  let returned = 0
  const items = () => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: 1 }) as const,
      return: () => {
        returned++
        throw new Error('the sensor is gone')
      },
    }),
  })
  const { consumer } = await pair({ items, overflow: 'block' } as never)
  for await (const item of consumer.stream('count', { to: 1 })) {
    expect(item).toBe(1)
    break
  }
  await until(() => returned > 0)
  await turns()
  expect(seen).toEqual([])
})
