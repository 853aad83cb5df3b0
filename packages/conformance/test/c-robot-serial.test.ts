import { randomBytes } from 'node:crypto'
import { listen, type Server, serialPort } from '@usmp/node'
import { buildCPeers, buildCRobot, CPeer, CRobot } from '@usmp/testing/c-programs'
import { Cable } from '@usmp/testing/cable'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PlainPeer } from '../src/json-rpc.js'
import { testRobot } from '../src/robot-behaviour.js'

const id = 'aa:bb:cc:dd:00:01'
const psk = new Uint8Array(randomBytes(32))

describe('the C robot over a serial line', () => {
  let cable: Cable
  let server: Server
  let robot: CRobot
  let peer: PlainPeer

  beforeAll(async () => {
    buildCRobot()
    buildCPeers()
    cable = await Cable.laid()
    server = await listen({ serial: serialPort(cable.far), psk: { [id]: psk } })
    robot = new CRobot(`serial:${cable.near}`, id, psk)
    for await (const session of server) {
      peer = new PlainPeer(session)
      break
    }
  }, 600_000)
  afterAll(async () => {
    await robot?.stop()
    await server?.close()
    await cable?.remove()
  })

  testRobot('c', () => peer, 2)

  test('a hub that dies without a word is missed within seconds', async () => {
    await server.close()
    const dying = new CPeer('psa', psk, ['--listen', `serial:${cable.far}:0`])
    await dying.says('connected')
    await dying.stop()
    const died = Date.now()
    server = await listen({ serial: serialPort(cable.far), psk: { [id]: psk } })
    for await (const session of server) {
      expect(await new PlainPeer(session).call('describe')).toMatchObject({ kind: 'c' })
      break
    }
    // Far from the patience of the engine, which is 60 s.
    expect(Date.now() - died).toBeLessThan(20_000)
  })
})
