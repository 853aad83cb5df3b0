import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))
const root = join(packageFolder, '../..')

// Inside the package, so that its dependencies are found as a user's would be.
let folder: string
let children: ChildProcess[]
beforeEach(() => {
  folder = mkdtempSync(join(packageFolder, 'dist/readme-'))
  children = []
})
afterEach(() => {
  for (const child of children) child.kill()
  rmSync(folder, { recursive: true })
})

/** The code blocks of a document that begin with a comment naming a file. */
function snippets(document: string): Map<string, string> {
  const text = readFileSync(join(root, document), 'utf8')
  return new Map([...text.matchAll(/```js\n\/\/ (\S+)\n(.*?)```/gs)].map(([, name, code]) => [name!, code!]))
}

function start(file: string): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [file], { cwd: folder })
  children.push(child)
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  return { child, output: () => output }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

test('the gateway and the device of the README talk to each other', async () => {
  const port = String(await freePort())
  const code = snippets('README.md')
  for (const [name, text] of code) writeFileSync(join(folder, name), text.replaceAll('9000', port))
  writeFileSync(join(folder, 'device.psk'), `${randomBytes(32).toString('hex')}\n`)

  const gateway = start('gateway.mjs')
  await expect.poll(gateway.output).toContain('listening')
  const device = start('device.mjs')
  await once(device.child, 'close')

  expect(device.output()).toBe('answer: thank you\nround trip is a number: true\n')
  await expect.poll(gateway.output).toBe('listening\naa:bb:cc:dd:ee:ff says 21.5 °C\naa:bb:cc:dd:ee:ff said goodbye\n')
})

test('the two ends of the core README talk to each other', async () => {
  for (const [name, text] of snippets('packages/core/README.md')) writeFileSync(join(folder, name), text)
  const program = start('two-ends.mjs')
  await once(program.child, 'close')
  expect(program.output()).toBe('connected\nconnected\nmessage: hello\n')
})
