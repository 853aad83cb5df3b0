import type { Session } from '@usmp/core'
import { connect, listen, sessions } from '@usmp/node'
import * as v from 'valibot'
import { afterEach, describe, expect, test } from 'vitest'
import { contract, reconnecting, rpc } from '../src/index.ts'
import { codeOf, until } from './helpers.ts'

const api = contract({
  requests: {
    echo: { params: v.object({ value: v.string() }), result: v.string() },
    name: { params: v.object({}), result: v.number() },
  },
  notifications: { telemetry: v.object({ n: v.number() }) },
  streams: { count: { params: v.object({ to: v.number() }), item: v.number() } },
})
const PSK = crypto.getRandomValues(new Uint8Array(32))
const deviceId = '02:00:00:00:00:01'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

/** A server that hands every session to a function. */
async function listenFor(serve: (session: Session) => void) {
  const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => PSK })
  open.unshift(server)
  server.addEventListener('session', ({ session }) => serve(session))
  return server.port
}

/** A server of the contract; `name` is what it answers to `name`. */
async function serve(name: number, port = 0) {
  const server = await listen({ tcp: { host: '127.0.0.1', port }, psk: () => PSK })
  open.unshift(server)
  const readings: number[] = []
  void (async () => {
    for await (const session of server) {
      rpc(session, {
        serves: api,
        requests: { echo: ({ value }) => value, name: () => name },
        notifications: { telemetry: ({ n }) => void readings.push(n) },
        streams: {
          count: {
            overflow: 'block',
            items: async function* ({ to }) {
              for (let n = 0; n < to; n++) yield n
            },
          },
        },
      })
    }
  })()
  return { server, readings, port: server.port }
}

describe('over TCP', () => {
  test('requests, large ones, streams and notifications', async () => {
    const { port, readings } = await serve(7)
    const session = await connect(`usmp://127.0.0.1:${port}`, { deviceId, psk: PSK })
    open.unshift(session)
    const peer = rpc(session, { calls: api })
    expect(await peer.request('name', {}, { ttl: 5000 })).toBe(7)
    const large = 'large '.repeat(8_000)
    const requests = Array.from({ length: 6 }, () => peer.request('echo', { value: large }))
    let sum = 0
    for await (const n of peer.stream('count', { to: 200 })) sum += n
    expect(sum).toBe((200 * 199) / 2)
    for (let n = 0; n < 200; n++) await peer.notify('telemetry', { n })
    expect(new Set(await Promise.all(requests))).toEqual(new Set([large]))
    await until(() => readings.length === 200)
  })

  test('a request whose answer waits behind a blocked event loop gets it, and not REQUEST_TIMEOUT', async () => {
    const port = await listenFor((session) => {
      rpc(session, {
        serves: api,
        requests: {
          echo: ({ value }) => value,
          // Behind the turn in which the answer leaves, and before the one in which the client would read it.
          name: () => {
            setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700))
            return 7
          },
        },
        notifications: { telemetry: () => {} },
        streams: { count: { overflow: 'block', items: async function* () {} } },
      })
    })
    const session = await connect(`usmp://127.0.0.1:${port}`, { deviceId, psk: PSK })
    open.unshift(session)
    const peer = rpc(session, { calls: api })
    expect(await peer.request('echo', { value: 'ready' })).toBe('ready')
    expect(await peer.request('name', {}, { timeout: 500 })).toBe(7)
  })

  test('an idempotent request outlives a server', async () => {
    const first = await serve(1)
    const abort = new AbortController()
    const link = reconnecting(
      sessions(`usmp://127.0.0.1:${first.port}`, { deviceId, psk: PSK, signal: abort.signal }),
      { calls: api },
    )
    expect(await link.request('name', {}, { idempotent: true })).toBe(1)
    const { peer } = link
    await first.server.close()
    await peer!.closed
    expect(['NOT_CONNECTED', 'CLOSED', 'SHUTDOWN']).toContain(await codeOf(link.request('name', {})))
    const asked = link.request('name', {}, { idempotent: true })
    await serve(2, first.port)
    expect(await asked).toBe(2)
    abort.abort()
    expect(await link.closed).toMatchObject({ code: 'CLOSED' })
  })
})
