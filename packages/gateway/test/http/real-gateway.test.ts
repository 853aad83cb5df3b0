import { until } from '@usmp/testing'
import { expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import type { Device } from '../../src/contract/device.js'
import type { LiveMessage } from '../../src/contract/live.js'
import { startHttp } from '../../src/http/server.js'
import { connectDevice, newKey, testGateway, untilState } from '../support/gateway.js'
import { temporaryFolder } from '../support/temporary-store.js'
import { Browser } from './client.js'
import { PASSWORD } from './start.js'

const ID = 'aa:bb:cc:dd:ee:01'

it('takes a device through its life by HTTP, with a real gateway behind it', async () => {
  const { gateway, store, clock } = await testGateway()
  const folder = await temporaryFolder()
  const server = await startHttp({ operations: gateway, store, folder, port: 0, clock, passwordCost: 4 })
  onTestFinished(() => server.close())
  const browser = new Browser(server.url)
  const token = server.setupUrl!.split('#')[1]
  await browser.post('/api/setup', { token, name: 'anna', password: PASSWORD })
  const messages: LiveMessage[] = []
  const live = new WebSocket(`${server.url.replace('http', 'ws')}/api/live`, { headers: browser.headers })
  live.on('message', (data) => messages.push(JSON.parse(data.toString())))
  onTestFinished(() => live.terminate())
  await until(() => messages.length > 0)

  const key = newKey()
  expect((await browser.post('/api/join', { minutes: 5, count: 1 })).json).toMatchObject({ open: true, left: 1 })
  const knocking = connectDevice(gateway, ID, key.psk).catch(() => null)
  const shown = async (state: Device['state']) => {
    await untilState(gateway, ID, state)
    // The feed gathers changes for a moment.
    clock.advance(1000)
    await until(() => messages.some((message) => message.type === 'device' && message.device.state === state))
  }
  await shown('waiting')
  const waiting: Device = (await browser.get(`/api/devices/${ID}`)).json
  const { proofId } = waiting.knock!

  const act = (name: string, body?: object) => browser.post(`/api/devices/${ID}/${name}`, body)
  expect((await act('check-key', { proofId, psk: newKey().hex })).json).toEqual({ fits: false, fingerprint: null })
  const wrong = await act('approve', { proofId, psk: newKey().hex })
  expect([wrong.status, wrong.json.error.code]).toEqual([422, 'KEY_DOES_NOT_FIT'])
  const stale = await act('approve', { proofId: 'another', psk: key.hex })
  expect([stale.status, stale.json.error.code]).toEqual([409, 'PROOF_CHANGED'])
  const approved = await act('approve', { proofId, psk: key.hex, name: 'Cellar' })
  expect([approved.status, approved.json.state]).toEqual([200, 'approved'])
  expect(approved.text).not.toContain(key.hex)
  await knocking

  const session = await connectDevice(gateway, ID, key.psk)
  await shown('online')
  expect((await act('ping')).json.roundTrip).toBeGreaterThanOrEqual(0)
  const { rev } = (await browser.get(`/api/devices/${ID}`)).json
  const revoked = await act('revoke', { rev, reason: 'lost' })
  expect([revoked.status, revoked.json.state]).toEqual([200, 'revoked'])
  await until(() => session.signal.aborted)

  const actions = (await browser.get('/api/audit')).json.entries.map(({ action }: { action: string }) => action)
  expect(actions.reverse()).toEqual(expect.arrayContaining(['setup', 'join.open', 'device.approve', 'device.revoke']))
  expect((await browser.get('/api/audit/verify')).json.intact).toBe(true)
  expect((await browser.get('/metrics')).text).toContain('usmp_gateway_devices{state="revoked"} 1')
})
