import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { root } from '../../../scripts/pnpm.mjs'
import { documents, stepsOf } from '../src/document.ts'
import { Folder } from '../src/folder.ts'
import { packAll, type Registry, serveRegistry } from '../src/packages.ts'
import { play } from '../src/play.ts'

/** A guide may install several times, which takes as long as the registry does; ms. */
const INSTALLATIONS = 400_000

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

  test('every program is started, or is part of one that is', () => {
    const texts = steps.flatMap((step) => ('text' in step ? [step.text] : []))
    for (const step of steps) {
      if (step.kind !== 'file') continue
      const users = texts.filter((text) => text !== step.text && text.includes(step.name))
      expect(users.length, step.name).toBeGreaterThan(0)
    }
  })

  const runs = steps.some(({ kind }) => kind === 'script' || kind === 'service')
  test.runIf(runs)(
    'does what it says, as printed, in an empty folder',
    async () => {
      const folder = await Folder.create(registry.url)
      onTestFinished(() => folder.remove())
      await play(steps, folder)
    },
    INSTALLATIONS,
  )
})
