import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type RelayOptions, startRelay } from '@usmp/relay/server'
import { launch } from '@usmp/testing/chromium'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, vi } from 'vitest'
import { Program } from '../robolink/world.ts'

const DEMO = fileURLToPath(new URL('../../dist/relay/main.js', import.meta.url))
const USMP = join(dirname(createRequire(import.meta.url).resolve('@usmp/cli/package.json')), 'bin/usmp.js')

/** For what happens by itself, ms; a busy machine takes its time. */
export const PATIENCE = { timeout: 60_000 }

/** How a page is opened. */
export interface Look {
  /** A page of the same browser profile. */
  readonly beside?: Page
}

/** The demo as it is built, and people who use it. */
export interface Rig {
  /** What the demo prints, as it prints it. */
  readonly address: string
  /** The relay in it. */
  readonly relay: string
  /** Opens the page at this relay, or at that of the demo. Faults, and what the browser reports as errors, fail the test. */
  open(relay?: string, look?: Look): Promise<Page>
}

/** The demo, for one test. */
export async function demo(): Promise<Pick<Rig, 'address' | 'relay'>> {
  const { program, address } = await startDemo()
  onTestFinished(async () => void (await program.end()))
  return { address, relay: relayOf(address) }
}

async function startDemo(): Promise<{ program: Program; address: string }> {
  const program = new Program(process.execPath, [DEMO, '--page-port', '0', '--relay-port', '0'])
  return { program, address: await vi.waitUntil(() => printed(program), PATIENCE) }
}

/** The relay that an address of the page names. */
function relayOf(address: string): string {
  return new URLSearchParams(new URL(address).hash.slice(1)).get('relay')!
}

/** Starts the demo for the tests of a file; each page is gone after its test. */
export function rigs(): () => Rig {
  let program: Program
  let address: string
  let browser: Browser
  const contexts: BrowserContext[] = []
  const faults: unknown[] = []

  beforeAll(async () => {
    ;({ program, address } = await startDemo())
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    expect(await program.end()).toBe(0)
  })
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close()
    expect(faults.splice(0)).toEqual([])
  })

  return () => ({
    address,
    relay: relayOf(address),
    async open(relay, { beside } = {}) {
      const context = beside?.context() ?? (await browser.newContext({ viewport: { width: 1440, height: 900 } }))
      context.setDefaultTimeout(PATIENCE.timeout)
      contexts.push(context)
      const page = await context.newPage()
      page.on('pageerror', (error) => faults.push(error))
      // The browser tells of each socket that it could not open; the page shows that itself.
      page.on('console', (message) => isFault(message.type(), message.text()) && faults.push(message.text()))
      await page.goto(relay === undefined ? address : address.replace(/relay=.*/, `relay=${relay}`))
      await page.locator('#own-key').filter({ hasText: '…' }).waitFor()
      return page
    },
  })
}

function printed({ said }: Program): string | undefined {
  return said.map(({ text }) => String(text).trim()).find((line) => line.startsWith('http://'))
}

function isFault(type: string, text: string): boolean {
  return (type === 'error' || type === 'warning') && !text.startsWith('WebSocket connection to')
}

/** A folder of this test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'usmp-relay-page-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A relay of this test alone. */
export async function ownRelay(access: Pick<RelayOptions, 'open' | 'tokenKey'> = { open: true }): Promise<string> {
  // All the people of the tests have one address.
  const limits = { pairingJoinsPerMinute: 1_000, joinBurst: 1_000 }
  const relay = await startRelay({ port: 0, ...access, limits })
  onTestFinished(() => relay.close())
  return `ws://${relay.url.host}`
}

/** A relay as a process, which can be killed and started again where it was. */
export async function relayProgram(listen = '127.0.0.1:0'): Promise<{ program: Program; url: string }> {
  const program = usmp('relay', 'serve', '--listen', listen, '--open', '--json')
  const { url } = await program.says('listening')
  return { program, url: String(url) }
}

/** The command line. */
export function usmp(...args: readonly string[]): Program {
  const program = new Program(process.execPath, [USMP, ...args])
  onTestFinished(async () => void (await program.end('SIGKILL')))
  return program
}

/** Somebody at a terminal, with an identity of the test or a new one. */
export function terminal(relay: string, identity: string | undefined, ...args: readonly string[]): Program {
  const own = ['--identity', identity ?? join(folder(), 'identity.json')]
  return usmp('relay', 'peer', '--relay', relay, ...own, '--json', ...args)
}

// ─── what people do in a page ───

/** Shows a code; what it is. */
export async function showCode(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Show a code' }).click()
  await state(page, 'waiting')
  return (await page.locator('#code').textContent())!
}

export async function enterCode(page: Page, code: string): Promise<void> {
  await page.getByLabel('The code that it shows').fill(code)
  await page.getByRole('button', { name: 'Meet', exact: true }).click()
}

export const state = (page: Page, name: string) => page.locator(`#state[data-state=${name}]`).waitFor()
export const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name }).waitFor()

export async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text)
  await page.keyboard.press('Enter')
}

/** What the page shows of the conversation. */
export const lines = (page: Page) => page.locator('#chat-log li p').allTextContents()
export const delivered = (page: Page) => page.locator('#chat-log .delivered').count()

/** Two pages that have just met. */
export async function pairOfPages(rig: Rig, relay?: string): Promise<[Page, Page]> {
  const host = await rig.open(relay)
  const guest = await rig.open(relay)
  const code = await showCode(host)
  await enterCode(guest, code)
  await Promise.all([state(host, 'online'), state(guest, 'online')])
  return [host, guest]
}
