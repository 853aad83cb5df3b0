import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Installed } from './packed.js'
import { deserted, directory } from './usmp.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

/** Each script of the README with the output that stands below it. */
const examples = [
  ...readme.matchAll(/^## (.+)$(?:(?!^## )[\s\S])*?^```sh\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/gm),
].map(([, title, script, output]) => ({ title, script: script!, output: output! }))

let installed: Installed

beforeAll(async () => {
  installed = await Installed.make()
}, 240_000)
afterAll(() => installed.remove())

test('the README has examples, and every script is one', () => {
  expect(examples).toHaveLength(4)
  expect(readme.match(/^```sh$/gm)).toHaveLength(4)
})

test.each(examples)(
  '$title: as printed, with the packed package, in an empty folder',
  { timeout: 60_000 },
  async ({ script, output }) => {
    const cwd = await directory()
    const address = await deserted()
    const child = spawn('sh', ['-eu', '-c', script.replaceAll('127.0.0.1:9000', address)], {
      cwd,
      env: { ...process.env, PATH: `${installed.bin}${delimiter}${process.env.PATH}` },
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (data) => (stdout += data))
    child.stderr.on('data', (data) => (stderr += data))
    await once(child, 'close')
    expect({ code: child.exitCode, stdout: stdout.trimEnd(), stderr }).toEqual({
      code: 0,
      stdout: output.trimEnd(),
      stderr: expect.not.stringContaining('error:'),
    })
  },
)
