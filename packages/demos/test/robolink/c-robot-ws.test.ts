import { buildCRobot, cRobotProgram } from '@usmp/testing/c-programs'
import { beforeAll, expect, test } from 'vitest'
import { AUTOPILOT, type Program, ROBOT, type Said, worlds } from './world.js'

const world = worlds()

beforeAll(buildCRobot, 180_000)

function robotInC(page: string, ...more: string[]): Program {
  const url = new URL('/usmp', page.replace(/^http/, 'ws')).href
  const options = ['--connect', url, '--id', ROBOT, '--psk-file', world().file('state/robot-1.psk'), '--name', 'rover']
  return world().start(cRobotProgram, [...options, ...more])
}

const at = (v: number) => (said: Said) => said.v === v

test('the robot in C drives over wss, trusting the certificate of the hub, and survives the end of the hub', async () => {
  const hub = await world().hub()
  const robot = robotInC(hub.page, '--ca', world().file('state/tls-cert.pem'))
  await hub.program.says('robot-connected')
  const watching = world().operator(hub.tcp, { id: AUTOPILOT, psk: world().file('state/autopilot.psk') })
  watching.write('watch')
  const driving = world().operator(hub.tcp)
  driving.write('drive 0.3 0', 'chat hello')
  await watching.says('telemetry', at(0.3))
  await driving.says('chat', ({ from }) => from === 'rover')
  await hub.program.end('SIGKILL')
  const from = watching.said.length
  const { host } = new URL(hub.page)
  const again = await world().hub({ tcp: hub.tcp.slice(4), https: host })
  await again.program.says('robot-connected')
  const back = (await watching.says('telemetry', () => true, from)) as { n: number }
  await watching.says('telemetry', ({ n }) => (n as number) >= back.n + 10, from)
  const seen = watching.said.slice(from).filter(({ event }) => event === 'telemetry')
  expect(seen.filter(({ v }) => v !== 0)).toEqual([])
  expect(robot.child.exitCode).toBe(null)
})

test('without the certificate of the hub there is no WebSocket, and the robot says why', async () => {
  const hub = await world().hub()
  const robot = robotInC(hub.page)
  while (!/no WebSocket: the certificate of the server: self-signed/.test(`${robot}`)) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(robot.child.exitCode).toBe(null)
  }
  expect(hub.program.all('robot-connected')).toEqual([])
})
