import { CLOSE_LOGIN } from '@usmp/gateway/contract'
import { isClean } from '@usmp/testing/accessibility'
import type { Page, WebSocketRoute } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import { dialog, logIn, PATIENCE, rig } from './rig.ts'
import { PASSWORD, USER, type World } from './world.ts'

const { world, open } = rig()
/** Nothing listens there. */
const NO_BROKER = 'mqtt://127.0.0.1:9'
let home: World

beforeAll(async () => {
  home = await world({ mqtt: { url: NO_BROKER, username: 'hub' }, site: 'orchard' })
  await home.setUp()
})

async function enter(place: string): Promise<Page> {
  const page = await open(`${home.url}${place}`)
  await logIn(page)
  return page
}

test('who runs the broker gets its access list; a broker and a store that fail are told on every page', async () => {
  const page = await enter('/system')
  await page.getByText('user hub').waitFor()
  await page.getByRole('button', { name: 'Copy the access list' }).waitFor()
  await page.getByRole('radio', { name: 'EMQX' }).check()
  await page.getByText('{allow, {user, "hub"}, publish, ["usmp/orchard/+/+/down"').waitFor()

  const banner = page.locator('.banner')
  await banner.getByText('The gateway has lost its broker').waitFor()
  home.tellStore('the disk is full')
  await banner.getByText('The gateway cannot write to its store').waitFor()
  await banner.filter({ hasText: 'the disk is full' }).waitFor()
  await isClean(page, 'system without broker and store')
  await page.getByRole('link', { name: 'Audit' }).click()
  await banner.getByText('The gateway has lost its broker').waitFor()
  home.tellStore(null)
  await banner.getByText('The gateway cannot write to its store').waitFor({ state: 'detached' })
})

test('a token is shown once, works, and is void when it is revoked', async () => {
  const page = await enter('/users')
  await page.getByRole('button', { name: 'New token…' }).click()
  await dialog(page).getByLabel('What it is for').fill('backup script')
  await dialog(page).getByLabel('Valid for days').fill('366')
  await dialog(page).getByText('From 1 to 365 days.').first().waitFor()
  await dialog(page).getByLabel('Valid for days').fill('30')
  await dialog(page).getByRole('button', { name: 'Create' }).click()
  const token = await dialog(page).locator('output').textContent()
  await isClean(page, 'token shown')
  const call = () => fetch(`${home.url}/api/devices`, { headers: { Authorization: `Bearer ${token}` } })
  expect((await call()).status).toBe(200)
  await dialog(page).getByRole('button', { name: 'Done' }).click()
  await page.getByRole('row', { name: /^backup script viewer/ }).waitFor()
  expect(await page.content()).not.toContain(token)

  await page.getByRole('button', { name: 'Revoke backup script' }).click()
  await page.getByText('The token backup script is void.').waitFor()
  await page.getByRole('row', { name: /^backup script/ }).waitFor({ state: 'detached' })
  expect((await call()).status).toBe(401)
})

test('a user is made, gets another role, and is removed', async () => {
  const page = await enter('/users')
  await page.getByRole('button', { name: 'New user…' }).click()
  await dialog(page).getByLabel('Name', { exact: true }).fill('otto')
  await dialog(page).getByLabel('First password').fill(PASSWORD)
  await dialog(page).getByRole('button', { name: 'Create' }).click()
  const row = page.getByRole('row', { name: /^otto/ })
  await row.getByText('operator').waitFor()
  const his = await open(home.url)
  await logIn(his, 'otto')
  await his.getByRole('heading', { name: 'Devices', exact: true }).waitFor()

  await page.getByRole('button', { name: 'Change otto' }).click()
  await dialog(page)
    .getByRole('radio', { name: /^viewer/ })
    .check()
  await dialog(page).getByRole('button', { name: 'Change', exact: true }).click()
  await page.getByText('otto is changed, and has to log in again.').waitFor()
  await row.getByText('viewer').waitFor()
  await his.getByRole('heading', { name: 'Log in' }).waitFor()

  await page.getByRole('button', { name: 'Remove otto' }).click()
  await dialog(page).getByRole('button', { name: 'Remove', exact: true }).click()
  await page.getByText('otto is removed.').waitFor()
  await row.waitFor({ state: 'detached' })
})

test('who changes the own password stays here, and can end all logins', async () => {
  const page = await enter('/')
  const account = page.getByRole('button', { name: `${USER}, admin: account` })
  await account.click()
  await page.getByRole('button', { name: 'Change password' }).click()
  await dialog(page).getByLabel('Password of today').fill('not this one')
  await dialog(page).getByLabel('New password').fill('another horse battery')
  await isClean(page, 'own password')
  await dialog(page).getByRole('button', { name: 'Change', exact: true }).click()
  await dialog(page).getByRole('alert').filter({ hasText: /\w/ }).waitFor()
  await dialog(page).getByLabel('Password of today').fill(PASSWORD)
  await dialog(page).getByRole('button', { name: 'Change', exact: true }).click()
  await page.getByText('Your password is changed.').waitFor()

  const other = await open(home.url)
  await logIn(other)
  await other.getByRole('alert').filter({ hasText: /\w/ }).waitFor()
  await other.getByLabel('Password').fill('another horse battery')
  await other.getByRole('button', { name: 'Log in' }).click()
  await other.getByRole('heading', { name: 'Devices', exact: true }).waitFor()
  await account.click()
  await page.getByRole('button', { name: 'Log out everywhere' }).click()
  await page.getByRole('heading', { name: 'Log in' }).waitFor()
  await other.getByRole('heading', { name: 'Log in' }).waitFor()
})

test('that the login of a connection has ended is of no matter to a page that has a newer one', async () => {
  const page = await open('about:blank')
  const sockets: WebSocketRoute[] = []
  await page.routeWebSocket(/\/api\/live$/, (route) => {
    sockets.push(route)
    route.connectToServer()
  })
  await page.goto(home.url)
  await page.getByLabel('Name').fill(USER)
  await page.getByLabel('Password').fill('another horse battery')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor()
  // As when the news of a changed password comes behind the new cookie.
  await sockets.at(-1)!.close({ code: CLOSE_LOGIN, reason: 'the login has ended' })
  await vi.waitUntil(() => sockets.length > 1, PATIENCE)
  await page.getByText('Connection to the gateway lost').waitFor({ state: 'detached' })
  expect(await page.getByRole('heading', { name: 'Devices', exact: true }).count()).toBe(1)
})
