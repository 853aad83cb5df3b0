import { request } from 'node:http'
import { expect, it } from 'vitest'
import { type Answer, ask, Browser } from './client.js'
import { PASSWORD, startTestServer } from './start.js'

const DAY = 24 * 3600_000
const code = ({ status, json }: Answer) => [status, json?.error.code]

it('keeps the last admin, also against two at once', async () => {
  const server = await startTestServer()
  const admin = await server.setUp()
  const users = async (): Promise<{ name: string; rev: number }[]> => (await admin.get('/api/users')).json.users
  const [anna] = await users()
  expect(code(await admin.send('DELETE', `/api/users/anna?rev=${anna!.rev}`))).toEqual([409, 'WRONG_STATE'])
  expect(code(await admin.send('PATCH', '/api/users/anna', { rev: anna!.rev, role: 'viewer' }))).toEqual([
    409,
    'WRONG_STATE',
  ])
  const other = await server.logIn(admin, 'admin')
  const revs = new Map((await users()).map(({ name, rev }) => [name, rev]))
  const answers = await Promise.all([
    admin.send('PATCH', '/api/users/anna', { rev: revs.get('anna'), role: 'viewer' }),
    other.send('PATCH', '/api/users/admin', { rev: revs.get('admin'), role: 'viewer' }),
  ])
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
})

it('refuses a change of what somebody else has changed, and a name that is taken', async () => {
  const server = await startTestServer()
  const admin = await server.setUp()
  await server.logIn(admin, 'viewer')
  expect(code(await admin.post('/api/users', { name: 'viewer', role: 'admin', password: PASSWORD }))).toEqual([
    409,
    'EXISTS',
  ])
  const stale = { rev: 1, role: 'operator' }
  expect(code(await admin.send('PATCH', '/api/users/viewer', stale))).toEqual([409, 'CONFLICT'])
  expect(code(await admin.send('DELETE', '/api/users/viewer?rev=1'))).toEqual([409, 'CONFLICT'])
  for (const name of ['Viewer', 'token:x', '', 'x'.repeat(33), '__proto__', 'a b', 'cli', 'gateway', 'nobody'])
    expect(code(await admin.post('/api/users', { name, role: 'viewer', password: PASSWORD })), name).toEqual([
      400,
      'INVALID',
    ])
})

it('lets a token do no more than who made it may do now, and ends it with its maker', async () => {
  const server = await startTestServer()
  const anna = await server.setUp()
  const other = await server.logIn(anna, 'admin')
  const { token } = (await other.post('/api/tokens', { name: 'script', role: 'admin', days: 30 })).json
  const headers = { authorization: `Bearer ${token}` }
  const openJoin = () => ask(server.url, '/api/join', { method: 'POST', headers, body: { minutes: 1 } })
  const rev = async () =>
    (await anna.get('/api/users')).json.users.find(({ name }: { name: string }) => name === 'admin').rev
  expect((await openJoin()).status).toBe(200)
  await anna.send('PATCH', '/api/users/admin', { rev: await rev(), role: 'viewer' })
  expect(code(await openJoin())).toEqual([403, 'FORBIDDEN'])
  expect((await ask(server.url, '/api/devices', { headers })).status).toBe(200)

  await anna.send('DELETE', `/api/users/admin?rev=${await rev()}`)
  expect((await ask(server.url, '/api/devices', { headers })).status).toBe(401)
  await anna.post('/api/users', { name: 'admin', role: 'admin', password: PASSWORD })
  const ended = await ask(server.url, '/api/devices', { headers })
  expect(ended.status).toBe(401)
  expect(ended.text).toContain('This token is not known, or has ended.')
  expect((await ask(server.url, '/api/devices')).text).toContain('You are not logged in')
  expect((await anna.get('/api/tokens')).json.tokens).toEqual([])
})

it('ends a token when it is due, tells when it was used, and never shows it again', async () => {
  const server = await startTestServer()
  const admin = await server.setUp()
  const { token, id } = (await admin.post('/api/tokens', { name: 'script', role: 'viewer', days: 1 })).json
  expect(token).toMatch(new RegExp(`^usmp_${id}_[\\w-]{43}$`))
  const use = () => ask(server.url, '/api/devices', { headers: { authorization: `Bearer ${token}` } })
  expect((await admin.get('/api/tokens')).json.tokens[0].lastUsedAt).toBeNull()
  expect((await use()).status).toBe(200)
  const list = await admin.get('/api/tokens')
  expect(list.json.tokens[0]).toMatchObject({ id, name: 'script', role: 'viewer', createdBy: 'anna' })
  expect(list.json.tokens[0].lastUsedAt).toBeGreaterThan(0)
  expect(list.text).not.toContain(token.split('_')[2])
  expect(JSON.stringify(await server.store.tokens.list())).not.toContain(token.split('_')[2])
  server.advance(DAY)
  expect((await use()).status).toBe(401)
})

it('pauses for who guesses passwords, also of those who are logged in', async () => {
  const server = await startTestServer()
  const admin = await server.setUp()
  const guess = () => new Browser(server.url).post('/api/login', { name: 'anna', password: 'wrong' })
  for (let n = 0; n < 5; n++) expect((await guess()).status).toBe(401)
  for (let n = 0; n < 5; n++) expect((await admin.post('/api/step-up', { password: 'wrong' })).status).toBe(401)
  const paused = await guess()
  expect([...code(paused), paused.headers['retry-after']]).toEqual([429, 'TOO_MANY', '1'])
  expect(code(await admin.post('/api/password', { password: 'wrong', newPassword: PASSWORD }))).toEqual([
    429,
    'TOO_MANY',
  ])
  expect((await admin.get('/api/devices')).status).toBe(200)
  server.advance(1000)
  expect((await new Browser(server.url).post('/api/login', { name: 'anna', password: PASSWORD })).status).toBe(200)
})

it('does nothing for who lost their rights while the body was on its way', async () => {
  const server = await startTestServer()
  const anna = await server.setUp()
  const other = await server.logIn(anna, 'operator')
  const headers = { ...other.headers, 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
  const slow = request(`${server.url}/api/join`, { method: 'POST', headers })
  const status = new Promise((resolve) => slow.once('response', (response) => resolve(response.statusCode)))
  slow.write('{"minutes"')
  // It was let in: a wrong cookie would be refused without the rest of the body.
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect((await other.post('/api/logout-everywhere')).status).toBe(204)
  slow.end(':5}')
  expect(await status).toBe(401)
})

it('lets an admin revoke while strangers guess at the password', async () => {
  const server = await startTestServer()
  const anna = await server.setUp()
  const stranger = new Browser(server.url)
  const guess = async () => (await stranger.post('/api/login', { name: 'anna', password: 'guess' })).status
  const answers: number[] = []
  while (answers.at(-1) !== 429) answers.push(await guess())
  expect(answers).toHaveLength(6)
  expect((await anna.post('/api/step-up', { password: PASSWORD })).status).toBe(200)
})

it('writes down what somebody was refused for their role, and does not let them fill the disk', async () => {
  const server = await startTestServer()
  const viewer = await server.logIn(await server.setUp(), 'viewer')
  const id = '02:00:00:00:00:01'
  expect(code(await viewer.post(`/api/devices/${id}/revoke`, { rev: 1 }))).toEqual([403, 'FORBIDDEN'])
  expect((await viewer.get('/api/audit')).status).toBe(403)
  for (let n = 0; n < 40; n++) await viewer.post('/api/devices/%3Cb%3E/star', { starred: true })
  const entries = await server.store.audit.page({ limit: 100 })
  const refused = entries.filter(({ result }) => result === 'FORBIDDEN')
  expect(refused).toHaveLength(30)
  expect(refused.at(-1)).toMatchObject({ actor: 'viewer', role: 'viewer', action: 'api.revoke', object: id })
  expect(refused[0]).toMatchObject({ action: 'api.star', object: '' })
})
