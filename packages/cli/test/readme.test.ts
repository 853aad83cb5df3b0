import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { deserted, directory, PROGRAM } from './usmp.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

/** Each script of the README with the output that stands below it. */
const examples = [
  ...readme.matchAll(/^## (.+)$(?:(?!^## )[\s\S])*?^```sh\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/gm),
].map(([, title, script, output]) => ({ title, script: script!, output: output! }))

test('the README has examples', () => expect(examples).toHaveLength(4))

test.each(examples)('$title', { timeout: 20_000 }, async ({ script, output }) => {
  const cwd = await directory()
  await symlink(PROGRAM, join(cwd, 'usmp'))
  const address = await deserted()
  const child = spawn('sh', ['-eu', '-c', script.replaceAll('127.0.0.1:9000', address)], {
    cwd,
    env: { ...process.env, PATH: `${cwd}${delimiter}${process.env.PATH}` },
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
})
