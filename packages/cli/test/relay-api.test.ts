import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MessageLog } from '../src/relay/api/message-log.js'
import { type ApiPeer, PeerApi } from '../src/relay/api/server.js'

const TOKEN = 'a-token-of-this-test'
const bytes = (text: string) => new TextEncoder().encode(text)

/** A peer that keeps what it is told to send. */
class FakePeer implements ApiPeer {
  readonly maxMessage = 1000
  isFull = false
  readonly sent: [string, number | undefined][] = []

  trySend(message: Uint8Array, { ttl }: { ttl?: number }): boolean {
    if (this.isFull) return false
    this.sent.push([Buffer.from(message).toString(), ttl])
    return true
  }

  state() {
    return { state: 'online' }
  }
}

async function started() {
  const peer = new FakePeer()
  const api = await PeerApi.start({ listen: { host: '127.0.0.1', port: 0 }, token: TOKEN, peer, now: () => 5 })
  onTestFinished(() => api.close())
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`${api.url}${path}`, { ...init, headers: { authorization: `Bearer ${TOKEN}`, ...init.headers } })
  const post = (body: string, type = 'application/json') =>
    call('/messages', { method: 'POST', body, headers: { 'content-type': type } })
  return { api, peer, call, post }
}

/** The status for headers that `fetch` does not let a program set. */
async function statusFor(url: string, headers: Record<string, string>): Promise<number | undefined> {
  const asked = request(`${url}/state`, { headers: { authorization: `Bearer ${TOKEN}`, ...headers } }).end()
  const [response] = await once(asked, 'response')
  response.resume()
  return response.statusCode
}

describe('who may use it', () => {
  test.each(['', 'Bearer', 'Bearer wrong', `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, `Bearer ${TOKEN.slice(1)}`])(
    'not with the authorization %j',
    async (authorization) => {
      const { call, peer } = await started()
      const refused = await call('/messages', { method: 'POST', body: '{"text":"x"}', headers: { authorization } })
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toBe('Bearer')
      expect(peer.sent).toEqual([])
    },
  )

  test('not under a name that leads here, and not for a web page', async () => {
    const { api } = await started()
    const { port } = new URL(api.url)
    expect(await statusFor(api.url, {})).toBe(200)
    expect(await statusFor(api.url, { host: `localhost:${port}` })).toBe(200)
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost', `127.0.0.1.nip.io:${port}`]) {
      expect(await statusFor(api.url, { host }), host).toBe(421)
    }
    expect(await statusFor(api.url, { origin: api.url })).toBe(403)
  })

  test('connections that ask for nothing give way to those that do', { timeout: 15_000 }, async () => {
    const { api, call } = await started()
    const hogs = Array.from({ length: 64 }, () => connect(Number(new URL(api.url).port), '127.0.0.1').resume())
    await Promise.all(hogs.map((hog) => once(hog, 'connect')))
    await expect(call('/state')).rejects.toThrow()
    await Promise.all(hogs.map((hog) => once(hog, 'close')))
    expect((await call('/state')).status).toBe(200)
  })

  test('no other origin may read an answer', async () => {
    const { call } = await started()
    const asked = await call('/messages', { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } })
    expect(asked.status).toBe(404)
    expect([...asked.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  test.each(['0.0.0.0', '::', '192.0.2.1', 'gateway.local', '127.0.0.1.example'])(
    'it does not listen on %s',
    async (host) => {
      const start = PeerApi.start({ listen: { host, port: 0 }, token: TOKEN, peer: new FakePeer() })
      await expect(start).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(host) })
    },
  )
})

describe('POST /messages', () => {
  test('queues text, bytes and a lifetime', async () => {
    const { post, peer } = await started()
    expect((await post('{"text":"grüße"}')).status).toBe(202)
    expect((await post(`{"base64":"${Buffer.from('two').toString('base64')}","ttl_ms":500}`)).status).toBe(202)
    expect(peer.sent).toEqual([
      ['grüße', undefined],
      ['two', 500],
    ])
  })

  test.each([
    ['not JSON', 400],
    ['[]', 400],
    ['null', 400],
    ['{}', 400],
    ['{"text":1}', 400],
    ['{"text":"a","base64":"YQ=="}', 400],
    ['{"base64":"***"}', 400],
    ['{"text":"a","ttl_ms":0}', 400],
    ['{"text":"a","ttl_ms":1e9}', 400],
    [JSON.stringify({ text: 'x'.repeat(1001) }), 413],
    [JSON.stringify({ text: 'x'.repeat(10_000) }), 413],
  ])('refuses %.30s with %d', async (body, status) => {
    const { post, peer } = await started()
    const refused = await post(body)
    expect(refused.status).toBe(status)
    expect(await refused.json()).toEqual({ error: { code: expect.any(String), message: expect.any(String) } })
    expect(peer.sent).toEqual([])
  })

  test('refuses what is not JSON by its type, and more than the queue takes', async () => {
    const { post, peer } = await started()
    expect((await post('{"text":"a"}', 'text/plain')).status).toBe(415)
    peer.isFull = true
    const full = await post('{"text":"a"}')
    expect(full.status).toBe(503)
    expect(full.headers.get('retry-after')).toBe('1')
  })
})

describe('what came', () => {
  test('GET /messages goes on where the reader was', async () => {
    const { api, call } = await started()
    for (const text of ['one', 'two']) api.received(bytes(text))
    api.received(Uint8Array.of(0xff, 0x00))
    const first = (await (await call('/messages')).json()) as { messages: { id: number; text: string }[]; next: number }
    expect(first).toMatchObject({ messages: [{ text: 'one' }, { text: 'two' }, { base64: '/wA=' }], missed: false })
    expect(first.messages[0]).toMatchObject({ at: '1970-01-01T00:00:00.005Z' })
    const rest = await (await call(`/messages?after=${first.messages[1]!.id}`)).json()
    expect(rest).toMatchObject({ messages: [{ base64: '/wA=' }], next: first.next })
    expect(await (await call(`/messages?after=${first.next}`)).json()).toEqual({
      messages: [],
      next: first.next,
      missed: false,
    })
    expect((await call('/messages?after=x')).status).toBe(400)
  })

  test('GET /events tells states and messages, and repeats what a reader has missed', async () => {
    const { api, call } = await started()
    api.received(bytes('before'))
    const stream = await call('/events?after=0')
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const until = async (what: string) => {
      while (!text.includes(what)) text += (await reader.read()).value ?? expect.fail(`ended without ${what}`)
    }
    await until('before')
    expect(text).toMatch(
      /^event: state\ndata: {"state":"online"}\n\nevent: message\nid: 5001\ndata: {.*"text":"before"}\n\n$/,
    )
    api.received(bytes('a\nb'))
    api.stateChanged()
    await until('a\\nb')
    await until('event: state\ndata: {"state":"online"}\n\n')
    await reader.cancel()
  })

  test('a reader of events that comes back by itself gets no message twice', async () => {
    const { api, call } = await started()
    for (const text of ['one', 'two', 'three']) api.received(bytes(text))
    const stream = await call('/events?after=5001', { headers: { 'last-event-id': '5002' } })
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('three')) text += (await reader.read()).value ?? expect.fail('ended early')
    expect(text).not.toContain('two')
    await reader.cancel()
  })

  test('a reader that takes nothing is cut off, and loses nobody else anything', async () => {
    const { api, call } = await started()
    const { hostname, port } = new URL(api.url)
    const socket = connect(Number(port), hostname).on('error', () => {})
    socket.write(`GET /events HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`)
    await once(socket, 'readable')
    const closed = once(socket, 'close')
    for (let n = 0; n < 300; n++) api.received(new Uint8Array(60_000))
    socket.resume()
    await closed
    expect(await (await call('/messages')).json()).toMatchObject({ missed: true })
  })

  test('not more than eight read events at once', async () => {
    const { call } = await started()
    const streams = await Promise.all(Array.from({ length: 8 }, () => call('/events')))
    expect((await call('/events')).status).toBe(503)
    for (const { body } of streams) await body!.cancel()
  })

  test('GET /state', async () => {
    const { call } = await started()
    expect(await (await call('/state')).json()).toEqual({ state: 'online' })
    expect((await call('/elsewhere')).status).toBe(404)
    expect((await call('//')).status).toBe(400)
  })
})

describe('the messages that are kept', () => {
  test('the oldest give way, by number and by size, and a reader learns that', () => {
    const log = new MessageLog(0, { maxMessages: 3, maxBytes: 10 })
    for (const text of ['a', 'b', 'c', 'd']) log.append(bytes(text), 0)
    expect(log.after(0, 10)).toMatchObject({ messages: [{ id: 2 }, { id: 3 }, { id: 4 }], next: 4, missed: true })
    expect(log.after(1, 10)).toMatchObject({ missed: false })
    log.append(bytes('12345678'), 0)
    expect(log.after(0, 10).messages.map(({ id }) => id)).toEqual([3, 4, 5])
    log.append(bytes('123456789012345'), 0)
    expect(log.after(0, 10).messages.map(({ id }) => id)).toEqual([6])
    expect(log.after(6, 10)).toEqual({ messages: [], next: 6, missed: false })
  })

  test('ids go on after a restart', () => {
    const before = new MessageLog(1000)
    const { id } = before.append(bytes('x'), 0)
    const after = new MessageLog(1001)
    expect(after.after(id, 10)).toEqual({ messages: [], next: id, missed: false })
    expect(after.append(bytes('y'), 0).id).toBeGreaterThan(id)
    expect(after.after(id, 10)).toMatchObject({ messages: [{ data: bytes('y') }], missed: false })
  })

  test('a page has so many, and says where to go on', () => {
    const log = new MessageLog(0)
    for (let n = 0; n < 5; n++) log.append(bytes('x'), 0)
    expect(log.after(0, 2)).toMatchObject({ messages: [{ id: 1 }, { id: 2 }], next: 2 })
  })
})
