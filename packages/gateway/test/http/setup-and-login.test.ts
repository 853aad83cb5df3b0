import { describe, expect, it } from 'vitest'
import { ask, Browser } from './client.js'
import { PASSWORD, startTestServer } from './start.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('the setup link', () => {
  it('makes the first user, once', async () => {
    const server = await startTestServer()
    const token = server.setupUrl!.split('#')[1]!
    expect(server.setupUrl).toBe(`${server.url}/setup#${token}`)
    const browser = new Browser(server.url)
    expect((await browser.get('/api/me')).json).toEqual({
      setupNeeded: true,
      user: null,
      stepUpUntil: null,
      site: 'home',
    })

    const setup = { token, name: 'anna', password: PASSWORD }
    const [first, second] = await Promise.all([browser.post('/api/setup', setup), browser.post('/api/setup', setup)])
    expect([first.status, second.status].sort()).toEqual([200, 403])
    expect((await browser.get('/api/me')).json.user).toEqual({ name: 'anna', role: 'admin' })
    expect((await browser.post('/api/setup', setup)).json.error.code).toBe('SETUP_CLOSED')
    expect(await server.renewSetupUrl()).toBeNull()
  })

  it('ends after 15 minutes; a new one works, and the old one does not come back', async () => {
    const server = await startTestServer()
    const browser = new Browser(server.url)
    const setup = (url: string) =>
      browser.post('/api/setup', { token: url.split('#')[1], name: 'anna', password: PASSWORD })
    server.advance(15 * MINUTE)
    expect((await setup(server.setupUrl!)).json.error.code).toBe('SETUP_CLOSED')
    const renewed = await server.renewSetupUrl()
    expect((await setup(server.setupUrl!)).json.error.code).toBe('SETUP_CLOSED')
    expect((await setup(renewed!)).status).toBe(200)
  })

  it('is given back when nothing came of it', async () => {
    const server = await startTestServer()
    const browser = new Browser(server.url)
    const token = server.setupUrl!.split('#')[1]
    const short = await browser.post('/api/setup', { token, name: 'anna', password: 'short' })
    expect(short.json.error).toMatchObject({ code: 'INVALID', message: expect.stringContaining('10 characters') })
    expect((await browser.post('/api/setup', { token, name: 'anna', password: PASSWORD })).status).toBe(200)
  })
})

describe('a login', () => {
  it('needs the right password, and tells a wrong name and a wrong password not apart', async () => {
    const server = await startTestServer()
    await server.setUp()
    const browser = new Browser(server.url)
    const wrongPassword = await browser.post('/api/login', { name: 'anna', password: 'wrong' })
    const wrongName = await browser.post('/api/login', { name: 'otto', password: PASSWORD })
    expect(wrongPassword.status).toBe(401)
    expect(wrongName.text).toBe(wrongPassword.text)
    expect((await browser.post('/api/login', { name: 'anna', password: PASSWORD })).status).toBe(200)
    expect((await browser.get('/api/devices')).status).toBe(200)
  })

  it('ends 12 hours after its last use', async () => {
    const server = await startTestServer()
    const browser = await server.setUp()
    server.advance(11 * HOUR)
    expect((await browser.get('/api/devices')).status).toBe(200)
    server.advance(11 * HOUR)
    expect((await browser.get('/api/devices')).status).toBe(200)
    server.advance(12 * HOUR)
    expect((await browser.get('/api/devices')).status).toBe(401)
  })

  it('ends after 7 days in any case', async () => {
    const server = await startTestServer()
    const browser = await server.setUp()
    for (let hours = 0; hours < 7 * 24 - 6; hours += 6) {
      server.advance(6 * HOUR)
      expect((await browser.get('/api/me')).json.user?.name).toBe('anna')
    }
    server.advance(6 * HOUR)
    expect((await browser.get('/api/devices')).status).toBe(401)
  })

  it('ends by logout, here or everywhere', async () => {
    const server = await startTestServer()
    const [one, two, three] = [await server.setUp(), new Browser(server.url), new Browser(server.url)]
    for (const browser of [two, three]) await browser.post('/api/login', { name: 'anna', password: PASSWORD })
    const { cookie } = two
    const left = await two.post('/api/logout')
    expect(left.status).toBe(204)
    expect(left.headers['set-cookie']![0]).toMatch(/^usmp=; Max-Age=0; Path=\//)
    expect((await ask(server.url, '/api/devices', { headers: { cookie } })).status).toBe(401)
    expect((await three.get('/api/devices')).status).toBe(200)

    expect((await one.post('/api/logout-everywhere')).status).toBe(204)
    expect((await three.get('/api/devices')).status).toBe(401)
  })

  it('is stored as a hash alone, like the password', async () => {
    const server = await startTestServer()
    const browser = await server.setUp()
    const secret = browser.cookie.split('=')[1]!
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
    const stored = JSON.stringify([await server.store.logins.list(), await server.store.users.list()])
    expect(stored).not.toContain(secret)
    expect(stored).not.toContain(PASSWORD)
  })

  it('leaves a trace in the audit log, without a name that nobody has', async () => {
    const server = await startTestServer()
    const browser = await server.setUp()
    await browser.post('/api/login', { name: 'anna', password: 'wrong' })
    await browser.post('/api/login', { name: 'my secret password', password: 'x' })
    await browser.post('/api/login', { name: 'anna', password: PASSWORD })
    await browser.post('/api/logout')
    const entries = await server.store.audit.page({ limit: 50 })
    expect(entries.map(({ action, object, result }) => `${action} ${object} ${result}`).reverse()).toEqual([
      'setup anna ok',
      'login anna WRONG_PASSWORD',
      'login unknown user WRONG_PASSWORD',
      'login anna ok',
      'logout anna ok',
      'logout anna ok',
    ])
  })
})
