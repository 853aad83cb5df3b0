import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { worlds } from './world.js'

const world = worlds()

/** A cable between two pseudo-terminals. */
async function cable(near: string, far: string): Promise<ChildProcess> {
  const end = (path: string) => `pty,raw,echo=0,link=${path}`
  const socat = spawn('socat', [end(near), end(far)], { stdio: 'inherit' })
  onTestFinished(async () => {
    const ended = once(socat, 'exit')
    socat.kill('SIGKILL')
    await ended
  })
  await expect.poll(() => existsSync(near) && existsSync(far), { timeout: 5_000 }).toBe(true)
  return socat
}

test('a robot on a serial line drives', async () => {
  const [near, far] = [world().file('near'), world().file('far')]
  await cable(near, far)
  const hub = await world().hub({ serial: near })
  world().robot(`serial:${far}`)
  await hub.program.says('robot-connected')
  const { code, program } = await world().say(hub.tcp, ['watch', 'drive 0.2 0.1', 'wait 0.7', 'stop', 'robots'])
  expect(program.all('error')).toEqual([])
  expect(code).toBe(0)
  expect(program.all('robot')).toMatchObject([{ online: true, transport: 'serial' }])
  expect(program.all('telemetry').some(({ v, w }) => v === 0.2 && w === 0.1)).toBe(true)
})
