import { type Session, UsmpError } from '@usmp/core'
import * as v from 'valibot'
import { afterEach, describe, expect, test } from 'vitest'
import { contract, type Peer, type ReconnectingOptions, type RpcSession, reconnecting } from '../src/index.ts'
import { codeOf, collect, isSettled, RawPeer, SimulatedClock, sessionPair, until } from './helpers.ts'

const api = contract({
  requests: {
    read: { params: v.object({}), result: v.string() },
    drive: { params: v.object({ v: v.number() }), result: v.object({}) },
  },
  notifications: { note: v.object({ n: v.number() }) },
  streams: { watch: { params: v.object({}), item: v.number() } },
})

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((session) => session.close()))
})

/** Sessions that come when the test says so. */
function begin(options: Partial<ReconnectingOptions<object, typeof api>> = {}) {
  const time = new SimulatedClock()
  const ready: RpcSession[] = []
  const state = { over: undefined as unknown, wake: undefined as (() => void) | undefined }
  async function* sessions() {
    for (;;) {
      while (ready.length === 0) {
        if (state.over instanceof Error) throw state.over
        if (state.over) return
        await new Promise<void>((resolve) => (state.wake = resolve))
      }
      yield ready.shift()!
    }
  }
  const peers: Peer<typeof api>[] = []
  const link = reconnecting(sessions(), { calls: api, clock: time, onPeer: (peer) => peers.push(peer), ...options })
  const offer = (session: RpcSession) => {
    ready.push(session)
    state.wake?.()
  }
  return {
    link,
    time,
    peers,
    offer,
    /** A new session; its other end is played by the test. */
    async connect() {
      const { client, server } = await sessionPair()
      open.push(client, server)
      offer(client)
      await until(() => link.peer !== undefined && !link.peer.ended)
      return new RawPeer(server)
    },
    stop(cause: unknown = true) {
      state.over = cause
      state.wake?.()
    },
  }
}

const fresh = { idempotent: true } as const

describe('without a session', () => {
  test('nothing is kept that is not idempotent', async () => {
    const { link } = begin()
    expect(await codeOf(link.request('drive', { v: 1 }))).toBe('NOT_CONNECTED')
    expect(await codeOf(link.notify('note', { n: 1 }))).toBe('NOT_CONNECTED')
    expect(await codeOf(link.stream('watch', {}).next())).toBe('NOT_CONNECTED')
    expect(link.tryNotify('note', { n: 1 })).toBe(false)
    expect(link.peer).toBeUndefined()
  })

  test('an idempotent request waits for one', async () => {
    const { link, connect } = begin()
    const asked = link.request('read', {}, fresh)
    expect(await isSettled(asked)).toBe(false)
    const raw = await connect()
    await raw.send({ jsonrpc: '2.0', id: (await raw.next()).id, result: 'here' })
    expect(await asked).toBe('here')
  })

  test('but not beyond its timeout, its time to live or its signal', async () => {
    const { link, time } = begin()
    const late = link.request('read', {}, { ...fresh, timeout: 500 })
    const old = link.request('read', {}, { ...fresh, ttl: 300 })
    const abort = new AbortController()
    const aborted = link.request('read', {}, { ...fresh, signal: abort.signal })
    time.advance(299)
    expect(await isSettled(old)).toBe(false)
    time.advance(1)
    expect(await codeOf(old)).toBe('REQUEST_TIMEOUT')
    time.advance(200)
    expect(await codeOf(late)).toBe('REQUEST_TIMEOUT')
    abort.abort()
    expect(await codeOf(aborted)).toBe('ABORTED')
    expect(time.pending).toBe(0)
  })

  test('only so many wait', async () => {
    const { link, stop } = begin({ limits: { outgoingRequests: 2 } })
    const waiting = [link.request('read', {}, fresh), link.request('read', {}, fresh)]
    expect(await codeOf(link.request('read', {}, fresh))).toBe('QUEUE_FULL')
    stop()
    for (const request of waiting) expect(await codeOf(request)).toBe('CLOSED')
  })
})

describe('when a session ends', () => {
  test('an idempotent request is asked again on the next, any other fails', async () => {
    const { link, connect, peers } = begin()
    const first = await connect()
    const drive = link.request('drive', { v: 1 })
    const read = link.request('read', {}, fresh)
    expect([await first.next(), await first.next()]).toMatchObject([{ method: 'drive' }, { method: 'read' }])
    drive.catch(() => {})
    await first.session.close()
    expect(await codeOf(drive)).toBe('CLOSED')
    const second = await connect()
    // Only what is idempotent comes here.
    const { id, method } = await second.next()
    expect(method).toBe('read')
    await second.send({ jsonrpc: '2.0', id, result: 'again' })
    expect(await read).toBe('again')
    expect(peers.length).toBe(2)
    expect(link.peer).toBe(peers[1])
  })

  test('a request on a session that has ended, which nobody has noticed yet, is asked again too', async () => {
    const { link, connect, offer } = begin()
    const reason = new UsmpError('TRUNCATED')
    let notice: ((reason: UsmpError) => void) | undefined
    offer({
      maxMessage: 1808,
      send: () => Promise.reject(reason),
      trySend: () => false,
      receive: () => new Promise((_, reject) => (notice = reject)),
      closed: Promise.resolve(reason),
      close: async () => {},
    })
    await until(() => link.peer !== undefined)
    const read = link.request('read', {}, fresh)
    expect(await isSettled(read)).toBe(false)
    notice!(reason)
    const raw = await connect()
    await raw.send({ jsonrpc: '2.0', id: (await raw.next()).id, result: 'there' })
    expect(await read).toBe('there')
  })

  test('the time that is left is that of the first asking', async () => {
    const { link, connect, time } = begin()
    const first = await connect()
    const read = link.request('read', {}, { ...fresh, timeout: 1000, ttl: 900 })
    expect(await first.next()).toMatchObject({ age: { ttl: 900 } })
    time.advance(400)
    await first.session.close()
    const second = await connect()
    expect(await second.next()).toMatchObject({ age: { at: 0, ttl: 500 } })
    time.advance(500)
    expect(await codeOf(read)).toBe('REQUEST_TIMEOUT')
  })

  test('an error answer is an answer', async () => {
    const { link, connect } = begin()
    const raw = await connect()
    const read = link.request('read', {}, fresh)
    await raw.send({ jsonrpc: '2.0', id: (await raw.next()).id, error: { code: -32004, message: 'no such robot' } })
    expect(await codeOf(read)).toBe(-32004)
  })

  test('a stream ends with it', async () => {
    const { link, connect } = begin()
    const raw = await connect()
    const seen = collect(link.stream('watch', {}))
    await raw.send({ jsonrpc: '2.0', id: (await raw.next()).id, result: { stream: 1 } })
    seen.catch(() => {})
    await raw.session.close()
    expect(await codeOf(seen)).toBe('CLOSED')
  })

  test('a notification is dropped, and tryNotify says so', async () => {
    const { link, connect } = begin()
    const raw = await connect()
    expect(link.tryNotify('note', { n: 1 })).toBe(true)
    expect(await raw.next()).toMatchObject({ method: 'note' })
    expect(() => link.tryNotify('note', { n: 'two' } as never)).toThrow('not usable')
    await raw.session.close()
    await link.peer?.closed
    expect(link.tryNotify('note', { n: 2 })).toBe(false)
  })
})

describe('when there are no more sessions', () => {
  test('what waits fails with what ended them', async () => {
    const { link, stop } = begin()
    const read = link.request('read', {}, fresh)
    stop(new UsmpError('AUTH_FAILED'))
    expect(await codeOf(read)).toBe('AUTH_FAILED')
    expect(await link.closed).toMatchObject({ code: 'AUTH_FAILED' })
    expect(await codeOf(link.request('drive', { v: 1 }))).toBe('AUTH_FAILED')
  })

  test('CLOSED if they were called off', async () => {
    const { link, stop } = begin()
    stop()
    expect(await link.closed).toMatchObject({ code: 'CLOSED' })
    expect(await codeOf(link.request('read', {}, fresh))).toBe('CLOSED')
  })

  test('what the contract promises must be served before there is one', () => {
    const none = (async function* (): AsyncGenerator<Session> {})()
    expect(() => reconnecting(none, { serves: api, requests: {}, streams: {} } as never)).toThrow('nothing serves')
  })
})
