import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dist, worlds } from './world.js'

const world = worlds()

test('npm start brings up a hub, a robot and an autopilot, says what to open and what to type, and ends them all', async () => {
  const any = '127.0.0.1:0'
  const state = world().file('state')
  const options = ['--state', state, '--tcp', any, '--udp', any, '--https', any, '--json']
  const program = world().start(process.execPath, [join(dist, 'main.js'), ...options])
  const { page, command, fingerprint } = (await program.says('ready')) as Record<string, string>

  const url = new URL(page!)
  expect(new URLSearchParams(url.hash.slice(1)).get('key')).toBe(readFileSync(join(state, 'page.psk'), 'utf8').trim())
  const [response] = await once(get(url, { ca: readFileSync(join(state, 'tls-cert.pem')) }), 'response')
  response.resume()
  expect(response.statusCode).toBe(200)
  expect(response.headers['content-security-policy']).toContain("default-src 'none'")
  expect(response.headers['x-content-type-options']).toBe('nosniff')
  expect(response.socket.getPeerCertificate().fingerprint256).toBe(fingerprint)

  await program.says('said', ({ message }) => (message as string).startsWith('waypoint 1 reached'))
  const operator = world().start('sh', ['-c', `${command} --json`])
  operator.child.stdin!.end('robots\n')
  expect(await operator.ended).toBe(0)
  expect(operator.all('robot')).toMatchObject([{ online: true, driverName: 'autopilot', kind: 'ts' }])

  const { tcp } = (await program.says('listening')) as { tcp: string }
  expect(await program.end('SIGINT')).toBe(0)
  const [error] = await once(connect(Number(tcp.split(':')[1]), '127.0.0.1'), 'error')
  expect(error.code).toBe('ECONNREFUSED')
})
