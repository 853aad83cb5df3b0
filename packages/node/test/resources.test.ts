import { codeOf, deviceNumber, OTHER_PSK, PSK, until } from '@usmp/testing'
import { expect, test } from 'vitest'
import { connect } from '../src/connect.ts'
import { listen } from '../src/server.ts'
import { LOOPBACK, openSocket } from './network.ts'

// In a file of its own, so that nothing of other tests is counted.
test('nothing stays behind: no sockets, no timers', async () => {
  const count = (kind: string) => process.getActiveResourcesInfo().filter((name) => name === kind).length
  const sockets = () => count('TCPSocketWrap') + count('TCPServerWrap')
  expect(sockets()).toBe(0)
  const timers = count('Timeout')

  const server = await listen({ tcp: { host: LOOPBACK, port: 0 }, psk: () => PSK })
  const url = `usmp://${LOOPBACK}:${server.port}`
  const clients = await Promise.all([0, 1, 2].map((n) => connect(url, { deviceId: deviceNumber(n), psk: PSK })))
  await openSocket(server.port)
  expect(await codeOf(connect(url, { deviceId: deviceNumber(3), psk: OTHER_PSK }))).toBe('HANDSHAKE_REFUSED')
  expect(sockets()).toBeGreaterThanOrEqual(8)
  expect(count('Timeout')).toBeGreaterThan(timers)
  await Promise.all(clients.map((client) => client.ping()))
  await clients[0]!.close()
  await server.close()
  await Promise.all(clients.map((client) => client.close()))

  await until(() => sockets() === 0)
  expect(count('Timeout')).toBeLessThanOrEqual(timers)
  expect(await codeOf(connect(url, { deviceId: deviceNumber(4), psk: PSK }))).toBe('UNREACHABLE')
  await until(() => sockets() === 0)
  expect(count('Timeout')).toBeLessThanOrEqual(timers)
})
