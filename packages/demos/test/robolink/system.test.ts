import { readFileSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ROBOT, worlds } from './world.js'

const world = worlds()

test('an operator drives a robot, talks to it and measures the round trip', async () => {
  const hub = await world().hub()
  const robot = world().robot(hub.tcp)
  await hub.program.says('robot-connected')
  const csv = world().file('log.csv')
  const { code, program } = await world().say(
    hub.tcp,
    ['robots', 'take', 'watch', 'drive 0.2 0.1', 'wait 1', 'chat hello robot', 'rtt 50', 'stop', 'wait 0.3', 'release'],
    { args: ['--csv', csv] },
  )
  expect(program.all('error')).toEqual([])
  expect(code).toBe(0)
  expect(program.all('robot')[0]).toMatchObject({
    id: ROBOT,
    name: 'robbie',
    kind: 'ts',
    online: true,
    transport: 'tcp',
  })
  expect(program.all('driving')[0]).toMatchObject({ v: 0.2, w: 0.1 })
  const telemetry = program.all('telemetry') as unknown as { x: number; v: number; state: string }[]
  expect(Math.max(...telemetry.map(({ v }) => v))).toBe(0.2)
  expect(telemetry.at(-1)).toMatchObject({ v: 0, w: 0, state: 'idle' })
  expect(telemetry.at(-1)!.x).toBeGreaterThan(0.1)
  expect(
    program
      .all('chat')
      .map(({ from, text }) => `${from}: ${text}`)
      .sort(),
  ).toEqual(['robbie: robbie heard terminal: hello robot', 'terminal: hello robot'])
  expect(program.all('rtt')[0]).toMatchObject({ count: 50 })
  const lines = readFileSync(csv, 'utf8').trim().split('\n')
  expect(lines[0]).toBe('seen,robot,n,t,x,y,theta,v,w,left,right,battery,temperature,state,age')
  expect(lines.length).toBeGreaterThan(10)
  expect(lines.at(-1)!.split(',').length).toBe(15)
  expect(robot.all('retry')).toEqual([])
})

test('keys and certificate are for their owner only, and stay between starts', async () => {
  const read = () =>
    ['keys.json', 'robot-1.psk', 'tls-key.pem', 'tls-cert.pem'].map((name) =>
      readFileSync(world().file(`state/${name}`), 'utf8'),
    )
  const hub = await world().hub()
  const first = read()
  for (const name of ['keys.json', 'robot-1.psk', 'page.psk', 'tls-key.pem']) {
    expect(statSync(world().file(`state/${name}`)).mode & 0o777).toBe(0o600)
  }
  expect(await hub.program.end()).toBe(0)
  await world().hub()
  expect(read()).toEqual(first)
})
