import { bundle, launch, openPage, servePage } from '@usmp/testing/chromium'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type RelayOptions, startRelay } from '../../src/server.ts'
import type { PageGlobals } from './page.ts'
import { talkWithPage } from './talk-with-page.ts'

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

test('a page pairs with a program by a code, and they talk over the relay', async () => {
  const opened = await page()
  await talkWithPage((search) => {
    const [relay, code] = ['relay', 'code'].map((name) => new URLSearchParams(search).get(name)!)
    return opened.evaluate(([url, words]) => pairAndTalk(url!, words!), [relay, code])
  })
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
