import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { gateway } from './gateway-run.js'
import { directory, PROGRAM } from './usmp.js'

const run = promisify(execFile)
const guide = readFileSync(new URL('../../../docs/ota.md', import.meta.url), 'utf8')
const [, section] = /^## In five minutes, without hardware\n([\s\S]*?)^## /m.exec(guide)!
/** Each script of the section, and what stands below it. */
const steps = [...section!.matchAll(/^```sh\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)].map(
  ([, script, shown = '']) => ({ script: script!, shown: shown.split('\n').filter(Boolean) }),
)

test('the first look of the guide: an image that is good reaches a sensor, and one that crashes is taken back', async () => {
  const folder = await directory()
  /** Runs a script of the guide in the folder, with this program in the place of the installed one. */
  const play = async (script: string) => {
    const here = script.replace(/^npm install .*\n/, '').replaceAll('npx usmp', `"${process.execPath}" "${PROGRAM}"`)
    return (await run('sh', ['-ec', here], { cwd: folder })).stdout
  }
  const [keygen, start, good, bad] = steps
  expect(steps).toHaveLength(4)
  await play(keygen!.script)

  // It is on free ports here.
  expect(start!.script).toBe('npx usmp gateway --demo --data gateway --publisher-key release.key.pub\n')
  const running = await gateway(join(folder, 'gateway'), '--demo', '--publisher-key', join(folder, 'release.key.pub'))
  onTestFinished(() => void running.child.kill())
  await running.says('stderr', /"Living room": online/)

  for (const { script, shown } of [good!, bad!]) {
    const output = await play(script)
    expect(output).not.toMatch(/^(.+)\n\1$/m)
    let from = 0
    for (const line of shown) {
      const found = output.indexOf(line, from)
      expect(found, `«${line}» in\n${output}`).toBeGreaterThanOrEqual(from)
      from = found
    }
  }
}, 90_000)
