import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { launch } from '@usmp/testing/chromium'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { pageAddress } from '../../src/robolink/page/address.ts'
import { type HubProgram, type World, worlds } from '../robolink/world.ts'

const PAGE_FOLDER = fileURLToPath(new URL('../../dist/robolink/page', import.meta.url))

/** For what happens by itself, ms; a busy machine takes its time. */
export const PATIENCE = { timeout: 60_000 }

/** How a page is opened. */
export interface Look {
  readonly viewport?: { width: number; height: number }
  readonly colorScheme?: 'dark' | 'light'
  /** The browser itself complains, of WebSockets that fail. */
  readonly expectErrors?: boolean
}

/** A hub that serves the page as it was built, and browsers that look at it. */
export interface Rig {
  readonly world: World
  /** Starts the hub, again in the place of an earlier one if that is given. */
  hub(again?: HubProgram): Promise<HubProgram>
  /** The page's address with the credentials of an operator that the hub knows. */
  address(hub: HubProgram, operator: 'page' | 'terminal'): URL
  /** Opens the page in a profile of its own. Faults, and what the browser reports as errors, fail the test. */
  open(address: string | URL, look?: Look): Promise<Page>
}

/** A rig for each test of a file. */
export function rigs(): () => Rig {
  const world = worlds()
  let browser: Browser
  const contexts: BrowserContext[] = []
  const faults: unknown[] = []

  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(() => browser?.close())
  // Before the world ends: a page that loses its hub complains.
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close()
    expect(faults.splice(0)).toEqual([])
  })

  return () => ({
    world: world(),
    hub(again) {
      const places = again ? { tcp: again.tcp.replace('tcp:', ''), https: new URL(again.page).host } : {}
      return world().hub({ ...places, page: PAGE_FOLDER })
    },
    address({ page }, operator) {
      const { operators } = JSON.parse(readFileSync(world().file('state/keys.json'), 'utf8')) as {
        operators: Record<string, { name: string; psk: string }>
      }
      const [id, { psk }] = Object.entries(operators).find(([, { name }]) => name === operator)!
      return new URL(pageAddress(page, { operator: id, key: psk }))
    },
    async open(address, { expectErrors = false, ...look } = {}) {
      const viewport = { width: 1440, height: 900 }
      const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport, ...look })
      contexts.push(context)
      const page = await context.newPage()
      page.on('pageerror', (error) => faults.push(error))
      page.on('console', (message) => message.type() === 'error' && !expectErrors && faults.push(message.text()))
      await page.goto(String(address))
      return page
    },
  })
}

// ─── what a page shows ───

export const text = (page: Page, id: string) => page.locator(`#${id}`).textContent()

/** A figure as a number; NaN while there is none. */
export async function figure(page: Page, id: string): Promise<number> {
  return Number((await text(page, id))?.replace('−', '-'))
}

export const fresh = (page: Page) => expect.poll(() => figure(page, 'r-age'), PATIENCE).toBeLessThan(400)
export const moves = (page: Page) => expect.poll(() => figure(page, 'r-v'), PATIENCE).toBeGreaterThan(0.1)
export const stands = (page: Page) => expect.poll(() => figure(page, 'r-v'), PATIENCE).toBe(0)

/** Pushes the joystick forwards, and keeps it there. */
export async function pushStick(page: Page): Promise<void> {
  const { x, y, width, height } = (await page.locator('#stick').boundingBox())!
  await page.mouse.move(x + width / 2, y + height / 2)
  await page.mouse.down()
  await page.mouse.move(x + width / 2, y + 8, { steps: 4 })
}
