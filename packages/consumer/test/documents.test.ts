import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { root } from '../../../scripts/pnpm.mjs'
import { documents, stepsOf } from '../src/document.ts'
import { Folder } from '../src/folder.ts'
import { packAll, type Registry, serveRegistry } from '../src/packages.ts'
import { play } from '../src/play.ts'

let registry: Registry
beforeAll(async () => {
  registry = await serveRegistry(await packAll())
})
afterAll(() => registry?.close())

describe.each(documents())('%s', (path) => {
  const steps = stepsOf(path)

  test('every block runs, or its source says why not', () => {
    for (const step of steps) {
      if (step.kind === 'unknown') expect.fail(`no comment says what becomes of\n${step.text}`)
      if (step.kind === 'elsewhere') expect(existsSync(join(root, step.path)), step.path).toBe(true)
      if (step.kind === 'left out') expect(step.reason.length).toBeGreaterThan(10)
    }
  })

  const runs = steps.some(({ kind }) => kind === 'script' || kind === 'service')
  test.runIf(runs)('does what it says, as printed, in an empty folder', async () => {
    const folder = await Folder.create(registry.url)
    onTestFinished(() => folder.remove())
    await play(steps, folder)
  })
})
