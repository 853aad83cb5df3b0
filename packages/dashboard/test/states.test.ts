import axe from 'axe-core'
import type { Page, WebSocketRoute } from 'playwright-core'
import { expect, test } from 'vitest'
import { dialog, logIn, PATIENCE, rig, setUp, stepUp } from './rig.ts'
import { newKey, PASSWORD, type World } from './world.ts'

const { world, open } = rig()
const WIDE = { width: 1440, height: 900 }
const NARROW = { width: 390, height: 844 }

/** What axe finds wrong with a page: rules, and where. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run()
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`))
  })
}

/** The page is without fault in both schemes and at both widths, and nothing of it is cut off. */
async function isClean(page: Page, what: string): Promise<void> {
  for (const [colorScheme, size] of [
    ['light', WIDE],
    ['dark', NARROW],
  ] as const) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize(size)
    expect(await faults(page), `${what}, ${colorScheme}, ${size.width}`).toEqual([])
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    expect(width, `${what} fits ${size.width}`).toBeLessThanOrEqual(size.width)
  }
}

/** A gateway with devices in the states that there are. */
async function household(): Promise<World> {
  const home = await world()
  await home.known('02:00:00:00:00:01', 'greenhouse')
  const off = await home.known('02:00:00:00:00:02', 'cellar', 'Cold store')
  await expect.poll(() => home.gateway.device('02:00:00:00:00:02').state, PATIENCE).toBe('online')
  await off.off()
  home.sensor('02:00:00:00:00:01', newKey())
  await home.openJoin()
  home.sensor('02:00:00:00:00:03', newKey())
  await expect
    .poll(
      () =>
        home.gateway
          .devices()
          .map(({ state }) => state)
          .sort(),
      PATIENCE,
    )
    .toEqual(['offline', 'online', 'waiting'])
  return home
}

test('every page and dialog is clean for axe, in both schemes, at both widths', async () => {
  const home = await household()
  const page = await open(home.setupUrl)
  await page.getByRole('heading', { name: /^Set up/ }).waitFor()
  await isClean(page, 'setup')
  await setUp(page)
  await page.getByText('1 device waits for you').waitFor()
  await page.getByText('wrong key').first().waitFor()
  await isClean(page, 'devices')

  await page.getByRole('button', { name: /^Approve/ }).click()
  await isClean(page, 'approve')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Register…' }).click()
  await isClean(page, 'register')
  await page.keyboard.press('Escape')

  for (const tab of ['', '/requests', '/security', '/settings']) {
    await page.goto(`${home.url}/d/020000000001${tab}`)
    await page.getByRole('heading', { name: 'greenhouse' }).waitFor()
    if (tab === '') await page.locator('canvas').first().waitFor()
    await isClean(page, `device${tab}`)
  }
  for (const [place, ready] of [
    ['audit', 'device.register'],
    ['system', 'Ways in'],
    ['users', 'Tokens for scripts'],
    ['d/0200000000ff', 'No such device'],
  ] as const) {
    await page.goto(`${home.url}/${place}`)
    await page.getByText(ready).first().waitFor()
    await isClean(page, place)
  }
})

test('stale is shown as stale, lost as lost; nothing can be done meanwhile, and all is well again by itself', async () => {
  const home = await household()
  const page = await open('about:blank')
  let silent = false
  await page.routeWebSocket(/\/api\/live$/, (route: WebSocketRoute) => {
    const server = route.connectToServer()
    server.onMessage((message) => {
      if (!silent) route.send(message)
    })
  })
  await page.goto(home.setupUrl)
  await setUp(page)
  await page.getByText('1 device waits for you').waitFor()

  silent = true
  await page.getByText(/^Nothing has come from the gateway for more than 3 seconds/).waitFor()
  await page.locator('.join-open').getByText('?', { exact: true }).waitFor()
  await isClean(page, 'stale')
  silent = false
  await page.getByText(/^Nothing has come from the gateway/).waitFor({ state: 'detached' })

  await home.stopHttp()
  await page.getByText('Connection to the gateway lost').waitFor()
  await page.getByText('greenhouse').waitFor()
  const approve = page.getByRole('button', { name: /^Approve/ })
  expect(await approve.getAttribute('aria-disabled')).toBe('true')
  await approve.click({ force: true })
  expect(await dialog(page).count()).toBe(0)
  await isClean(page, 'lost')
  await home.startHttp()
  await page.getByText('Connection to the gateway lost').waitFor({ state: 'detached' })
  expect(await approve.getAttribute('aria-disabled')).toBeNull()
})

test('who is not logged in logs in, and sees the page they wanted; who may not is told so; danger asks again', async () => {
  const home = await household()
  const first = await open(home.setupUrl)
  await setUp(first)
  await first.getByRole('link', { name: 'Users' }).click()
  await first.getByRole('button', { name: 'New user…' }).click()
  await dialog(first).getByLabel('Name', { exact: true }).fill('vera')
  await dialog(first)
    .getByRole('radio', { name: /^viewer/ })
    .check()
  await dialog(first).getByLabel('First password').fill(PASSWORD)
  await dialog(first).getByRole('button', { name: 'Create' }).click()
  await first.getByText('vera may log in now.').waitFor()

  const page = await open(`${home.url}/d/020000000001/security`)
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await isClean(page, 'login')
  await page.getByLabel('Name', { exact: true }).fill('vera')
  await page.getByLabel('Password').fill('not the password')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('alert').filter({ hasText: /\w/ }).waitFor()
  await logIn(page, 'vera')
  await page.getByRole('heading', { name: 'greenhouse' }).waitFor()
  const revoke = page.getByRole('button', { name: 'Revoke…' })
  expect(await revoke.getAttribute('aria-disabled')).toBe('true')
  await revoke.hover()
  await page.getByRole('tooltip', { name: 'Only admins may do this.' }).first().waitFor()
  await isClean(page, 'refused')

  await home.passTime(6 * 60_000)
  await first.goto(`${home.url}/d/020000000002/security`)
  await first.getByRole('button', { name: 'Revoke…' }).click()
  await dialog(first).getByRole('button', { name: 'Revoke', exact: true }).click()
  await stepUp(first)
  await expect.poll(() => home.gateway.device('02:00:00:00:00:02').state, PATIENCE).toBe('revoked')

  await first.getByRole('button', { name: /account$/ }).click()
  await first.getByRole('button', { name: 'Log out', exact: true }).click()
  await first.getByRole('heading', { name: 'Log in' }).waitFor()
})
