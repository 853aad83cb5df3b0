import { once } from 'node:events'
import { createConnection } from 'node:net'
import { Validator } from '@seriousme/openapi-schema-validator'
import * as v from 'valibot'
import { beforeAll, describe, expect, it } from 'vitest'
import { Access } from '../../src/access/access.js'
import { mayActAs } from '../../src/access/roles.js'
import { apiError, errorStatus, type GatewayErrorCode, MAX_BUNDLE, type Role } from '../../src/contract.js'
import { GatewayError } from '../../src/errors.js'
import { errorsOf } from '../../src/http/openapi.js'
import type { Route } from '../../src/http/route.js'
import { accessRoutes } from '../../src/http/routes/access.js'
import { deviceRoutes } from '../../src/http/routes/devices.js'
import { rolloutRoutes } from '../../src/http/routes/rollouts.js'
import { systemRoutes } from '../../src/http/routes/system.js'
import { type Answer, ask, Browser } from './client.js'
import { DEVICE_ID, fakeOperations, IMAGE, ROLLOUT } from './fake-operations.js'
import { makeTestServer, PASSWORD, type TestServer } from './start.js'

const PROOF = { proofId: 'p1', psk: 'ab'.repeat(32) }
/** A body or query that each route takes; the rest of them take none. */
const INPUT: Record<string, { body?: object; query?: string; upload?: Uint8Array }> = {
  setup: { body: { token: 'x', name: 'otto', password: PASSWORD } },
  login: { body: { name: 'anna', password: PASSWORD } },
  stepUp: { body: { password: PASSWORD } },
  changePassword: { body: { password: PASSWORD, newPassword: PASSWORD } },
  createUser: { body: { name: 'otto', role: 'viewer', password: PASSWORD } },
  changeUser: { body: { rev: 1, role: 'viewer' } },
  removeUser: { query: 'rev=1' },
  createToken: { body: { name: 'script', role: 'viewer', days: 1 } },
  register: { body: { id: DEVICE_ID, psk: PROOF.psk } },
  importDevices: { body: { csv: 'id,psk\n' } },
  changeDevice: { body: { rev: 3, name: 'Cellar' } },
  checkKey: { body: PROOF },
  approve: { body: PROOF },
  star: { body: { starred: true } },
  revoke: { body: { rev: 3 } },
  remove: { body: { rev: 3 } },
  replace: { body: { rev: 3, by: 'aa:bb:cc:dd:ee:02', proofId: 'p1' } },
  block: { body: { rev: 3 } },
  unblock: { body: { rev: 3 } },
  request: { body: { method: 'ping' } },
  series: { query: 'reading=temp&resolution=fine&from=1' },
  exportSeries: { query: 'format=csv&resolution=minute' },
  addImage: { upload: new Uint8Array(1000) },
  startRollout: { body: { image: IMAGE.id, target: { kind: 'all' } } },
  pauseRollout: { body: { rev: 4, reason: 'the fair' } },
  resumeRollout: { body: { rev: 4 } },
  abortRollout: { body: { rev: 4 } },
  retryRollout: { body: { rev: 4, ids: [DEVICE_ID] } },
  openJoin: { body: { minutes: 5 } },
  brokerAcl: { query: 'broker=mosquitto' },
  exportAudit: { query: 'format=jsonl' },
}

function table(server: TestServer): Route[] {
  const access = new Access({ store: server.store, now: Date.now, monotonic: () => 0, passwordCost: 4 })
  const operations = fakeOperations()
  return [
    ...accessRoutes(access, operations),
    ...deviceRoutes(operations),
    ...rolloutRoutes(operations),
    ...systemRoutes(operations, server.store.audit),
  ]
}

/** Path with parameters that pass the checks; users and tokens of these names do not exist. */
function pathOf({ id, path, params }: Route): string {
  const known = { '/devices/': DEVICE_ID, '/images/': IMAGE.id, '/rollouts/': ROLLOUT.id }
  const name = Object.entries(known).find(([part]) => path.includes(part))?.[1] ?? 'nobody'
  const query = INPUT[id]?.query
  return (params ? path.replace(/\{\w+\}/, name) : path) + (query ? `?${query}` : '')
}

const call = (browser: Browser, route: Route): Promise<Answer> => {
  const { body, upload } = INPUT[route.id] ?? {}
  if (upload) return browser.upload(pathOf(route), upload)
  return browser.send(route.method.toUpperCase(), pathOf(route), body)
}

describe('the table of routes', () => {
  let server: TestServer
  let routes: Route[]
  let tokens: Record<Role, string>

  beforeAll(async () => {
    server = await makeTestServer()
    routes = table(server)
    const admin = await server.setUp()
    const make = async (role: Role) => {
      const answer = await admin.post('/api/tokens', { name: role, role, days: 1 })
      return answer.json.token as string
    }
    tokens = { viewer: await make('viewer'), operator: await make('operator'), admin: await make('admin') }
    return () => server.stop()
  })

  it('makes a description that is valid OpenAPI 3.1, and has each route', async () => {
    const { status, json } = await ask(server.url, '/api/openapi.json')
    expect(status).toBe(200)
    const verdict = await new Validator().validate(structuredClone(json))
    expect(verdict.errors ?? []).toEqual([])
    expect(verdict.valid).toBe(true)
    for (const { path, method, id } of routes) expect(json.paths[path]?.[method]?.operationId, id).toBe(id)
    const described = Object.values(json.paths).flatMap((path) => Object.keys(path as object))
    expect(described).toHaveLength(routes.length)
    expect(json.paths['/api/devices/{id}'].get.responses[200].content['application/json'].schema).toEqual({
      $ref: '#/components/schemas/Device',
    })
    for (const ref of JSON.stringify(json).matchAll(/"#\/components\/schemas\/(\w+)"/g))
      expect(Object.keys(json.components.schemas)).toContain(ref[1])
  })

  it('answers each route as described', async () => {
    const admin = new Browser(server.url)
    const renew = () => admin.post('/api/login', { name: 'anna', password: PASSWORD })
    for (const route of routes) {
      await renew()
      const answer = await call(admin, route)
      const { code } = (answer.json?.error as { code: never } | undefined) ?? {}
      if (code !== undefined) {
        expect(errorsOf(route), `${route.id}: ${answer.text}`).toContain(code)
        // Only what there is none of can fail here: the setup link is used up, and nobody is called nobody.
        expect(['SETUP_CLOSED', 'NOT_FOUND']).toContain(code)
      } else if (route.answer === null) {
        expect([answer.status, answer.text], route.id).toEqual([204, ''])
      } else {
        expect(answer.status, route.id).toBe(200)
        if ('json' in route.answer)
          expect(v.is(route.answer.json, answer.json), `${route.id}: ${answer.text}`).toBe(true)
        else expect(route.answer.files).toContain(answer.headers['content-type']!.split(';')[0])
      }
      expect(answer.headers['cache-control'], route.id).toBe('no-store')
    }
  })

  it('lets nobody in without a login', async () => {
    const before = server.operations.calls.length
    for (const route of routes.filter(({ role }) => role !== 'everybody')) {
      const answer = await call(new Browser(server.url), route)
      expect([answer.status, answer.json?.error.code], route.id).toEqual([401, 'UNAUTHENTICATED'])
    }
    expect(server.operations.calls).toHaveLength(before)
  })

  it.for(['viewer', 'operator', 'admin'] as const)('holds %s to its role, and tokens off people', async (role) => {
    for (const route of routes.filter((route) => route.role !== 'everybody')) {
      const { body, upload } = INPUT[route.id] ?? {}
      const answer = await ask(server.url, pathOf(route), {
        method: route.method.toUpperCase(),
        headers: {
          authorization: `Bearer ${tokens[role]}`,
          ...(upload && { 'content-type': 'application/octet-stream' }),
        },
        ...(upload ? { raw: upload } : { body }),
      })
      const allowed = !route.person && mayActAs(role, route.role as Role)
      expect(answer.status === 403 && answer.json.error.code === 'FORBIDDEN', `${route.id} ${answer.text}`).toBe(
        !allowed,
      )
      if (allowed) expect(answer.status, `${route.id} ${answer.text}`).toBeLessThan(300)
    }
  })

  it('asks for the password again for dangerous acts, 5 minutes after it was given', async () => {
    const admin = new Browser(server.url)
    await admin.post('/api/login', { name: 'anna', password: PASSWORD })
    const dangerous = routes.filter(({ stepUp }) => stepUp)
    expect(dangerous.map(({ id }) => id).sort()).toEqual(
      [
        ...['createToken', 'createUser', 'changeUser', 'remove', 'removeToken', 'removeUser', 'replace', 'revoke'],
        // Both send an image to devices.
        ...['startRollout', 'resumeRollout'],
      ].sort(),
    )
    server.advance(5 * 60_000)
    for (const route of dangerous) {
      const answer = await call(admin, route)
      expect([answer.status, answer.json?.error.code], route.id).toEqual([403, 'STEP_UP_REQUIRED'])
    }
    const wrong = await admin.post('/api/step-up', { password: 'wrong' })
    expect([wrong.status, wrong.json.error.code]).toEqual([401, 'WRONG_PASSWORD'])
    const right = await admin.post('/api/step-up', { password: PASSWORD })
    expect(right.json.stepUpUntil - (await admin.get('/api/me')).json.stepUpUntil).toBe(0)
    expect((await admin.post(`/api/devices/${DEVICE_ID}/revoke`, { rev: 3 })).status).toBe(200)
  })

  it('refuses a body that is not described, without repeating what was in it', async () => {
    const token = { authorization: `Bearer ${tokens.admin}` }
    const post = (path: string, more: { body?: unknown; raw?: string; headers?: Record<string, string> }) =>
      ask(server.url, path, { method: 'POST', ...more, headers: { ...token, ...more.headers } })
    const approve = `/api/devices/${DEVICE_ID}/approve`
    const before = server.operations.calls.length
    const faults = [
      await post(approve, { raw: '{"proofId":' }),
      await post(approve, { raw: '' }),
      await post(approve, { raw: '[]' }),
      await post(approve, { body: { ...PROOF, psk: 'secret-key' } }),
      await post(approve, { body: { ...PROOF, extra: 1 } }),
      await post(approve, { body: PROOF, headers: { 'content-type': 'text/plain' } }),
      await post(approve, { raw: `proofId=p1`, headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
      await post('/api/devices/AA:BB/approve', { body: PROOF }),
      await post('/api/devices/%2e%2e%2fusers/approve', { body: PROOF }),
      await post(`/api/devices/${DEVICE_ID}/requests`, {
        raw: `{"method":"x","params":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`,
      }),
      await ask(server.url, `/api/devices/${DEVICE_ID}/series?resolution=fine`, { headers: token }),
      await ask(server.url, `/api/devices/${DEVICE_ID}/series?reading=a&reading=b&resolution=fine`, { headers: token }),
      await ask(server.url, '/api/audit?limit=1e3', { headers: token }),
    ]
    for (const [index, answer] of faults.entries()) {
      expect([answer.status, answer.json?.error.code], `${index} ${answer.text}`).toEqual([400, 'INVALID'])
      expect(v.is(apiError, answer.json)).toBe(true)
      expect(answer.text).not.toContain('secret-key')
    }
    expect(server.operations.calls).toHaveLength(before)
  })

  it('takes a file only as one, whole and of a size that it may have', async () => {
    const admin = new Browser(server.url)
    await admin.post('/api/login', { name: 'anna', password: PASSWORD })
    const bundle = new Uint8Array(3_000_000).fill(7)
    expect((await admin.upload('/api/images', bundle)).status).toBe(200)
    expect(server.operations.received).toBe(bundle.length)
    const calls = server.operations.calls.length
    const asJson = await admin.post('/api/images', { bundle: 'no' })
    expect([asJson.status, asJson.json.error.code]).toEqual([400, 'INVALID'])
    const large = await admin.upload('/api/images', new Uint8Array(MAX_BUNDLE + 1))
    expect([large.status, large.json.error.code]).toEqual([413, 'TOO_LARGE'])
    const viewer = await ask(server.url, '/api/images', {
      method: 'POST',
      raw: bundle,
      headers: { authorization: `Bearer ${tokens.viewer}`, 'content-type': 'application/octet-stream' },
    }).catch(() => ({ status: 403 }))
    expect(viewer.status).toBe(403)
    expect(server.operations.calls).toHaveLength(calls)
  })

  it('answers each refusal with its status, and what nobody has thought of without its cause', async () => {
    const ping = () =>
      ask(server.url, `/api/devices/${DEVICE_ID}/ping`, {
        method: 'POST',
        headers: { authorization: `Bearer ${tokens.admin}` },
      })
    for (const [code, status] of Object.entries(errorStatus)) {
      server.operations.fail = new GatewayError(code as GatewayErrorCode, 'It happened.', { hint: 'Do this.' })
      const answer = await ping()
      expect([answer.status, answer.json]).toEqual([
        status,
        { error: { code, message: 'It happened.', hint: 'Do this.' } },
      ])
    }
    const fault = new Error('secret path')
    server.operations.fail = fault
    const answer = await ping()
    expect([answer.status, answer.json.error.code]).toEqual([500, 'INTERNAL'])
    expect(answer.text).not.toContain('secret')
    expect(server.faults).toEqual([fault])
    server.operations.fail = null
  })

  it('survives a client that leaves amid its body', async () => {
    const faults = server.faults.length
    const { hostname, port } = new URL(server.url)
    const socket = createConnection({ host: hostname, port: Number(port) })
    const head = [
      'POST /api/devices/import HTTP/1.1',
      `Host: ${hostname}:${port}`,
      `Authorization: Bearer ${tokens.admin}`,
    ]
    socket.write(`${head.join('\r\n')}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"csv":`)
    await once(socket, 'ready')
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    expect((await ask(server.url, '/api/me')).status).toBe(200)
    expect(server.faults).toHaveLength(faults)
  })

  it('bounds bodies, by their length or as they come', async () => {
    const headers = { authorization: `Bearer ${tokens.admin}` }
    const raw = JSON.stringify({ ...PROOF, name: 'x'.repeat(70_000) })
    const path = `/api/devices/${DEVICE_ID}/approve`
    for (const more of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await ask(server.url, path, { method: 'POST', raw, headers: { ...headers, ...more } })
      expect([answer.status, answer.json.error.code]).toEqual([413, 'TOO_LARGE'])
    }
    const csv = `id,psk\n${'x'.repeat(1_500_000)}`
    const large = await ask(server.url, '/api/devices/import', { method: 'POST', body: { csv }, headers })
    expect(large.status, large.text).toBe(200)
  })
})
