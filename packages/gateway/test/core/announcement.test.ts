import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { discover, type Found } from '@usmp/discovery'
import { expect, test } from 'vitest'
import { OPERATOR, testGateway } from '../support/gateway.js'

const [loopback] = Object.entries(networkInterfaces()).find(([, list]) => list?.some(({ internal }) => internal))!

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

const ownPlace = async () => ({ interfaces: [loopback], port: await freePort(), mdnsPort: await freePort() })

test('a gateway that announces itself is found: site, ways, and the join window as it opens and closes', async () => {
  const place = await ownPlace()
  const { gateway } = await testGateway({
    site: 'attic',
    tcp: { port: 0 },
    udp: { port: 0 },
    websocket: { port: 0, path: '/usmp' },
    announce: { ...place, broker: { host: '127.0.0.1', port: 1883 } },
  })
  const portOf = (carrier: string) => {
    const { address } = gateway.system().listeners.find((listener) => listener.carrier === carrier)!
    return Number(/:(\d+)/.exec(address.replace(/^ws:/, ''))![1])
  }
  expect(gateway.system().announced).toEqual({
    instance: expect.stringMatching(/^[0-9a-f]{4}$/),
    interfaces: [loopback],
  })
  const seen: Found[] = []
  for await (const found of discover({ ...place, timeout: 0, site: 'attic', interval: 300 })) {
    if (found.joinOpen === seen.at(-1)?.joinOpen) continue
    seen.push(found)
    if (seen.length === 1) await gateway.openJoin(OPERATOR, { minutes: 5 })
    if (seen.length === 2) await gateway.closeJoin(OPERATOR)
    if (seen.length === 3) break
  }
  expect(seen.map(({ joinOpen }) => joinOpen)).toEqual([false, true, false])
  expect(seen[0]).toMatchObject({
    role: 'gateway',
    site: 'attic',
    path: '/usmp',
    instance: gateway.system().announced?.instance,
    carriers: [
      { kind: 'tcp', port: portOf('tcp') },
      { kind: 'udp', port: portOf('udp') },
      { kind: 'ws', port: portOf('websocket') },
      { kind: 'mqtt', port: 1883 },
    ],
  })
  await gateway.close()
  for await (const found of discover({ ...place, timeout: 400 })) expect(found).toBeUndefined()
})

test('a gateway says nothing where nobody has asked for it', async () => {
  const { gateway } = await testGateway({ tcp: { port: 0 } })
  expect(gateway.system().announced).toBeNull()
})

test('a gateway on loopback is not announced to the network, and says so', async () => {
  const warnings: string[] = []
  const { interfaces: _, ...ports } = await ownPlace()
  const networkInterface = {
    family: 'IPv4' as const,
    address: '192.0.2.7',
    netmask: '255.255.255.0',
    cidr: '192.0.2.7/24',
  }
  const { gateway } = await testGateway({
    tcp: { port: 0 },
    announce: { ...ports, networkInterfaces: () => ({ lan0: [{ ...networkInterface, mac: '', internal: false }] }) },
    onWarning: (message) => warnings.push(message),
  })
  expect(warnings[0]).toMatch(/listens on this machine alone/)
  const { facts } = { facts: gateway.system().announced }
  expect(facts?.interfaces).toEqual(['lan0'])
})
