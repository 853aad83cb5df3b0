import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { AUTOPILOT, ROBOT, worlds } from './world.js'

const world = worlds()

function wrongKey(): string {
  const path = world().file('wrong.psk')
  writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
  return path
}

test('an operator with a wrong key is told so once, by exit code 5', async () => {
  const hub = await world().hub()
  const { code, program } = await world().say(hub.tcp, ['robots'], { psk: wrongKey() })
  expect(code).toBe(5)
  expect(program.all('error')).toMatchObject([{ code: 'HANDSHAKE_REFUSED', exit_code: 5 }])
  expect(program.all('retry')).toEqual([])
  await hub.program.says('refused', ({ code }) => code === 'AUTH_FAILED')
})

test('a robot with a wrong key gives up, by exit code 5', async () => {
  const hub = await world().hub()
  const robot = world().robot(hub.tcp, { psk: wrongKey() })
  expect(await robot.ended).toBe(5)
  // It cannot know whether the hub was only busy, so it asks five times.
  expect(robot.all('retry').length).toBe(4)
  await hub.program.says('refused')
  expect(hub.program.all('refused').length).toBe(5)
})

test('who is not in the key file is refused, and no hub is unreachable', async () => {
  const hub = await world().hub()
  const stranger = await world().say(hub.tcp, ['robots'], { id: '02:00:00:00:09:99' })
  expect(stranger.code).toBe(5)
  await hub.program.says('refused', ({ code }) => code === 'UNKNOWN_DEVICE')
  await hub.program.end()
  const late = await world().say(hub.tcp, ['robots'])
  expect(late.code).toBe(3)
})

test('nonsense is refused with its reason, and the lines after it are carried out', async () => {
  const hub = await world().hub()
  const robot = world().robot(hub.tcp)
  await hub.program.says('robot-connected')
  const { code, program } = await world().say(hub.tcp, ['drive nan 1', 'drive 1', 'fly', 'chat', 'drive 9 -9', 'stop'])
  expect(code).toBe(2)
  expect(program.all('error').map(({ message }) => message)).toEqual([
    'an argument is not usable: nan is no finite number',
    'an argument is not usable: drive takes 2 arguments, not 1',
    'an argument is not usable: there is no command fly',
    'an argument is not usable: chat takes 1 to 300 characters, not 0',
  ])
  // More than it is capable of is cut down, and it says to what.
  expect(program.all('driving')).toMatchObject([{ v: 0.5, w: -2 }])
  expect(program.all('stopped').length).toBe(1)
  expect(robot.all('retry')).toEqual([])
})

test('a robot that nobody knows, and one that is not there, are answered at once', async () => {
  const hub = await world().hub()
  const unknown = await world().say(hub.tcp, ['watch 02:00:00:00:00:99', 'robots'])
  expect(unknown.code).toBe(5)
  expect(unknown.program.all('error')).toMatchObject([
    { code: -32004, message: 'this hub knows no robot 02:00:00:00:00:99' },
  ])
  expect(unknown.program.all('robot')).toMatchObject([{ id: ROBOT, online: false, kind: null }])
  const away = await world().say(hub.tcp, ['drive 0.1 0'])
  expect(away.code).toBe(3)
  expect(away.program.all('error')).toMatchObject([{ code: -32005 }])
})

test('one drives, the others watch; anybody may stop', async () => {
  const hub = await world().hub()
  world().robot(hub.tcp)
  await hub.program.says('robot-connected')
  const driver = world().operator(hub.tcp)
  driver.write('drive 0.2 0')
  await driver.says('driving')
  const other = world().operator(hub.tcp, { id: AUTOPILOT, psk: world().file('state/autopilot.psk') })
  other.write('take', 'drive 0.1 0')
  const refused = { code: -32003, message: 'terminal drives robbie', exit_code: 5 }
  expect(await other.says('error', () => true)).toMatchObject(refused)
  await expect.poll(() => other.all('error').length).toBe(2)
  expect(other.all('error')[1]).toMatchObject(refused)
  // A stop would be worth nothing if the next drive undid it: who stopped has the lease.
  other.write('stop', 'robots')
  await other.says('stopped')
  expect(await other.says('robot')).toMatchObject({ driverName: 'autopilot' })
  expect(await driver.says('not-driving')).toMatchObject({ message: 'autopilot drives robbie' })
  driver.write('take force', 'robots')
  await driver.says('taken')
  expect(await driver.says('robot')).toMatchObject({ driverName: 'terminal' })
})
