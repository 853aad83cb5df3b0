import type { Device } from '@usmp/gateway/contract'
import { isClean } from '@usmp/testing/accessibility'
import type { Page, WebSocketRoute } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import { dialog, logIn, PATIENCE, rig, setUp, stepUp } from './rig.ts'
import { newKey, PASSWORD, USER, type World } from './world.ts'

const { world, open } = rig()
let home: World

/** A gateway with devices in the states that there are. */
beforeAll(async () => {
  home = await world()
  await home.setUp()
  await home.known('02:00:00:00:00:01', 'greenhouse')
  const off = await home.known('02:00:00:00:00:02', 'cellar', 'Cold store')
  await vi.waitUntil(() => home.gateway.device('02:00:00:00:00:02').state === 'online', PATIENCE)
  await off.off()
  home.sensor('02:00:00:00:00:01', newKey())
  await home.openJoin()
  home.sensor('02:00:00:00:00:03', newKey())
  const isThere = (state: Device['state']) => home.gateway.devices().some((device) => device.state === state)
  await vi.waitUntil(() => isThere('offline') && isThere('online') && isThere('waiting'), PATIENCE)
})

test('setup, the empty list and the join window are clean for axe, in both schemes, at both widths', async () => {
  const page = await open((await world()).setupUrl)
  await page.getByRole('heading', { name: /^Set up/ }).waitFor()
  await isClean(page, 'setup')
  await setUp(page)
  await page.getByRole('heading', { name: 'No devices yet' }).waitFor()
  await isClean(page, 'empty')
  await page.getByRole('button', { name: 'Join' }).click()
  await page.getByRole('button', { name: 'Open the join window' }).waitFor()
  await isClean(page, 'join')
})

test('every other page and dialog is clean for axe as well', async () => {
  const page = await open(home.url)
  await logIn(page)
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
  await page.goto(`${home.url}/d/020000000001/security`)
  for (const act of ['Revoke…', 'Replace hardware…', 'Block…', 'Remove…']) {
    await page.getByRole('button', { name: act }).click()
    await dialog(page).getByLabel('Reason, for the audit log').waitFor()
    await isClean(page, act)
    await page.keyboard.press('Escape')
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
    if (place === 'users') await dialogsOfUsers(page)
  }
})

async function dialogsOfUsers(page: Page): Promise<void> {
  for (const act of ['New user…', 'New token…', `Change ${USER}`, `Remove ${USER}`]) {
    await page.getByRole('button', { name: act }).click()
    await dialog(page).waitFor()
    await isClean(page, act)
    await page.keyboard.press('Escape')
  }
}

test('stale is shown as stale, lost as lost; nothing can be done meanwhile, and all is well again by itself', async () => {
  const page = await open('about:blank')
  let silent = false
  await page.routeWebSocket(/\/api\/live$/, (route: WebSocketRoute) => {
    const server = route.connectToServer()
    server.onMessage((message) => {
      if (!silent) route.send(message)
    })
  })
  await page.goto(home.url)
  await logIn(page)
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
  const first = await open(home.url)
  await logIn(first)
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
