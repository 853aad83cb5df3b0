import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { approve, dialog, keyField, PATIENCE, rig, setUp } from './rig.ts'
import { newKey } from './world.ts'

const { world, open } = rig()
const ID = '4c:11:ae:00:02:ca'

test('the whole life of a device, by clicks alone', async () => {
  const home = await world()
  const page = await open(home.setupUrl)
  await page.getByRole('heading', { name: /^Set up/ }).waitFor()
  expect(new URL(page.url()).hash, 'the token stays in no history').toBe('')
  await setUp(page)
  await page.getByRole('heading', { name: 'No devices yet' }).waitFor()

  await page.getByRole('button', { name: 'Join' }).click()
  await page.getByRole('radio', { name: '15 min' }).check()
  await page.getByRole('button', { name: 'Open the join window' }).click()
  await page.getByRole('button', { name: /Join window closes in 1[45]:\d\d/ }).waitFor()

  const key = newKey()
  home.sensor(ID, key)
  await page.getByRole('button', { name: `Approve ${ID}` }).click()
  await keyField(page).fill(newKey().hex)
  await page.getByText(/^This key does not fit the proof of \d\d:\d\d:\d\d\. Nothing was stored\.$/).waitFor()
  expect(home.gateway.device(ID).state).toBe('waiting')

  await keyField(page).fill(key.hex)
  await page.getByText(/^This key fits the proof of/).waitFor()
  const fingerprint = await dialog(page).locator('output').textContent()
  expect(fingerprint).toMatch(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/)
  await page.getByLabel('Name', { exact: true }).fill('boiler room')
  await approve(page)

  const row = page.getByRole('row', { name: /boiler room/ })
  await row.getByText('Online').waitFor()
  await row.getByText(/^temperature/).waitFor()
  expect(home.gateway.device(ID).fingerprint).toBe(fingerprint)

  await row.getByRole('link', { name: 'boiler room' }).click()
  await curveMoves(page)
  await asksForSomething(page)

  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByLabel('Name', { exact: true }).fill('cellar')
  await page.getByRole('button', { name: 'Save' }).first().click()
  await page.getByRole('heading', { name: 'cellar' }).waitFor()
  expect(home.gateway.device(ID).name).toBe('cellar')

  await page.getByRole('link', { name: 'Security' }).click()
  await page.getByText(fingerprint!).waitFor()
  await page.getByRole('button', { name: 'Revoke…' }).click()
  await dialog(page).getByRole('heading', { name: 'Revoke cellar?' }).waitFor()
  await dialog(page).getByRole('button', { name: 'Revoke', exact: true }).click()
  await page.getByText('✕Revoked').waitFor()
  expect(home.gateway.device(ID)).toMatchObject({ state: 'revoked', session: null, fingerprint: null })

  await page.getByRole('button', { name: 'Remove…' }).click()
  await dialog(page).getByRole('button', { name: 'Remove', exact: true }).click()
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor()
  await expect.poll(() => page.getByRole('link', { name: 'cellar' }).count(), PATIENCE).toBe(0)

  await page.getByRole('link', { name: 'Audit' }).click()
  await page.getByText('device.revoke').waitFor()
  await page.getByRole('button', { name: 'Verify the chain' }).click()
  await page.getByText(/none changed or missing$/).waitFor()
})

/** The chart is there, says what it shows, and what it shows becomes more. */
async function curveMoves(page: Page): Promise<void> {
  const chart = page.getByRole('img', { name: /^temperature, last 15 minutes: from/ })
  await chart.locator('canvas').waitFor()
  const picture = () => chart.locator('canvas').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL())
  const before = await picture()
  await expect.poll(picture, PATIENCE).not.toBe(before)
}

async function asksForSomething(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Requests' }).click()
  await page.getByLabel('Method').fill('set_interval')
  await page.getByLabel('Parameters, a JSON object').fill('{"seconds": 0.5}')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.locator('.outcome', { hasText: 'set_interval' }).getByText('"seconds": 0.5').waitFor()

  await page.getByLabel('Method').fill('self_test')
  await page.getByLabel('Parameters, a JSON object').fill('')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText(/1001: the self test failed/).waitFor()
}
