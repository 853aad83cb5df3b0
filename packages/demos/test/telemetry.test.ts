import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('../dist/telemetry/main.js', import.meta.url))

test('real readings arrive ten times a second, and the wire shows none of them', async () => {
  const child = spawn(process.execPath, [program, '--seconds', '3'])
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  const [code] = await once(child, 'close')
  expect(errors).toBe('')
  expect(code).toBe(0)
  const lines = output.split('\n').filter((line) => line.startsWith('#'))
  expect(lines.length).toBeGreaterThan(10)
  expect(lines[0]).toMatch(/^#1 {2}load \d+\.\d\d {2}mem \d+\.\d\/\d+\.\d GiB.* {2}wire cdab0205…$/)
  expect(output).toMatch(/rtt \d+\.\d\d ms/)
  // What crosses the wire is hex of ciphertext: neither the words nor their hex are in it.
  expect(output).not.toContain(Buffer.from('"load"').toString('hex'))
  expect(output).toMatch(/\d+ readings decrypted, \d+ frames passed the wire\./)
})
