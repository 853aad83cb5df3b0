import { connect } from 'node:net'
import { until } from '@usmp/testing'
import * as v from 'valibot'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { type LiveMessage, liveMessage } from '../../src/contract/live.js'
import { Browser } from './client.js'
import { DEVICE_ID, FAILED, OUTCOME } from './fake-operations.js'
import { PASSWORD, startTestServer, type TestServer } from './start.js'

const HOUR = 3600_000

class Page {
  readonly messages: LiveMessage[] = []
  code: number | undefined
  status: number | undefined
  readonly ws: WebSocket

  constructor(server: TestServer, headers: Record<string, string>, path = '/api/live') {
    this.ws = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, { headers })
    this.ws.on('message', (data) => this.messages.push(JSON.parse(data.toString())))
    this.ws.on('close', (code) => {
      this.code = code
    })
    this.ws.on('error', () => {})
    this.ws.on('unexpected-response', (_, response) => {
      this.status = response.statusCode
      this.ws.terminate()
    })
    onTestFinished(() => this.ws.terminate())
  }

  snapshot = () => until(() => this.messages.length > 0)
  closed = async () => {
    await until(() => this.code !== undefined)
    return this.code
  }
  refused = async () => {
    await until(() => this.status !== undefined)
    return this.status
  }
}

describe('the live socket', () => {
  it('sends a snapshot, what changes, and a heartbeat each second', async () => {
    const server = await startTestServer()
    const change: LiveMessage = { type: 'knocks', whileClosed: 7 }
    server.operations.feed = async function* (signal) {
      yield change
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    }
    const page = new Page(server, (await server.setUp()).headers)
    await until(() => page.messages.length === 2)
    for (let beats = 1; beats <= 3; beats++) {
      server.advance(1000)
      await until(() => page.messages.length === 2 + beats)
    }
    expect(page.messages.map(({ type }) => type)).toEqual(['snapshot', 'knocks', 'heartbeat', 'heartbeat', 'heartbeat'])
    for (const message of page.messages) expect(v.is(liveMessage, message)).toBe(true)
  })

  it('tells viewers that a device was asked and how that ended, but not what was said; so does the history', async () => {
    const server = await startTestServer()
    const sent: LiveMessage[] = [OUTCOME, FAILED].map((outcome) => ({ type: 'request', id: DEVICE_ID, outcome }))
    server.operations.feed = async function* (signal) {
      yield* sent
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    }
    const admin = await server.setUp()
    const told = async (browser: Browser) => {
      const page = new Page(server, browser.headers)
      await until(() => page.messages.length === 3)
      const { requests } = (await browser.get(`/api/devices/${DEVICE_ID}/requests`)).json
      for (const message of page.messages) expect(v.is(liveMessage, message)).toBe(true)
      return { live: page.messages.slice(1), requests }
    }
    const all = { live: sent, requests: [FAILED, OUTCOME] }
    expect(await told(admin)).toEqual(all)
    expect(await told(await server.logIn(admin, 'operator'))).toEqual(all)
    const { live, requests } = await told(await server.logIn(admin, 'viewer'))
    expect(JSON.stringify([live, requests])).not.toContain('secret')
    expect(live).toMatchObject([
      { outcome: { id: 'r1', by: 'anna', method: 'join' } },
      { outcome: { id: 'r2', error: { code: -32000 } } },
    ])
    expect(requests).toMatchObject([{ id: 'r2', error: { code: -32000 } }, { id: 'r1' }])
  })

  it('lets go of a connection that it refuses, also if the other end holds on to it', async () => {
    const server = await startTestServer()
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    onTestFinished(() => void socket.destroy())
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write('GET /api/live HTTP/1.1\r\nHost: evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    await until(() => text.includes('FOREIGN_ORIGIN'))
    // It never ends its side; what it writes finds nobody.
    const writing = setInterval(() => socket.write('x'), 20)
    onTestFinished(() => clearInterval(writing))
    await closed
  })

  it('tells who is not logged in by the code of its end', async () => {
    const server = await startTestServer()
    await server.setUp()
    const { headers } = new Browser(server.url)
    for (const more of [{}, { cookie: 'usmp=wrong' }]) {
      const page = new Page(server, { ...headers, ...more })
      expect([await page.closed(), page.messages]).toEqual([4401, []])
    }
    expect(await new Page(server, { authorization: 'Bearer wrong' }).closed()).toBe(4401)
  })

  it('is refused to foreign pages and names, and is at one path alone', async () => {
    const server = await startTestServer()
    const { cookie, headers } = await server.setUp()
    for (const foreign of [
      { cookie },
      { cookie, origin: 'https://evil.example' },
      { ...headers, 'sec-fetch-site': 'same-site' },
      { ...headers, host: 'evil.example' },
    ])
      expect(await new Page(server, foreign as Record<string, string>).refused(), JSON.stringify(foreign)).toBe(403)
    expect(await new Page(server, headers, '/api/devices').refused()).toBe(404)
    const token = (await (await login(server)).post('/api/tokens', { name: 'script', role: 'viewer', days: 1 })).json
    await new Page(server, { authorization: `Bearer ${token.token}` }).snapshot()
  })

  it('ends with the login: by logout, a new password, another role, removal, a token taken away', async () => {
    const server = await startTestServer()
    const admin = await server.setUp()
    const endOf = async (headers: Record<string, string>, act: () => unknown) => {
      const page = new Page(server, headers)
      await page.snapshot()
      await act()
      expect(await page.closed()).toBe(4401)
    }
    const viewer = await server.logIn(admin, 'viewer')
    const user = async () =>
      (await admin.get('/api/users')).json.users.find(({ name }: { name: string }) => name === 'viewer')
    await endOf(viewer.headers, () => viewer.post('/api/logout'))

    await viewer.post('/api/login', { name: 'viewer', password: PASSWORD })
    await endOf(viewer.headers, async () =>
      admin.send('PATCH', '/api/users/viewer', { rev: (await user()).rev, role: 'operator' }),
    )
    expect((await viewer.get('/api/devices')).status).toBe(401)

    await viewer.post('/api/login', { name: 'viewer', password: PASSWORD })
    const elsewhere = await login(server, 'viewer')
    await endOf(elsewhere.headers, () =>
      viewer.post('/api/password', { password: PASSWORD, newPassword: `${PASSWORD}2` }),
    )
    expect((await viewer.get('/api/devices')).status).toBe(200)

    await endOf(viewer.headers, async () => admin.send('DELETE', `/api/users/viewer?rev=${(await user()).rev}`))

    const { id, token } = (await admin.post('/api/tokens', { name: 'script', role: 'viewer', days: 1 })).json
    await endOf({ authorization: `Bearer ${token}` }, () => admin.send('DELETE', `/api/tokens/${id}`))
  })

  it('ends when the login is too old, though the page is open', async () => {
    const server = await startTestServer()
    const browser = await server.setUp()
    for (let hours = 0; hours < 7 * 24; hours += 8) {
      await browser.get('/api/me')
      server.advance(8 * HOUR - 500)
    }
    const page = new Page(server, browser.headers)
    await page.snapshot()
    server.advance(21 * 500)
    expect(await page.closed()).toBe(4401)
  })

  it('lives on when only another login ends', async () => {
    const server = await startTestServer()
    const admin = await server.setUp()
    const page = new Page(server, admin.headers)
    await page.snapshot()
    await (await login(server)).post('/api/logout')
    server.advance(1000)
    await until(() => page.messages.some(({ type }) => type === 'heartbeat'))
    expect(page.code).toBeUndefined()
  })

  it('is cut when a page takes nothing more, and does not fill the memory until then', async () => {
    const server = await startTestServer()
    let sent = 0
    const large: LiveMessage = { type: 'removed', id: 'x'.repeat(1_000_000) }
    server.operations.feed = async function* () {
      for (; sent < 10_000; sent++) yield large
    }
    const page = new Page(server, (await server.setUp()).headers)
    await page.snapshot()
    page.ws.pause()
    // The kernel takes some; then no more is asked of the gateway.
    for (let before = -1; before !== sent; await new Promise((resolve) => setTimeout(resolve, 300))) before = sent
    expect(sent).toBeLessThan(100)
    server.advance(10_000)
    page.ws.resume()
    expect(await page.closed()).toBe(4408)
    expect(sent).toBeLessThan(100)
  })

  it('is open to so many pages of one person, and no more', async () => {
    const server = await startTestServer()
    const { headers } = await server.setUp()
    const pages = Array.from({ length: 16 }, () => new Page(server, headers))
    await Promise.all(pages.map((page) => page.snapshot()))
    expect(await new Page(server, headers).refused()).toBe(429)
    pages[0]!.ws.close()
    await pages[0]!.closed()
    // The server may see the end a little later than the page.
    let page: Page
    do {
      page = new Page(server, headers)
      await until(() => page.messages.length > 0 || page.status !== undefined)
    } while (page.status === 429)
    expect(page.messages).toHaveLength(1)
  })

  it('takes nothing from the page', async () => {
    const server = await startTestServer()
    const { headers } = await server.setUp()
    const page = new Page(server, headers)
    await page.snapshot()
    page.ws.send('{}')
    expect(await page.closed()).toBe(1008)
    const large = new Page(server, headers)
    await large.snapshot()
    large.ws.send('x'.repeat(1000))
    expect(await large.closed()).toBe(1009)
  })

  it('says so when the feed fails, and when the gateway stops', async () => {
    const server = await startTestServer()
    const { headers } = await server.setUp()
    const stopped = new Page(server, headers)
    await stopped.snapshot()
    // biome-ignore lint/correctness/useYield: it fails before it has anything to say
    server.operations.feed = async function* () {
      throw new Error('the feed is broken')
    }
    expect(await new Page(server, headers).closed()).toBe(1011)
    expect(server.faults).toEqual([new Error('the feed is broken')])
    await Promise.all([server.close(), stopped.closed()])
    expect(stopped.code).toBe(1001)
  })
})

async function login(server: TestServer, name = 'anna'): Promise<Browser> {
  const browser = new Browser(server.url)
  await browser.post('/api/login', { name, password: PASSWORD })
  return browser
}
