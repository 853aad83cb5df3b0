// What `npm start` prints is what a person copies: the address into a browser, the command into another terminal.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dist } from '../robolink/world.ts'
import { fresh, PATIENCE, rigs, text } from './rig.ts'

const rig = rigs()
const any = '127.0.0.1:0'

test('the printed address opens in Chromium as it is printed and signs in, and so does the printed command', {
  timeout: 600_000,
}, async () => {
  const world = rig().world
  // A name that a shell has to be told about.
  const state = world.file('a state of mine')
  const options = ['--state', state, '--tcp', any, '--udp', any, '--https', any, '--no-autopilot']
  const program = world.start(process.execPath, [join(dist, 'main.js'), ...options])
  const printed = () => program.said.map(({ text }) => text as string)
  const line = (begins: string) => printed().find((line) => line.trim().startsWith(begins))
  await expect.poll(() => line('An operator in another terminal'), PATIENCE).toBeDefined()

  await expect.poll(() => line('node '), PATIENCE).toBeDefined()
  const page = await rig().open(line('https://')!.trim())
  await fresh(page)
  expect(await text(page, 'link-text')).toBe('Encrypted link')
  expect(page.url()).not.toContain('#')
  await page.getByRole('button', { name: 'Take the wheel' }).click()
  await expect.poll(() => text(page, 'driver'), PATIENCE).toBe('you')

  const operator = world.start('sh', ['-c', line('node ')!.trim()])
  operator.child.stdin!.end('robots\nstop\n')
  expect(await operator.ended).toBe(0)
  const said = operator.said.map(({ text }) => text)
  expect(said.some((line) => /^02:00:00:00:00:01 {2}Robot in TypeScript {2}ts over tcp/.test(line as string))).toBe(
    true,
  )
  expect(said).toContain('stopped')
  // Who stopped it has the lease, and gave it back at the end.
  await expect.poll(() => text(page, 'driver'), PATIENCE).toBe('nobody')
})
