import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { freePort, interrupt, type Program, programFolder, snippets } from './programs.ts'

const GUIDE = 'docs/guide-device-and-controller.md'
const PATIENCE = { timeout: 60_000 }

/** What the guide says that one sees: the blocks of text in it. */
const promised = [
  ...readFileSync(new URL(`../../../${GUIDE}`, import.meta.url), 'utf8').matchAll(/```text\n(.*?)```/gs),
].map(([, text]) => text!)
const [afterStart, afterRestart, afterWrongKey, afterNonsense] = promised as [string, string, string, string]

/** The programs of the guide in a folder of their own, on a port of their own. */
async function guide() {
  const port = String(await freePort())
  const code = [...snippets(GUIDE)].map(([name, text]) => [name, text.replaceAll('9000', port)] as const)
  const folder = programFolder(code)
  const newKey = () => folder.write('device.psk', `${randomBytes(32).toString('hex')}\n`)
  newKey()
  return { start: folder.start, newKey }
}

const says = (program: Program, text: string) => expect.poll(program.output, PATIENCE).toContain(text)

test('the controller of the guide waters the device of the guide', async () => {
  const { start } = await guide()
  const controller = start('controller.mjs')
  await says(controller, 'listening')
  start('device.mjs')
  await expect.poll(() => controller.output().startsWith(afterStart), PATIENCE).toBe(true)
})

test('the device of the guide comes back when its controller does', async () => {
  const { start } = await guide()
  const first = start('controller.mjs')
  await says(first, 'listening')
  const device = start('device.mjs')
  await says(first, 'moisture')
  await interrupt(first)
  const [retry, connected] = afterRestart.trim().split('\n') as [string, string]
  await says(device, retry.replace(/\d+ ms/, ''))
  const before = device.output().split(connected).length
  const second = start('controller.mjs')
  await says(second, 'moisture')
  expect(device.output().split(connected).length).toBeGreaterThan(before)
})

test('a device of the guide with another key is refused, and goes on trying', async () => {
  const { start, newKey } = await guide()
  const controller = start('controller.mjs')
  await says(controller, 'listening')
  newKey()
  const device = start('device.mjs')
  await expect.poll(() => controller.output().split(afterWrongKey.trim()).length, PATIENCE).toBeGreaterThan(3)
  expect(device.child.exitCode).toBeNull()
  expect(controller.output()).not.toContain('moisture')
})

test('nonsense is refused at both ends', async () => {
  const { start } = await guide()
  const nonsense = start('nonsense.mjs')
  const device = start('device.mjs')
  await once(nonsense.child, 'close')
  const [local, remote] = afterNonsense.trim().split('\n') as [string, string]
  const lines = nonsense.output().trim().split('\n')
  expect(lines).toHaveLength(4)
  expect(lines[0]).toBe(local)
  for (const line of lines.slice(1)) expect(line).toMatch(new RegExp(`^${remote} .*seconds`))
  expect(device.child.exitCode).toBeNull()
})
