import { connect, listen } from '@usmp/node'
import { DEVICE_ID, LossyRelay, PSK } from '@usmp/testing'
import { describe, onTestFinished, test } from 'vitest'
import { expectResumed, updateOver } from './support/real.ts'

describe('an update over real sessions, cut once in the midst', () => {
  test('over TCP', async () => {
    const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => PSK })
    onTestFinished(() => server.close())
    const { address } = server
    expectResumed(await updateOver(server, () => connect(`usmp://${address}`, { deviceId: DEVICE_ID, psk: PSK })))
  })

  test('over UDP that loses, doubles and reorders', async () => {
    const server = await listen({ tcp: false, udp: { host: '127.0.0.1', port: 0 }, psk: () => PSK })
    onTestFinished(() => server.close())
    const relay = await LossyRelay.start(server.udpPort, { loss: 0.03, duplication: 0.03, reordering: 0.03, delay: 1 })
    onTestFinished(() => relay.stop().then(() => {}))
    console.log(`relay: seed ${relay.seed}`)
    const url = `usmp+udp://127.0.0.1:${relay.port}`
    expectResumed(await updateOver(server, () => connect(url, { deviceId: DEVICE_ID, psk: PSK })))
  })
})
