import { randomBytes } from 'node:crypto'
import { listen, type Server, serialPort } from '@usmp/node'
import { afterAll, beforeAll, describe } from 'vitest'
import { buildCRobot, CRobot } from '../src/c-robot.js'
import { Cable } from '../src/cable.js'
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
    cable = await Cable.lay()
    server = await listen({ serial: serialPort(cable.far), psk: { [id]: psk } })
    robot = new CRobot(`serial:${cable.near}`, id, psk)
    for await (const session of server) {
      peer = new PlainPeer(session)
      break
    }
  }, 120_000)
  afterAll(async () => {
    await robot?.stop()
    await server?.close()
    await cable?.remove()
  })

  testRobot('c', () => peer, 2)
})
