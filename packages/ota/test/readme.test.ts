import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, listen } from '@usmp/node'
import { rpc } from '@usmp/rpc'
import { until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import * as library from '../src/index.ts'
import * as node from '../src/node.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const DEVICE = 'aa:bb:cc:dd:ee:ff'
const psk = Uint8Array.from({ length: 32 }, (_, index) => 0xa0 + index)

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

test('publisher, device and gateway of the README update the device, and print what stands there', async () => {
  const { createHash } = await import('node:crypto')
  const { newKey, sign } = await load('publisher.mjs', { ...library, ...node, createHash })
  const key: node.PublisherKey = await newKey!()
  const image = new TextEncoder().encode('the next program '.repeat(500))
  const manifest: library.Manifest = await sign!(image, key)

  const said: string[] = []
  const console = { log: (text: string) => said.push(text) }
  const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => psk })
  onTestFinished(() => server.close())
  const { serve } = await load('gateway.mjs', { ...library, rpc, console })
  const served = serve!(server, manifest, image)

  const sessions: Awaited<ReturnType<typeof connect>>[] = []
  const connecting = async (...args: Parameters<typeof connect>) => {
    const session = await connect(...args)
    sessions.push(session)
    return session
  }
  const { run } = await load('device.mjs', { ...library, rpc, connect: connecting })
  const slots = new library.MemorySlots()
  const { address } = server
  const boot = (version: string, restart: () => void): Promise<library.OtaDevice> => {
    slots.start()
    return run!(`usmp://${address}`, {
      deviceId: DEVICE,
      psk,
      version,
      publisherKey: key.publicKey,
      port: slots,
      restart,
    })
  }
  const restarted = await new Promise<library.OtaDevice>((resolve, reject) => {
    const restart = () => {
      void sessions[0]!.close()
      boot('1.4.0', () => reject(new Error('it goes back'))).then(resolve, reject)
    }
    boot('1.3.0', restart).catch(reject)
  })
  onTestFinished(() => restarted.close())
  await served
  await until(() => said.length > 1, 'the confirmation')
  expect(slots.runningImage).toEqual(image)
  const printed = /```text\n([\s\S]*?)```/.exec(readme)![1]!.trimEnd().split('\n')
  expect(said).toEqual(printed)
})

test('the launcher of the README starts programs as a boot loader does: the new one on trial, then the old one again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'usmp-launcher-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const at = (name: string) => join(folder, name)
  /** Writes who it is and where it runs. */
  const program = (version: string) =>
    `require('node:fs').appendFileSync(${JSON.stringify(at('log'))}, '${version} in ' + process.argv[3] + '\\n')`
  await writeFile(at('first.cjs'), program('1.3.0'))
  await node.installSlots(at('device'), at('first.cjs'))
  const slots = await node.FileSlots.open({ folder: at('device'), running: 0 })
  const next = new TextEncoder().encode(program('1.4.0'))
  await slots.begin(next.length, 0)
  await slots.write(0, next)
  await slots.finish()
  await slots.activate()
  const pauses: number[] = []
  const pause = async (ms: number) => void pauses.push(ms)
  const { launch } = await load('launcher.mjs', { ...node, spawn, once, pause })
  let starts = 0
  await launch!(at('device'), () => starts++ < 3)
  expect((await readFile(at('log'), 'utf8')).trim().split('\n')).toEqual(['1.4.0 in 1', '1.3.0 in 0', '1.3.0 in 0'])
  expect(pauses).toEqual([1000, 1000, 1000])
})

test('what the README names is exported', () => {
  const rows = [...readme.matchAll(/^\| `@usmp\/ota(?:\/(\w+))?` \| (.*) \|$/gm)]
  expect(rows.map(([, entry]) => entry)).toEqual([undefined, 'node'])
  const entries: Record<string, object> = { index: library, node }
  for (const [, entry = 'index', text] of rows) {
    for (const [, name] of text!.matchAll(/`(\w+)`/g)) expect(entries[entry], entry).toHaveProperty(name!)
  }
})
