import * as v from 'valibot'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import { contract, RpcCode, RpcError, rpc } from '../src/index.ts'
import { codeOf, failureOf, isSettled, RawPeer, SimulatedClock, sessionPair, turns, until } from './helpers.ts'

const robot = contract({
  requests: {
    drive: {
      params: v.object({ v: v.pipe(v.number(), v.finite()), w: v.pipe(v.number(), v.finite()) }),
      result: v.object({ v: v.number(), w: v.number() }),
    },
    stop: { params: v.object({}), result: v.object({}) },
    echo: { params: v.object({ value: v.unknown() }), result: v.unknown() },
  },
  notifications: { chat: v.object({ text: v.string() }) },
})
const hub = contract({
  requests: { name: { params: v.object({}), result: v.string() } },
  notifications: { telemetry: v.object({ n: v.number() }) },
})

type Handlers = Parameters<typeof rpc<typeof robot, typeof hub>>[1]
const clamp: Handlers['requests']['drive'] = ({ v, w }) => ({ v: Math.min(v, 0.5), w })
const plain: Handlers['requests'] = { drive: clamp, stop: () => ({}), echo: ({ value }) => value }

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()))
})

/** A hub and a robot on one session; `time` is the clock of both. */
async function pair(options: Partial<Handlers> = {}) {
  const time = new SimulatedClock()
  const { client, server } = await sessionPair()
  open.push(client, server)
  const said: string[] = []
  const faults: Error[] = []
  const readings: number[] = []
  const device = rpc(client, {
    serves: robot,
    calls: hub,
    clock: time,
    notifications: { chat: ({ text }) => void said.push(text) },
    onFault: (fault) => faults.push(fault),
    ...options,
    requests: { ...plain, ...options.requests },
  })
  const gateway = rpc(server, {
    serves: hub,
    calls: robot,
    clock: time,
    requests: { name: () => 'hub' },
    notifications: { telemetry: ({ n }) => void readings.push(n) },
  })
  return { device, gateway, said, readings, faults, client, server, time }
}

/** A robot whose peer is played by the test. */
async function withRaw(options: Partial<Handlers> = {}) {
  const time = new SimulatedClock()
  const { client, server } = await sessionPair()
  open.push(client, server)
  const faults: Error[] = []
  const device = rpc(client, {
    serves: robot,
    calls: hub,
    clock: time,
    onFault: (fault) => faults.push(fault),
    ...options,
    requests: { ...plain, ...options.requests },
  })
  return { raw: new RawPeer(server), device, faults, time, client }
}

describe('requests', () => {
  test('both ends ask and answer on one session', async () => {
    const { device, gateway, time } = await pair()
    const answers = Promise.all([gateway.request('drive', { v: 2, w: 0.1 }), device.request('name', {})])
    expect(await answers).toEqual([{ v: 0.5, w: 0.1 }, 'hub'])
    expect(time.pending).toBe(0)
  })

  test('are typed by the contract', async () => {
    const { gateway, device } = await pair()
    expectTypeOf(await gateway.request('drive', { v: 0, w: 0 })).toEqualTypeOf<{ v: number; w: number }>()
    expectTypeOf(await device.request('name', {})).toEqualTypeOf<string>()
    // @ts-expect-error a text is no speed
    expect(await codeOf(gateway.request('drive', { v: 'fast', w: 0 }))).toBe('INVALID_ARGUMENT')
    // @ts-expect-error the robot has no such method
    expect(await codeOf(gateway.request('fly', {}))).toBe('INVALID_ARGUMENT')
    // @ts-expect-error it is a notification
    expect(await codeOf(gateway.request('chat', { text: '' }))).toBe('INVALID_ARGUMENT')
  })

  test('what does not fit the contract is not sent: JSON has no NaN', async () => {
    const driven: number[] = []
    const drive: typeof clamp = (params) => {
      driven.push(params.v)
      return params
    }
    const { gateway } = await pair({ requests: { ...plain, drive } })
    const failure = await failureOf(gateway.request('drive', { v: Number.NaN, w: 0 }))
    expect(failure).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('drive: v: ') })
    await gateway.request('stop', {})
    expect(driven).toEqual([])
  })

  test('an error of the handler reaches the caller with its code, message and data', async () => {
    const { gateway } = await pair({
      requests: {
        ...plain,
        stop: () => {
          throw new RpcError(-32003, 'not the driver', { driver: 'ann' })
        },
      },
    })
    const failure = await failureOf(gateway.request('stop', {}))
    expect(failure).toBeInstanceOf(RpcError)
    expect(failure).toMatchObject({ code: -32003, message: 'not the driver', data: { driver: 'ann' } })
  })

  test('any other failure is an internal error that tells the peer nothing', async () => {
    const secret = new Error('the password is swordfish')
    const { gateway, faults } = await pair({ requests: { ...plain, stop: () => Promise.reject(secret) } })
    expect(await failureOf(gateway.request('stop', {}))).toMatchObject({ code: -32603, message: 'internal error' })
    expect(faults).toEqual([secret])
  })

  test('what cannot be told in JSON is an internal error', async () => {
    const { gateway } = await pair({ requests: { ...plain, echo: () => 1n } })
    expect(await codeOf(gateway.request('echo', { value: 1 }))).toBe(RpcCode.INTERNAL_ERROR)
  })

  test('an error whose data JSON cannot tell goes without them', async () => {
    const { gateway } = await pair({
      requests: { ...plain, stop: () => Promise.reject(new RpcError(-32003, 'not the driver', 1n)) },
    })
    const failure = await failureOf(gateway.request('stop', {}))
    expect(failure).toMatchObject({ code: -32003, message: 'not the driver' })
    expect(failure.data).toBeUndefined()
  })

  test('are answered in any order', async () => {
    const { gateway } = await pair({
      requests: { ...plain, echo: ({ value }) => (value === 'slow' ? new Promise(() => {}) : value) },
    })
    const slow = gateway.request('echo', { value: 'slow' })
    expect(await gateway.request('echo', { value: 'quick' })).toBe('quick')
    expect(await isSettled(slow)).toBe(false)
    slow.catch(() => {})
  })

  test('an answer that does not fit the contract is refused by the caller', async () => {
    const { raw, device } = await withRaw()
    const asked = device.request('name', {})
    const { id } = await raw.next()
    await raw.send({ jsonrpc: '2.0', id, result: 7 })
    expect(await codeOf(asked)).toBe('INVALID_RESPONSE')
  })

  test('look like plain JSON-RPC', async () => {
    const { raw, device } = await withRaw()
    const asked = device.request('name', {})
    expect(await raw.next()).toEqual({ jsonrpc: '2.0', id: 1, method: 'name', params: {} })
    await raw.send({ jsonrpc: '2.0', id: 1, result: 'anybody' })
    expect(await asked).toBe('anybody')
    expect(await raw.ask({ jsonrpc: '2.0', id: 'a', method: 'drive', params: { v: 1, w: 0 } })).toEqual({
      jsonrpc: '2.0',
      id: 'a',
      result: { v: 0.5, w: 0 },
    })
    expect(await raw.ask({ jsonrpc: '2.0', id: 0, method: 'stop' })).toEqual({ jsonrpc: '2.0', id: 0, result: {} })
  })

  test('every one of the contract must be served', async () => {
    const { client } = await sessionPair()
    open.push(client)
    // @ts-expect-error stop and echo are missing
    expect(() => rpc(client, { serves: robot, requests: { drive: clamp } })).toThrow('nothing serves stop')
  })
})

describe('timeout, cancellation', () => {
  const never = () => new Promise<never>(() => {})

  test('without an answer the request fails, and the peer is told', async () => {
    const { raw, device, time } = await withRaw()
    const asked = device.request('name', {}, { timeout: 250 })
    await raw.next()
    time.advance(249)
    expect(await isSettled(asked)).toBe(false)
    time.advance(1)
    expect(await failureOf(asked)).toMatchObject({ code: 'REQUEST_TIMEOUT', message: expect.stringContaining('name') })
    expect(await raw.next()).toEqual({ jsonrpc: '2.0', method: '$/cancel', params: { id: 1 } })
    expect(time.pending).toBe(0)
  })

  test('ten seconds are the default', async () => {
    const { device, time, raw } = await withRaw()
    const asked = device.request('name', {})
    await raw.next()
    expect(time.delays).toEqual([10_000])
    time.advance(10_000)
    expect(await codeOf(asked)).toBe('REQUEST_TIMEOUT')
  })

  test('a signal calls the request off, and the handler sees it', async () => {
    const reasons: unknown[] = []
    const { gateway } = await pair({
      requests: {
        ...plain,
        stop: (_, { signal }) => {
          signal.addEventListener('abort', () => reasons.push(signal.reason))
          return never()
        },
      },
    })
    const abort = new AbortController()
    const asked = gateway.request('stop', {}, { signal: abort.signal })
    await turns()
    abort.abort()
    expect(await codeOf(asked)).toBe('ABORTED')
    await until(() => reasons.length === 1)
    expect(reasons[0]).toMatchObject({ code: RpcCode.CANCELLED })
  })

  test('a handler that gives up says so to peers that still listen', async () => {
    const { raw } = await withRaw({
      requests: {
        ...plain,
        stop: (_, { signal }) => new Promise((_, no) => signal.addEventListener('abort', () => no(new Error('off')))),
      },
    })
    await raw.send({ jsonrpc: '2.0', id: 5, method: 'stop' })
    expect(await raw.ask({ jsonrpc: '2.0', method: '$/cancel', params: { id: 5 } })).toMatchObject({
      id: 5,
      error: { code: -32002 },
    })
  })

  test('nothing is sent with a signal that has fired', async () => {
    const { raw, device } = await withRaw()
    expect(await codeOf(device.request('name', {}, { signal: AbortSignal.abort() }))).toBe('ABORTED')
    await device.notify('telemetry', { n: 1 })
    expect(await raw.next()).toMatchObject({ method: 'telemetry' })
  })

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('%d is no timeout', async (timeout) => {
    const { device } = await withRaw()
    expect(await codeOf(device.request('name', {}, { timeout }))).toBe('INVALID_ARGUMENT')
  })
})

describe('notifications', () => {
  test('arrive in order, both ways', async () => {
    const { device, gateway, said, readings } = await pair()
    for (let n = 0; n < 100; n++) await device.notify('telemetry', { n })
    await gateway.notify('chat', { text: 'hello robot' })
    await device.request('name', {})
    await gateway.request('stop', {})
    expect(readings).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(said).toEqual(['hello robot'])
  })

  test('are dropped by tryNotify when the session is full', async () => {
    const { client, server } = await sessionPair()
    open.push(client, server)
    const device = rpc(client, { calls: hub })
    let sent = 0
    while (device.tryNotify('telemetry', { n: sent })) if (++sent > 100_000) throw new Error('it is never full')
    expect(sent).toBeGreaterThan(0)
    const readings: number[] = []
    const notifications = { telemetry: ({ n }: { n: number }) => void readings.push(n) }
    rpc(server, { serves: hub, requests: { name: () => '' }, notifications })
    await device.notify('telemetry', { n: -1 })
    await until(() => readings.at(-1) === -1)
    expect(readings.length).toBe(sent + 1)
  })

  test('that nobody knows or that do not fit are not answered', async () => {
    const { raw, faults } = await withRaw()
    await raw.send({ jsonrpc: '2.0', method: 'unknown', params: {} })
    await raw.send({ jsonrpc: '2.0', method: 'chat', params: { text: 5 } })
    expect(await raw.ask({ jsonrpc: '2.0', id: 1, method: 'stop' })).toMatchObject({ id: 1, result: {} })
    await until(() => faults.length === 1)
    expect(faults[0]).toMatchObject({ code: RpcCode.METHOD_NOT_FOUND })
  })
})

describe('the end', () => {
  test('fails what waits with its reason, and tells closed', async () => {
    const { raw, device, client } = await withRaw()
    const asked = device.request('name', {})
    await raw.next()
    await raw.session.close()
    expect(await codeOf(asked)).toBe('CLOSED')
    expect(await device.closed).toMatchObject({ code: 'CLOSED' })
    expect(await codeOf(device.request('name', {}))).toBe('CLOSED')
    expect(await codeOf(device.notify('telemetry', { n: 0 }))).toBe('CLOSED')
    await client.close()
  })

  test('an answer that came just before it still counts', async () => {
    const { raw, device } = await withRaw()
    const asked = device.request('name', {})
    const { id } = await raw.next()
    void raw.send({ jsonrpc: '2.0', id, result: 'last words' })
    void raw.session.close()
    expect(await asked).toBe('last words')
  })

  test('handlers are called off', async () => {
    const signals: AbortSignal[] = []
    const stop: Handlers['requests']['stop'] = (_, { signal }) => {
      signals.push(signal)
      return new Promise<never>(() => {})
    }
    const { raw, device } = await withRaw({ requests: { ...plain, stop } })
    await raw.send({ jsonrpc: '2.0', id: 1, method: 'stop' })
    await until(() => signals.length === 1)
    await raw.session.close()
    await device.closed
    expect(signals[0]!.reason).toMatchObject({ code: 'CLOSED' })
  })
})

describe('a request of no contract', () => {
  test('brings whatever the peer answers, result or error', async () => {
    const { gateway } = await pair()
    expect(await gateway.requestUntyped('echo', { value: [1, { deep: null }] })).toEqual([1, { deep: null }])
    expect(await codeOf(gateway.requestUntyped('__proto__', {}))).toBe(RpcCode.METHOD_NOT_FOUND)
    expect(await codeOf(gateway.requestUntyped('drive', { v: 'fast' }))).toBe(RpcCode.INVALID_PARAMS)
  })

  test('takes no reserved name, and no parameters but an object', async () => {
    const { gateway } = await pair()
    expect(await codeOf(gateway.requestUntyped('$/cancel', {}))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(gateway.requestUntyped('echo', [1] as never))).toBe('INVALID_ARGUMENT')
  })
})
