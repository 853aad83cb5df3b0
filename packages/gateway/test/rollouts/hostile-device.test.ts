import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@usmp/node'
import { type OtaState, otaDeviceApi, otaGatewayApi } from '@usmp/ota'
import { rpc } from '@usmp/rpc'
import { deviceNumber } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import { SIM_CHIP, SIM_PRODUCT } from '../../src/simulator.js'
import { newKey, OPERATOR } from '../support/gateway.js'
import { oldState } from './model.js'
import { bundle, eventually, Site } from './site.js'

/** A session of a device that says what it likes. */
async function liar(site: Site, state: () => OtaState | Promise<OtaState>) {
  const [tcp] = site.gateway.system().listeners
  const key = newKey()
  const id = deviceNumber(1)
  await site.gateway.register(OPERATOR, { id, psk: key.hex })
  const session = await connect(`usmp://${tcp!.address}`, { deviceId: id, psk: key.psk })
  onTestFinished(() => session.close())
  const asked = { state: 0, offer: 0 }
  const peer = rpc(session, {
    serves: otaDeviceApi,
    calls: otaGatewayApi,
    requests: {
      'ota.state': () => {
        asked.state++
        return state()
      },
      'ota.offer': () => {
        asked.offer++
        return { have: 0 }
      },
      'ota.apply': () => ({}),
      'ota.abort': () => ({}),
    },
  })
  await eventually(() => asked.state > 0)
  return { id, peer, asked }
}

const simulated = (): OtaState => oldState({ product: SIM_PRODUCT, chip: SIM_CHIP })

test('a flood of confirmations does not have the gateway ask for each of them', async () => {
  const site = await Site.open()
  const { id, peer, asked } = await liar(site, simulated)
  await eventually(() => site.gateway.device(id).updates !== undefined)
  for (let n = 0; n < 2_000; n++) await peer.notify('ota.confirmed', { sha256: '00'.repeat(32) })
  await sleep(500)
  expect(asked.state).toBeLessThan(5)
  // What it has told last is known in the end.
  expect(site.gateway.device(id).updates).toMatchObject({ product: SIM_PRODUCT })
})

test('progress of another image than the one that is sent is none', async () => {
  const site = await Site.open()
  const { id, peer, asked } = await liar(site, simulated)
  const rollout = await site.begin(await site.upload(bundle('1.1.0')))
  await eventually(() => asked.offer > 0)
  await peer.notify('ota.progress', { sha256: 'ff'.repeat(32), offset: 0xffff_ffff })
  await sleep(300)
  expect(site.row(rollout.id, id)?.offset ?? 0).toBe(0)
})
