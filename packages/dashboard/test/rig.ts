import type { GatewayOptions } from '@usmp/gateway'
import { launch } from '@usmp/testing/chromium'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { PASSWORD, USER, World } from './world.ts'

/** For what happens by itself, ms; a busy machine takes its time. */
export const PATIENCE = { timeout: 60_000 }

export interface Look {
  readonly viewport?: { width: number; height: number }
  readonly colorScheme?: 'dark' | 'light'
}

export interface Rig {
  world(options?: Partial<GatewayOptions>): Promise<World>
  /** Opens an address in a profile of its own. Faults of the page, and breaches of its policy, fail the test. */
  open(address: string, look?: Look): Promise<Page>
}

/** The browser and the gateways for the tests of a file, which may share them; pages are gone after each test. */
export function rig(): Rig {
  let browser: Browser
  const contexts: BrowserContext[] = []
  const worlds: World[] = []
  const faults: unknown[] = []

  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    for (const world of worlds) await world.close()
  })
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close()
    expect(faults.splice(0)).toEqual([])
  })

  return {
    async world(options) {
      const world = await World.start(options)
      worlds.push(world)
      return world
    },
    async open(address, look = {}) {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...look })
      context.setDefaultTimeout(PATIENCE.timeout)
      contexts.push(context)
      const page = await context.newPage()
      page.on('pageerror', (error) => faults.push(error))
      page.on('console', (message) => isFault(message.type(), message.text()) && faults.push(message.text()))
      await page.goto(address)
      return page
    },
  }
}

/** The browser reports each refused request and each lost socket; the page shows those itself. */
function isFault(type: string, text: string): boolean {
  return (type === 'error' || type === 'warning') && !/^Failed to load resource|^WebSocket connection/.test(text)
}

/** Makes the first user, by the setup link. */
export async function setUp(page: Page): Promise<void> {
  await page.getByLabel('Name').fill(USER)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Set up' }).click()
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor()
}

export async function logIn(page: Page, name = USER): Promise<void> {
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** Gives the password again, when the page asks for it. */
export async function stepUp(page: Page): Promise<void> {
  await page.getByLabel(`Password of ${USER}`).fill(PASSWORD)
  await page.getByRole('button', { name: 'Confirm' }).click()
}

export const keyField = (page: Page) => page.getByLabel('Key of the device')
export const dialog = (page: Page) => page.getByRole('dialog').filter({ visible: true })

/** Approves what the dialog shows; again, if the device has knocked in this very moment. */
export async function approve(page: Page): Promise<void> {
  const button = dialog(page).getByRole('button', { name: 'Approve', exact: true })
  const again = dialog(page).getByText(/^Device knocked again/)
  for (;;) {
    await button.click()
    await again
      .or(page.getByText(/is approved/))
      .first()
      .waitFor()
    if ((await again.count()) === 0) return
  }
}
