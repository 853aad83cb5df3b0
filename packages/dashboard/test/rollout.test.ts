import type { Page } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import { dialog, logIn, PATIENCE, rig, stepUp } from './rig.ts'
import { bundle, PUBLISHER_KEY, type World } from './world.ts'

const { world, open } = rig()
const IDS = ['02:00:00:00:00:51', '02:00:00:00:00:52', '02:00:00:00:00:53']
const NAMES = ['barn', 'cellar', 'loft']
let home: World

beforeAll(async () => {
  home = await world({ publisherKeys: [PUBLISHER_KEY] })
  await home.setUp()
  for (const [n, id] of IDS.entries()) await home.updatable(id, NAMES[n]!)
  await vi.waitUntil(() => IDS.every((id) => home.gateway.device(id).updates), PATIENCE)
})

async function enter(): Promise<Page> {
  const page = await open(home.url)
  await logIn(page)
  await page.getByRole('link', { name: 'Updates' }).click()
  await page.getByRole('heading', { name: 'Updates' }).waitFor()
  return page
}

/** Adds a bundle, and starts a roll-out of it that is in no hurry but for its soak. */
async function roll(page: Page, version: string, bytes: Buffer): Promise<void> {
  const file = { name: `${version}.uota`, mimeType: 'application/octet-stream', buffer: bytes }
  await page.getByLabel('Add an image:').setInputFiles(file)
  const row = page.getByRole('row', { name: new RegExp(`^Sensor ${version} `) })
  await row.getByText('✓ Verified').waitFor()
  await row.getByRole('button', { name: `Start a roll-out of Sensor ${version}` }).click()
  await dialog(page).getByText('3 devices fit, all online.').waitFor()
  await dialog(page).getByLabel('Soak, minutes').fill('0')
  await dialog(page).getByLabel('Waves').fill('100')
  await dialog(page).getByRole('button', { name: 'Start', exact: true }).click()
}

const state = (page: Page, name: string) => page.locator('.device-head').getByText(name)
const versions = () => IDS.map((id) => home.gateway.device(id).updates?.version)

test('an image is added, rolled out to a canary, and, after a look, to all', async () => {
  const page = await enter()
  // Starting one needs the password again.
  await home.passTime(6 * 60_000)
  await page.reload()
  await roll(page, '1.1.0', bundle('1.1.0'))
  await stepUp(page)
  await page.getByRole('heading', { name: 'Sensor 1.1.0' }).waitFor()
  await state(page, 'Paused').waitFor()
  await page.getByText('Paused: the canary is through: look at it, then continue.').waitFor()
  expect(await page.locator('[aria-current=step]').textContent()).toMatch(/^ⅡPause/)
  await page.getByRole('link', { name: 'Updates 1 paused' }).waitFor()
  expect(versions().filter((version) => version === '1.1.0')).toHaveLength(1)

  await page.getByRole('button', { name: 'Continue' }).click()
  await state(page, 'Done').waitFor()
  for (const name of NAMES) await page.getByRole('row', { name: new RegExp(`^${name}.* Updated `) }).waitFor()
  await expect.poll(versions, PATIENCE).toEqual(['1.1.0', '1.1.0', '1.1.0'])

  await page.getByRole('link', { name: 'cellar' }).click()
  const facts = page.locator('.card', { has: page.getByRole('heading', { name: 'Firmware' }) })
  await facts.getByText('1.1.0✓ Confirmed').waitFor()
  await page.getByRole('link', { name: /^Sensor 1\.1\.0/ }).click()
  await page.getByRole('heading', { name: 'Sensor 1.1.0' }).waitFor()
})

test('a canary that goes back holds the roll-out; what is wrong is told, and it is aborted', async () => {
  const page = await enter()
  const before = versions()
  await page.getByRole('heading', { name: 'Images' }).waitFor()
  await roll(page, '1.2.0', bundle('1.2.0', 'crashes'))
  await page.getByRole('heading', { name: 'Sensor 1.2.0' }).waitFor()
  await page.getByText(/^Paused: too many failures in the canary/).waitFor()
  await page.getByText('Who continues accepts the failures up to now.').waitFor()
  const row = page.getByRole('row', { name: / Went back / })
  await row.getByText('The device has tried the image and gone back to the one before.').waitFor()
  expect(versions()).toEqual(before)
  await page.getByRole('button', { name: 'Abort…' }).click()
  await dialog(page).getByText('2 devices keep the firmware of today.').waitFor()
  await dialog(page).getByLabel('Reason, for the audit log').fill('it crashes')
  await dialog(page).getByRole('button', { name: 'Abort', exact: true }).click()
  await page.getByText('Aborted: it crashes.').waitFor()
  const { id } = home.gateway.rollouts()[0]!
  await page.getByRole('link', { name: 'Audit' }).click()
  await page
    .getByRole('row', { name: /rollout\.abort/ })
    .getByRole('link', { name: id })
    .click()
  await page.getByText('Aborted: it crashes.').waitFor()
  await page.getByRole('link', { name: 'Updates', exact: true }).click()
  await page
    .getByRole('row', { name: /^Sensor 1\.2\.0/ })
    .getByText('Aborted')
    .waitFor()

  // What no key of the gateway has signed does not come in.
  const forged = bundle('1.3.0')
  forged[200]! ^= 1
  await page
    .getByLabel('Add an image:')
    .setInputFiles({ name: 'forged.uota', mimeType: 'application/octet-stream', buffer: forged })
  await page.getByRole('alert').filter({ hasText: /\w/ }).waitFor()
  expect(home.gateway.images().some(({ version }) => version === '1.3.0')).toBe(false)
})
