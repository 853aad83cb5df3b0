import { readFileSync } from 'node:fs'
import type { Session } from '@usmp/core'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import * as library from '../src/index.ts'
import { RpcCode } from '../src/index.ts'
import { sessionPair, until } from './helpers.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

/** What a program of the README exports, as it stands there; `scope` takes the place of its imports. */
async function load(
  name: string,
  scope: Record<string, unknown>,
): Promise<Record<string, (session: Session) => unknown>> {
  const code = readme.match(new RegExp(`\`\`\`js\n// ${name}\n(.*?)\n\`\`\``, 's'))?.[1]
  if (!code) throw new Error(`the README has no ${name}`)
  const exports = [...code.matchAll(/^export (?:const|function|async function) (\w+)/gm)].map((match) => match[1])
  const body = code.replace(/^import .*$/gm, '').replace(/^export /gm, '')
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor
  return new AsyncFunction(...Object.keys(scope), `${body}\nreturn { ${exports.join(', ')} }`)(...Object.values(scope))
}

const { robotApi } = await load('contract.mjs', { ...library, v })

/** The robot of the README on a new session, and what it said. */
async function robot() {
  const said: unknown[][] = []
  const console = {
    log: (...words: unknown[]) => said.push(words),
    error: (text: string) => said.push(['fault', text]),
  }
  const { client, server } = await sessionPair()
  const { serve } = await load('robot.mjs', { ...library, robotApi, console })
  const peer = serve!(client) as library.Peer<object>
  return { session: server, said, peer, console }
}

test('the driver drives the robot', async () => {
  const { session, said, peer, console } = await robot()
  const { drive } = await load('driver.mjs', { ...library, robotApi, console })
  await drive!(session)
  expect(said).toEqual([
    ['driving', { v: 0.5, w: 0.1 }],
    ['somebody says', 'hello robot'],
    ['battery', 0.9],
  ])
  await session.close()
  expect(await peer.closed).toMatchObject({ code: 'CLOSED' })
})

test('an idempotent request is asked on the next session', async () => {
  const { session, peer } = await robot()
  const lost = await robot()
  await lost.session.close()
  let over: (() => void) | undefined
  async function* sessions() {
    yield lost.session
    yield session
    await new Promise<void>((resolve) => (over = resolve))
  }
  await load('watch.mjs', { ...library, sessions, robotApi, options: {} })
  await session.close()
  await peer.closed
  await until(() => over !== undefined)
  over!()
})

test('the table of codes is that of the package', () => {
  const codes = [...readme.matchAll(/^\| `([A-Z_]+)` \| (-\d+) \|/gm)].map(([, name, code]) => [name, Number(code)])
  expect(Object.fromEntries(codes)).toEqual(RpcCode)
})
