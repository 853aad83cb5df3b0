import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { freePort, programFolder, snippets } from './programs.ts'

/** For programs that start on a busy machine. */
const PATIENCE = { timeout: 20_000 }

test('the gateway and the device of the README talk to each other', async () => {
  const port = String(await freePort())
  const code = [...snippets('README.md')].map(([name, text]) => [name, text.replaceAll('9000', port)] as const)
  const { write, start } = programFolder(code)
  write('device.psk', `${randomBytes(32).toString('hex')}\n`)

  const gateway = start('gateway.mjs')
  await expect.poll(gateway.output, PATIENCE).toContain('listening')
  const device = start('device.mjs')
  await once(device.child, 'close')

  expect(device.output()).toBe('answer: thank you\nround trip is a number: true\n')
  await expect
    .poll(gateway.output, PATIENCE)
    .toBe('listening\naa:bb:cc:dd:ee:ff says 21.5 °C\naa:bb:cc:dd:ee:ff said goodbye\n')
})

test('the two ends of the core README talk to each other', async () => {
  const program = programFolder(snippets('packages/core/README.md')).start('two-ends.mjs')
  await once(program.child, 'close')
  expect(program.output()).toBe('connected\nconnected\nmessage: hello\n')
})
