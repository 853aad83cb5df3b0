import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, Browser } from './client.js'
import { DEVICE_ID } from './fake-operations.js'
import { makeTestServer, startTestServer, type TestServer } from './start.js'

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types 'none'"

describe('the page', () => {
  let server: TestServer
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'usmp-page-'))
    await writeFile(join(folder, 'secret.txt'), 'secret')
    const pageFolder = join(folder, 'page')
    await mkdir(join(pageFolder, 'assets'), { recursive: true })
    await writeFile(join(pageFolder, 'index.html'), '<!doctype html><title>page</title>')
    await writeFile(join(pageFolder, 'assets', 'main-1a2b.js'), `// ${'script '.repeat(1000)}`)
    server = await makeTestServer({ pageFolder })
  })
  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true })
  })

  it.for(['/', '/index.html', '/setup', `/d/${DEVICE_ID}`, '/users'])(
    'is at %s, and is asked for anew each time',
    async (path) => {
      const answer = await ask(server.url, path)
      expect([answer.status, answer.text]).toEqual([200, '<!doctype html><title>page</title>'])
      expect(answer.headers['content-type']).toMatch(/^text\/html/)
      expect(answer.headers['cache-control']).toBe('no-cache')
    },
  )

  it('has files that are kept for ever, compressed for who takes it so', async () => {
    const plain = await ask(server.url, '/assets/main-1a2b.js')
    expect(plain.headers['content-type']).toMatch(/javascript/)
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    const response = await fetch(`${server.url}/assets/main-1a2b.js`)
    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect(await response.text()).toBe(plain.text)
  })

  it.for([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/..\\..\\secret.txt',
    '/%00secret.txt',
    '//etc/passwd',
    '/assets/missing.js',
    '/favicon.ico',
  ])('has nothing else to give at %s', async (path) => {
    const answer = await ask(server.url, path)
    expect(answer.text).not.toContain('secret')
    expect(answer.text).not.toContain('root:')
    expect(answer.status === 404 || answer.status === 400 || answer.text === '<!doctype html><title>page</title>').toBe(
      true,
    )
  })

  it.for(['/', '/assets/main-1a2b.js', '/api/me', '/api/nothing', '/api/devices', '/metrics'])(
    'forbids whatever it does not need, at %s too',
    async (path) => {
      const { headers } = await ask(server.url, path)
      expect(headers).toMatchObject({
        'content-security-policy': CSP,
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      })
      expect(headers['access-control-allow-origin']).toBeUndefined()
      expect(headers['strict-transport-security']).toBeUndefined()
    },
  )

  it('takes nothing, and the API has no route that is not described', async () => {
    for (const [method, path] of [
      ['POST', '/'],
      ['PUT', '/api/devices'],
      ['GET', '/api/nothing'],
    ] as const) {
      const answer = await ask(server.url, path, { method })
      expect([answer.status, answer.json?.error.code], path).toEqual([404, 'NOT_FOUND'])
    }
  })

  it('is not there before it is built, and says so', async () => {
    const unbuilt = await startTestServer({ pageFolder: join(folder, 'nothing') })
    const answer = await ask(unbuilt.url, '/')
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('not built')])
    expect((await ask(unbuilt.url, '/api/me')).status).toBe(200)
  })
})

describe('files', () => {
  it('hold telemetry, and no formula for a spreadsheet', async () => {
    const server = await startTestServer()
    const browser = await server.setUp()
    const path = `/api/devices/${DEVICE_ID}/export?resolution=fine`
    const csv = await browser.get(`${path}&format=csv`)
    expect(csv.headers['content-disposition']).toBe('attachment; filename="aabbccddee01.csv"')
    expect(csv.text.trim().split('\n')).toEqual([
      'time,reading,unit,mean,min,max',
      "2027-01-15T08:00:00.000Z,'=temp,'@C,-1.5,,",
      "2027-01-15T08:01:00.000Z,'=temp,'@C,,,",
    ])
    const { json } = await browser.get(`${path}&format=json&reading=other`)
    expect(json.series.map(({ reading, mean }: { reading: string; mean: unknown }) => [reading, mean])).toEqual([
      ['other', [-1.5, null]],
    ])
  })

  it('hold the audit log, and it can be paged and verified', async () => {
    const server = await startTestServer()
    const browser = await server.setUp()
    for (let i = 0; i < 5; i++)
      await server.store.audit.append({ actor: '=cmd()', role: 'admin', action: 'test', object: `o${i}`, result: 'ok' })
    const page = (await browser.get('/api/audit?limit=4')).json
    expect([page.entries.length, page.more, page.entries[0].object]).toEqual([4, true, 'o4'])
    const rest = (await browser.get(`/api/audit?limit=4&before=${page.entries[3].seq}`)).json
    expect([rest.entries.length, rest.more]).toEqual([2, false])
    expect((await browser.get('/api/audit?object=o2')).json.entries).toHaveLength(1)
    expect((await browser.get('/api/audit/verify')).json).toEqual({ intact: true, entries: 6, brokenAt: null })

    const csv = (await browser.get('/api/audit/export?format=csv')).text.trim().split('\n')
    expect([csv.length, csv[6]!.split(',')[2]]).toEqual([7, "'=cmd()"])
    const lines = (await browser.get('/api/audit/export?format=jsonl')).text.trim().split('\n')
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual(
      [...rest.entries, ...page.entries].map(({ seq }) => seq).sort((a, b) => a - b),
    )
  })
})

describe('metrics', () => {
  it('are read by programs of this machine, without an id or a name of a device', async () => {
    const server = await startTestServer()
    await (await server.setUp()).get('/api/devices')
    const { status, text, headers } = await ask(server.url, '/metrics')
    expect([status, headers['content-type']]).toEqual([200, expect.stringContaining('text/plain')])
    for (const line of [
      'usmp_gateway_devices{state="online"} 1',
      'usmp_gateway_devices{state="waiting"} 0',
      'usmp_gateway_sessions{carrier="mqtt"} 1',
      'usmp_gateway_messages_total{direction="in"} 5',
      'usmp_gateway_dropped_total{cause="stray"} 4',
      'usmp_gateway_limits_total{limit="waiting"} 2',
      'usmp_gateway_store_writable 1',
      'usmp_gateway_broker_connected 1',
      'usmp_gateway_http_request_seconds_count{route="devices",status="200"} 1',
    ])
      expect(text.split('\n')).toContain(line)
    expect(text).not.toMatch(/aa:bb|cmd/)
    const again = (await ask(server.url, '/metrics')).text
    expect(again).toContain('usmp_gateway_messages_total{direction="in"} 5\n')
    expect((await ask(server.url, '/metrics', { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(403)
  })

  it('need a token elsewhere', async () => {
    const server = await startTestServer({ host: '0.0.0.0' })
    const url = `https://127.0.0.1:${server.port}`
    expect((await ask(url, '/metrics')).status).toBe(401)
    const browser = new Browser(url)
    const token = server.setupUrl!.split('#')[1]
    await browser.post('/api/setup', { token, name: 'anna', password: 'correct horse' })
    const created = await browser.post('/api/tokens', { name: 'prometheus', role: 'viewer', days: 1 })
    const answer = await ask(url, '/metrics', { headers: { authorization: `Bearer ${created.json.token}` } })
    expect(answer.status).toBe(200)
  })
})
