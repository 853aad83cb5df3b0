import { expect, test } from 'vitest'
import { worlds } from './world.js'

const world = worlds()

test('the autopilot drives from waypoint to waypoint, and stands back while somebody else has the control lease', async () => {
  const hub = await world().hub()
  world().robot(hub.tcp)
  await hub.program.says('robot-connected')
  const pilot = world().autopilot(hub.tcp, ['--waypoints', '0.4,0 0.4,0.4', '--laps', '1'])
  expect(await pilot.says('waypoint')).toMatchObject({ reached: 1, target: { x: 0.4, y: 0.4 } })
  const person = world().operator(hub.tcp)
  person.write('stop', 'watch')
  await person.says('stopped')
  await pilot.says('standing-back')
  // It is free to drive again when the lease is, and not before.
  const { n } = (await person.says('telemetry', ({ state }) => state === 'idle')) as { n: number }
  await person.says('telemetry', (said) => said.n === n + 10)
  expect(person.all('telemetry').filter((said) => (said.n as number) > n && said.state !== 'idle')).toEqual([])
  person.write('release')
  await pilot.says('going-on')
  expect(await pilot.ended).toBe(0)
  const last = pilot.all('waypoint').at(-1) as unknown as { reached: number; rms: number; worst: number }
  expect(last.reached).toBe(2)
  expect(last.rms).toBeLessThan(60)
  expect(last.worst).toBeLessThan(150)
})

test('an autopilot of a robot that nobody knows says so and ends', async () => {
  const hub = await world().hub()
  const pilot = world().autopilot(hub.tcp, ['--robot', '02:00:00:00:00:99'])
  expect(await pilot.ended).toBe(5)
  expect(pilot.all('error')).toMatchObject([{ message: expect.stringContaining('knows no robot 02:00:00:00:00:99') }])
})
