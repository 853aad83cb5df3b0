import { readFileSync } from 'node:fs'
import * as node from '@usmp/node'
import { DEVICE_ID, PSK, until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { BrokerOptions } from '../src/broker-options.ts'
import * as embeddedBroker from '../src/embedded-broker.ts'
import * as library from '../src/index.ts'

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

test('gateway and device of the README meet at its broker', async () => {
  const said: string[] = []
  const console = { log: (...words: unknown[]) => said.push(words.join(' ').trim()) }
  const { embedded } = await load('embedded.mjs', { ...embeddedBroker, console })
  const broker: { url: string; gateway: BrokerOptions; close(): Promise<void> } = await embedded!()
  onTestFinished(() => broker.close())
  const servers: node.Server[] = []
  const listen = async (options: node.ListenOptions) => {
    const server = await node.listen(options)
    servers.push(server)
    return server
  }
  const { startGateway } = await load('gateway.mjs', { ...library, listen, console })
  const { run } = await load('device.mjs', { ...library, console })
  const gateway = startGateway!(broker.gateway, { [DEVICE_ID]: PSK })
  const stop = new AbortController()
  const device = run!({ url: broker.url }, DEVICE_ID, PSK, stop.signal)
  await until(() => said.includes('21.5 °C'), 'the answer', 40_000)
  expect(said).toContain('broker: connected')
  expect(said).toContain(`devices connect to ${broker.url}`)
  stop.abort()
  await device
  await servers[0]!.close()
  await gateway
  expect(said.at(-1)).toBe('broker: closed')
})

test('every option of a broker has its row', async () => {
  const { brokerTable } = await import('../src/broker-options.ts')
  for (const name of Object.keys(brokerTable)) expect(readme).toMatch(new RegExp(`^\\| .*\`${name}\`.* \\|`, 'm'))
})
