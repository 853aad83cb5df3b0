import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import * as library from '../src/index.ts'
import * as node from '../src/node.ts'
import * as server from '../src/server.ts'

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

test('bank and customer of the README pair by the code, and talk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'usmp-relay-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const said: string[] = []
  const console = { log: (text: string) => said.push(text) }
  // The port of the README may be taken on this machine.
  const startRelay = (options: server.RelayOptions) => server.startRelay({ ...options, port: 0 })
  const { serve } = await load('relay.mjs', { startRelay, console })
  const relay: server.Relay = await serve!()
  onTestFinished(() => relay.close())

  await node.writeIdentityFile(join(folder, 'bank.json'), library.Identity.generate())
  const { answer } = await load('bank.mjs', { ...library, ...node, console })
  const bank = answer!(relay.url, join(folder, 'bank.json'), join(folder, 'bank.peers'))
  await until(() => said.some((line) => line.startsWith('code: ')), 'the code')
  const code = said.find((line) => line.startsWith('code: '))!.slice('code: '.length)
  const { ask } = await load('customer.mjs', { ...library, ...node, console })
  await ask!(relay.url, code, join(folder, 'customer.json'))
  await bank
  expect(said).toEqual([
    `listening on ${relay.url}`,
    `code: ${code}`,
    'customer: What is my balance?',
    'bank: 1,204.50 euro',
  ])
  expect((await node.readKnownPeers(join(folder, 'bank.peers'))).list()).toMatchObject([{ name: 'customer' }])
})

test('what the README names is exported', () => {
  const rows = [...readme.matchAll(/^\| `@usmp\/relay(?:\/(\w+))?` \| (.*) \|$/gm)]
  expect(rows.map(([, entry]) => entry)).toEqual([undefined, 'node', 'browser', 'server'])
  const entries: Record<string, object> = { index: library, node, server }
  for (const [, entry = 'index', text] of rows) {
    const names = [...text!.matchAll(/`(\w+)/g)].map(([, name]) => name).filter((name) => name !== 'ws')
    for (const name of names) if (entries[entry]) expect(entries[entry], entry).toHaveProperty(name!)
  }
})
