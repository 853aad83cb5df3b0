import { nodeProvider } from '@usmp/node'
import { bundle, launch, openPage, servePage } from '@usmp/testing/chromium'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Identity } from '../../src/identity.ts'
import { nodeDial } from '../../src/node-dial.ts'
import { hostByCode } from '../../src/pair-by-code.ts'
import { PairingCode } from '../../src/pairing-code.ts'
import { RelayPeer } from '../../src/peer.ts'
import { type RelayOptions, startRelay } from '../../src/server.ts'
import type { PageGlobals } from './page.ts'

// What the page has, for the functions below that run in it.
declare const pairAndTalk: PageGlobals['pairAndTalk']
declare const refusal: PageGlobals['refusal']

let browser: Browser
let site: Awaited<ReturnType<typeof servePage>>
const faults: unknown[] = []

beforeAll(async () => {
  browser = await launch()
  site = await servePage(await bundle(new URL('./page.ts', import.meta.url)))
})
afterAll(async () => {
  await browser?.close()
  site?.close()
})

async function page(): Promise<Page> {
  const opened = await openPage(browser, `http://127.0.0.1:${site.port}/`, faults)
  onTestFinished(() => opened.close())
  return opened
}

async function start(options: RelayOptions = { open: true }): Promise<URL> {
  const relay = await startRelay({ port: 0, ...options })
  onTestFinished(() => relay.close())
  return relay.url
}

test('a page pairs with a program in Node by a code, and they talk over the relay', async () => {
  const relay = await start()
  const code = PairingCode.generate()
  const identity = Identity.generate()
  const inPage = (await page()).evaluate(([url, words]) => pairAndTalk(url!, words!), [relay.href, code.toString()])
  const dial = nodeDial()
  const paired = await hostByCode({ relay, dial, code, identity, name: 'Bank', provider: nodeProvider })
  expect(paired.name).toBe('Page')
  const peer = RelayPeer.start({ relay, dial, keys: identity.pairWith(paired.publicKey), provider: nodeProvider })
  const received: string[] = []
  const said = ['', 'pay 10 euro', 'x'.repeat(2_000)]
  for (const message of said) await peer.channel.send(message)
  while (received.length < 1 + said.length) {
    received.push(Buffer.from((await peer.channel.receive())!).toString())
  }
  await peer.close()
  expect(received).toEqual(['hello', ...said])
  const there = await inPage
  expect(there.peer).toBe('Bank')
  expect(there.received).toEqual(said)
  expect(there.states).toContain('online')
  expect(there.states.at(-1)).toBe('ended')
  expect(faults).toEqual([])
})

test('a page is told why a relay refuses it', async () => {
  const relay = await start({ tokenKey: new Uint8Array(32).fill(9) })
  const failure = await (await page()).evaluate((url) => refusal(url), relay.href)
  expect([failure.code, failure.message]).toEqual(['RELAY_REFUSED', expect.stringContaining('token')])
})

test('what a page loads has no part of Node in it', async () => {
  const code = await bundle(new URL('./page.ts', import.meta.url), { minify: true })
  expect(code.length).toBeGreaterThan(50_000)
  expect(code.match(/\bnode:|\bBuffer\b|(?<!\.)\bprocess[.[]|\brequire\(|\b__dirname\b|\bsetImmediate\(/g)).toBeNull()
})
