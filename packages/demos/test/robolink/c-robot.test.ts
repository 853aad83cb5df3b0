import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { buildCRobot, cRobotProgram } from '@usmp/testing/c-programs'
import { beforeAll, expect, test } from 'vitest'
import { AUTOPILOT, type Program, ROBOT, type Said, worlds } from './world.js'

const world = worlds()

beforeAll(buildCRobot, 180_000)

function robotInC(place: string, name = 'rover', psk = world().file('state/robot-1.psk')): Program {
  const options = ['--connect', place, '--id', ROBOT, '--psk-file', psk, '--name', name]
  return world().start(cRobotProgram, options)
}

const at = (v: number) => (said: Said) => said.v === v

test.each(['tcp', 'udp'] as const)(
  'the robot in C drives over %s, survives the end of the hub, and stands then',
  async (transport) => {
    const hub = await world().hub()
    const robot = robotInC(hub[transport])
    await hub.program.says('robot-connected')
    const watching = world().operator(hub.tcp, { id: AUTOPILOT, psk: world().file('state/autopilot.psk') })
    watching.write('watch')
    const driving = world().operator(hub.tcp)
    driving.write('drive 0.3 0', 'chat hello', 'rtt')
    await watching.says('telemetry', at(0.3))
    await driving.says('chat', ({ from }) => from === 'rover')
    await hub.program.end('SIGKILL')
    const from = watching.said.length
    const again = await world().hub({ tcp: hub.tcp.slice(4), udp: hub.udp.slice(4) })
    const start = performance.now()
    await again.program.says('robot-connected')
    const back = (await watching.says('telemetry', () => true, from)) as { n: number }
    expect(performance.now() - start).toBeLessThan(5_000)
    await watching.says('telemetry', ({ n }) => (n as number) >= back.n + 10, from)
    const seen = watching.said.slice(from).filter(({ event }) => event === 'telemetry')
    expect(seen.filter(({ v }) => v !== 0)).toEqual([])
    expect(robot.child.exitCode).toBe(null)
  },
)

test('the robot in C stops when its operator freezes', async () => {
  const hub = await world().hub()
  robotInC(hub.tcp)
  await hub.program.says('robot-connected')
  const watching = world().operator(hub.tcp, { id: AUTOPILOT, psk: world().file('state/autopilot.psk') })
  watching.write('watch')
  const driving = world().operator(hub.tcp)
  driving.write('drive 0.3 0')
  await watching.says('telemetry', at(0.3))
  const from = watching.said.length
  const before = watching.all('telemetry').at(-1) as unknown as { t: number }
  driving.child.kill('SIGSTOP')
  const stopped = (await watching.says('telemetry', at(0), from)) as unknown as { t: number; state: string }
  // The dead man's 600 ms, and the time between two messages.
  expect(stopped.t - before.t).toBeLessThanOrEqual(700)
  expect(stopped.state).toBe('deadman')
})

test('the robot in C gives up with a wrong key, and when another took its place', async () => {
  const hub = await world().hub()
  const wrong = world().file('wrong.psk')
  writeFileSync(wrong, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
  expect(await robotInC(hub.tcp, 'stranger', wrong).ended).toBe(5)
  const older = robotInC(hub.tcp, 'older')
  await hub.program.says('robot-connected')
  robotInC(hub.tcp, 'newer')
  expect(await older.ended).toBe(5)
  const { program } = await world().say(hub.tcp, ['wait 1', 'robots'])
  expect(program.all('robot')).toMatchObject([{ name: 'newer', online: true, kind: 'c' }])
  expect(hub.program.all('robot-connected').length).toBe(2)
})
