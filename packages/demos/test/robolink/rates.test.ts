import { expect, test } from 'vitest'
import { AUTOPILOT, worlds } from './world.js'

const world = worlds()

test('telemetry comes ten times a second, commands and round trips are answered in time', async () => {
  const hub = await world().hub()
  world().robot(hub.tcp)
  await hub.program.says('robot-connected')
  const watching = world().operator(hub.tcp, { id: AUTOPILOT, psk: world().file('state/autopilot.psk') })
  watching.write('watch')
  const first = (await watching.says('telemetry')).t as number
  const driving = world().operator(hub.tcp)
  const speeds = Array.from({ length: 20 }, (_, i) => i / 100)
  driving.write(...speeds.map((v) => `drive ${v} 0`), 'stop')
  await driving.says('stopped')
  const answered = driving.all('driving').map(({ ms }) => ms as number)
  expect(answered.length).toBe(20)
  expect(answered.sort((a, b) => a - b)[10]).toBeLessThanOrEqual(250)

  // A machine that does something else meanwhile makes some rounds slow, but not all of them.
  let best = Number.POSITIVE_INFINITY
  for (let round = 1; round <= 10 && best > 3; round++) {
    driving.write('rtt 100')
    await expect.poll(() => driving.all('rtt').length, { timeout: 60_000 }).toBe(round)
    best = Math.min(best, driving.all('rtt').at(-1)!.median as number)
  }
  expect(best).toBeLessThanOrEqual(3)

  await watching.says('telemetry', ({ t }) => (t as number) >= first + 10_000)
  const counted = watching.all('telemetry').filter(({ t }) => (t as number) >= first && (t as number) < first + 10_000)
  expect(counted.length).toBeGreaterThanOrEqual(95)
  expect(counted.length).toBeLessThanOrEqual(105)
})
