import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { makeCertificate } from '@usmp/testing/certificate'
import { describe, expect, it } from 'vitest'
import { isLoopback } from '../../src/http/address.js'
import { startHttp } from '../../src/http/server.js'
import { ask, Browser } from './client.js'
import { DEVICE_ID } from './fake-operations.js'
import { PASSWORD, startTestServer } from './start.js'

describe('on loopback', () => {
  it('takes changes from its own page alone', async () => {
    const server = await startTestServer()
    const { cookie } = await server.setUp()
    const ping = (headers: Record<string, string>) =>
      ask(server.url, `/api/devices/${DEVICE_ID}/ping`, { method: 'POST', headers: { cookie, ...headers } })
    const own = { origin: server.url }
    expect((await ping(own)).status).toBe(200)
    expect((await ping({ ...own, 'sec-fetch-site': 'same-origin' })).status).toBe(200)

    const foreign = [
      {},
      { origin: 'null' },
      { origin: 'https://evil.example' },
      { origin: server.url.replace('http:', 'https:') },
      // Another server of this machine: to cookies it is the same site.
      { origin: 'http://127.0.0.1:1' },
      { ...own, 'sec-fetch-site': 'same-site' },
      { ...own, 'sec-fetch-site': 'cross-site' },
      { ...own, 'sec-fetch-site': 'none' },
    ]
    for (const headers of foreign) {
      const answer = await ping(headers as Record<string, string>)
      expect([answer.status, answer.json.error.code], JSON.stringify(headers)).toEqual([403, 'FOREIGN_ORIGIN'])
    }
    expect(server.operations.calls).toEqual(['ping by anna', 'ping by anna'])
    const login = await ask(server.url, '/api/login', { method: 'POST', body: { name: 'anna', password: PASSWORD } })
    expect([login.status, login.headers['set-cookie']]).toEqual([403, undefined])
    const read = await ask(server.url, '/api/devices', { headers: { cookie, 'sec-fetch-site': 'same-site' } })
    expect(read.status).toBe(403)
  })

  it('takes a token without an Origin, but not from a foreign page, and not with a cookie in its place', async () => {
    const server = await startTestServer()
    const admin = await server.setUp()
    const { token } = (await admin.post('/api/tokens', { name: 'script', role: 'operator', days: 1 })).json
    const ping = (headers: Record<string, string>) =>
      ask(server.url, `/api/devices/${DEVICE_ID}/ping`, { method: 'POST', headers })
    expect((await ping({ authorization: `Bearer ${token}` })).status).toBe(200)
    expect((await ping({ authorization: `Bearer ${token}`, origin: 'https://evil.example' })).status).toBe(403)
    for (const authorization of ['Bearer x', 'Basic eDp5', `Bearer ${token}x`, `Bearer ${token.slice(0, -1)}`])
      expect((await ping({ authorization, cookie: admin.cookie })).status, authorization).toBe(401)
    expect(server.operations.calls).toEqual(['ping by token:script'])
  })

  it('answers to its own names alone', async () => {
    const server = await startTestServer({ names: ['Gateway.local'] })
    const { port } = server
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'gateway.local', 'LOCALHOST'])
      expect((await ask(server.url, '/api/me', { headers: { host } })).status, host).toBe(200)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '0',
    ])
      for (const path of ['/api/me', '/', '/metrics']) {
        const answer = await ask(server.url, path, { headers: { host } })
        expect([answer.status, answer.json.error.code], host + path).toEqual([403, 'FOREIGN_ORIGIN'])
      }
  })

  it('speaks http, so its cookie is not Secure, but is hidden from scripts and foreign sites', async () => {
    const server = await startTestServer()
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(server.notice).toBeNull()
    await server.setUp()
    const login = await new Browser(server.url).post('/api/login', { name: 'anna', password: PASSWORD })
    expect(login.headers['set-cookie']).toEqual([
      expect.stringMatching(/^usmp=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict$/),
    ])
  })

  it('is what each address of this machine is, and no other', () => {
    expect(['127.0.0.1', '127.1.2.3', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true])
    expect(['0.0.0.0', '::', '192.168.1.2', 'localhost.evil.example', '127.evil.example'].some(isLoopback)).toBe(false)
  })
})

describe('elsewhere', () => {
  it('speaks https alone, by a certificate that it has signed and keeps', async () => {
    const server = await startTestServer({ host: '0.0.0.0' })
    expect(server.url).toMatch(/^https:/)
    const url = `https://127.0.0.1:${server.port}`
    const browser = new Browser(url)
    const token = server.setupUrl!.split('#')[1]
    const answer = await browser.post('/api/setup', { token, name: 'anna', password: PASSWORD })
    expect(answer.headers['set-cookie']![0]).toMatch(/^__Host-usmp=.*; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
    expect((await browser.get('/api/devices')).status).toBe(200)
    // Without https: not even an answer.
    await expect(ask(url.replace('https', 'http'), '/api/me')).rejects.toThrow()

    const file = (name: string) => join(server.folder, name)
    const cert = new X509Certificate(await readFile(file('https-cert.pem')))
    expect(server.notice).toContain(cert.fingerprint256)
    expect(cert.subjectAltName).toContain('DNS:localhost')
    expect((await stat(file('https-key.pem'))).mode & 0o777).toBe(0o600)
    expect(await presentedBy(server.port)).toBe(cert.fingerprint256)

    const { operations, store, folder } = server
    const again = await startHttp({ operations, store, folder, port: 0, host: '0.0.0.0', passwordCost: 4 })
    expect(await presentedBy(again.port)).toBe(cert.fingerprint256)
    await again.close()
    const later = Date.parse(cert.validTo) - 29 * 24 * 3600_000
    const renewed = await startHttp({ operations, store, folder, port: 0, host: '0.0.0.0', now: () => later })
    expect(await presentedBy(renewed.port)).not.toBe(cert.fingerprint256)
    await renewed.close()
  })

  it('takes a certificate, also on loopback, and has nothing to warn of', async () => {
    const tls = await makeCertificate()
    const server = await startTestServer({ tls })
    expect([server.url.slice(0, 6), server.notice]).toEqual(['https:', null])
    expect(await presentedBy(server.port)).toBe(new X509Certificate(tls.cert).fingerprint256)
    await server.setUp()
  })

  it('leaves TLS to a proxy that it is told of, whose address is then the only origin', async () => {
    const server = await startTestServer({ behindProxy: 'https://gateway.example.org' })
    const inner = `http://127.0.0.1:${server.port}`
    expect(server.setupUrl).toMatch(/^https:\/\/gateway\.example\.org\/setup#/)
    const browser = new Browser(inner, 'https://gateway.example.org')
    const token = server.setupUrl!.split('#')[1]
    const setup = { token, name: 'anna', password: PASSWORD }
    expect((await new Browser(inner).post('/api/setup', setup)).status).toBe(403)
    expect((await browser.post('/api/setup', setup)).headers['set-cookie']![0]).toMatch(/^__Host-usmp=.*; Secure;/)
    // All come from the address of the proxy, which is this machine.
    expect((await ask(inner, '/metrics')).status).toBe(401)
    await ask(inner, '/api/login', {
      method: 'POST',
      body: { name: 'anna', password: 'wrong' },
      headers: { origin: 'https://gateway.example.org', 'x-forwarded-for': '6.6.6.6, 203.0.113.9' },
    })
    const [entry] = await server.store.audit.page({ limit: 1 })
    expect(entry!.detail).toBe('from 203.0.113.9')
  })

  it.for(['http://gateway.example.org', 'gateway.example.org', 'https://a.example/path'])(
    'refuses %s as the address of a proxy',
    async (behindProxy) => {
      await expect(startTestServer({ behindProxy })).rejects.toThrow(TypeError)
    },
  )
})

function presentedBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
