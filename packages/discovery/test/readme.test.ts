import { readFileSync } from 'node:fs'
import * as node from '@usmp/node'
import { DEVICE_ID, PSK } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import * as library from '../src/index.ts'
import { announceTable, discoverTable } from '../src/options.ts'
import { ownPlace } from './place.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

type Program = Record<string, (...args: unknown[]) => Promise<never>>

/** What a program of the README exports, as it stands there; `scope` takes the place of its imports. */
async function load(name: string, scope: Record<string, unknown>): Promise<Program> {
  const code = readme.match(new RegExp(`\`\`\`js\n// ${name}\n(.*?)\n\`\`\``, 's'))?.[1]
  if (!code) throw new Error(`the README has no ${name}`)
  const exports = [...code.matchAll(/^export (?:async )?function (\w+)/gm)].map((match) => match[1])
  const body = code.replace(/^import .*$/gm, '').replace(/^export /gm, '')
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor
  return new AsyncFunction(...Object.keys(scope), `${body}\nreturn { ${exports.join(', ')} }`)(...Object.values(scope))
}

test('gateway, search and device of the README find each other', async () => {
  const said: string[] = []
  const log = (...words: unknown[]) => said.push(words.join(' '))
  const console = { log, warn: log }
  const place = await ownPlace()
  const { startGateway } = await load('gateway.mjs', { ...library, listen: node.listen, console })
  const { server, announcement }: { server: node.Server; announcement: library.Announcement } = await startGateway!(
    { [DEVICE_ID]: PSK },
    place,
  )
  onTestFinished(async () => {
    await announcement.close()
    await server.close()
  })
  const { search } = await load('search.mjs', { ...library, console })
  await search!({ ...place })
  const port = server.address.split(':').at(-1)
  // Once for each way by which it was heard first.
  expect(new Set(said)).toEqual(new Set([`home takes known devices usmp://127.0.0.1:${port}`]))
  const { run } = await load('device.mjs', { ...library, console })
  await run!(DEVICE_ID, PSK, place)
  expect(said.at(-1)).toBe('welcome')
})

test('every option has its row', () => {
  for (const name of [...Object.keys(discoverTable), ...Object.keys(announceTable)]) {
    expect(readme).toMatch(new RegExp(`^\\| .*\`${name}\`.* \\|`, 'm'))
  }
})
