import { Cable } from '@usmp/testing/cable'
import { expect, test } from 'vitest'
import { worlds } from './world.js'

const world = worlds()

test('a robot on a serial line drives', async () => {
  const { near, far } = await Cable.plugged()
  const hub = await world().hub({ serial: near })
  world().robot(`serial:${far}`)
  await hub.program.says('robot-connected')
  const { code, program } = await world().say(hub.tcp, ['watch', 'drive 0.2 0.1', 'wait 0.7', 'stop', 'robots'])
  expect(program.all('error')).toEqual([])
  expect(code).toBe(0)
  expect(program.all('robot')).toMatchObject([{ online: true, transport: 'serial' }])
  expect(program.all('telemetry').some(({ v, w }) => v === 0.2 && w === 0.1)).toBe(true)
})
