import { hkdfSync, randomBytes } from 'node:crypto'
import { isClean } from '@usmp/testing/accessibility'
import type { Locator, Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { dialog, keyField, logIn, PATIENCE, rig } from './rig.ts'
import { type Key, newKey, type World } from './world.ts'

const { world, open } = rig()
const masterKey = new Uint8Array(randomBytes(32))
const DAY = 24 * 3600_000
let home: World

beforeAll(async () => {
  home = await world({ masterKey })
  await home.setUp()
})

async function enter(): Promise<Page> {
  const page = await open(home.url)
  await logIn(page)
  await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor()
  return page
}

/** The key that a device of the fleet has, by the specification. */
function derivedKey(id: string): Key {
  const info = Buffer.concat([Buffer.from('usmp-device-psk-v1'), Buffer.from(id.replaceAll(':', ''), 'hex')])
  const psk = new Uint8Array(hkdfSync('sha256', masterKey, '', info, 32))
  return { psk, hex: Buffer.from(psk).toString('hex') }
}

/** Clicks until it is done: a device may knock in the very moment of a click, and then somebody has to look again. */
async function insist(button: Locator, done: Locator, refused: Locator): Promise<void> {
  for (;;) {
    await button.click()
    await expect.poll(async () => (await done.count()) + (await refused.count()), PATIENCE).toBeGreaterThan(0)
    if ((await done.count()) > 0) return
  }
}

test('the join window takes so many devices, of these ids, until somebody closes it', async () => {
  const page = await enter()
  await page.getByRole('button', { name: 'Join' }).click()
  const popover = page.getByRole('dialog', { name: 'Join window' })
  const count = popover.getByLabel('Or until so many joined')
  const suffix = popover.getByLabel('Only ids ending in')
  const openIt = popover.getByRole('button', { name: 'Open the join window' })
  await count.fill('129')
  await popover.getByText('A number from 1 to 128.').first().waitFor()
  expect(await openIt.getAttribute('aria-disabled')).toBe('true')
  await count.fill('2')
  await suffix.fill('0x')
  await popover
    .getByText(/^Up to 12 digits/)
    .first()
    .waitFor()
  await suffix.fill('00:0A')
  await openIt.click()

  const other = home.sensor('02:00:00:00:00:0b', newKey())
  const fitting = home.sensor('02:00:00:00:00:0a', newKey())
  await page.getByText('1 device waits for you').waitFor()
  await page.getByText('02:00:00:00:00:0a').first().waitFor()
  await page.getByRole('button', { name: /^Join window closes in/ }).click()
  await popover.getByText(/ 2 more devices may join\. Only ids that end in 000a\.$/).waitFor()
  await isClean(page, 'join window')
  await popover.getByRole('button', { name: 'Close it now' }).click()
  await page.getByRole('button', { name: 'Join', exact: true }).waitFor()
  expect(home.gateway.joinWindow().open).toBe(false)
  await Promise.all([other.off(), fitting.off()])
})

test('a waiting device is kept, dismissed, blocked, and heard again', async () => {
  await home.openJoin()
  const id = '02:00:00:00:00:0c'
  const key = newKey()
  const sensor = home.sensor(id, key)
  const page = await enter()
  await page.getByRole('button', { name: `Keep ${id} when the list is full` }).click()
  await page.getByRole('button', { name: `Do not keep ${id}` }).waitFor()
  expect(home.gateway.device(id).knock!.starred).toBe(true)
  await sensor.off()
  await page.getByRole('button', { name: `Dismiss ${id}` }).click()
  await page.getByText(id).waitFor({ state: 'detached' })

  const again = home.sensor(id, key)
  await page.getByRole('button', { name: `Block ${id}` }).click()
  await dialog(page).getByRole('radio', { name: '1 day' }).check()
  await dialog(page).getByLabel('Reason, for the audit log').fill('not ours')
  await dialog(page).getByRole('button', { name: 'Block', exact: true }).click()
  await page.getByText(`${id} is blocked for 1 day.`).waitFor()
  await again.off()
  await page.getByRole('button', { name: /^Revoked, blocked/ }).click()
  await page
    .getByRole('row', { name: new RegExp(id) })
    .getByText('Blocked')
    .waitFor()
  await page.getByRole('link', { name: id }).click()
  await page.getByRole('link', { name: 'Security' }).click()
  await page.getByRole('button', { name: 'Unblock' }).click()
  await page.getByText(`${id} is not blocked any more.`).waitFor()
  await page.getByRole('heading', { name: 'No such device' }).waitFor()
  home.sensor(id, key)
  await page.locator('.device-head').getByText('Waiting').waitFor()
})

test('new hardware takes the place of the old, with its name', async () => {
  await home.openJoin()
  await home.known('02:00:00:00:00:10', 'boiler')
  const key = newKey()
  home.sensor('02:00:00:00:00:11', key)
  const page = await enter()
  await page.getByRole('link', { name: 'boiler' }).click()
  await page.getByRole('link', { name: 'Security' }).click()
  await page.getByRole('button', { name: 'Replace hardware…' }).click()
  await dialog(page).getByRole('radio', { name: '02:00:00:00:00:11' }).check()
  await keyField(page).fill(key.hex)
  await isClean(page, 'replace')
  await insist(
    dialog(page).getByRole('button', { name: 'Replace', exact: true }),
    page.getByText(/^boiler has new hardware/),
    dialog(page)
      .getByRole('alert')
      .filter({ hasText: /knocked again/ }),
  )
  await page.getByRole('heading', { name: 'boiler' }).waitFor()
  expect(new URL(page.url()).pathname).toBe('/d/020000000011')
  await page.locator('.device-head').getByText('Online').waitFor()
  expect(home.gateway.device('02:00:00:00:00:10')).toMatchObject({ state: 'revoked', fingerprint: null })
  expect(home.gateway.device('02:00:00:00:00:11')).toMatchObject({ name: 'boiler', replaced: ['02:00:00:00:00:10'] })
})

test('all devices that the master key proves are let in by one act, and each is told of', async () => {
  await home.openJoin()
  const ids = ['02:00:00:00:00:21', '02:00:00:00:00:22', '02:00:00:00:00:23']
  for (const id of ids) home.sensor(id, derivedKey(id))
  home.sensor('02:00:00:00:00:24', newKey())
  const page = await enter()
  await page.getByRole('button', { name: 'Approve 02:00:00:00:00:24' }).waitFor()
  await page.getByRole('button', { name: 'Approve 3 proven' }).click()
  const all = dialog(page).getByText('3 devices of 3 approved.')
  await isClean(page, 'approve proven')
  await insist(
    dialog(page).getByRole('button', { name: /^(Approve|Try) \d/ }),
    all,
    dialog(page).getByText(/knocked again/),
  )
  expect(await dialog(page).getByText('✓ Approved', { exact: true }).count()).toBe(3)
  await dialog(page).getByRole('button', { name: 'Done' }).click()
  for (const id of ids)
    await page
      .getByRole('row', { name: new RegExp(id) })
      .getByText('Online')
      .waitFor()
  expect(home.gateway.device(ids[0]!)).toMatchObject({ keySource: 'master' })
  expect(home.gateway.device('02:00:00:00:00:24').state).toBe('waiting')
})

test('the list shows one group, and a chart shows a week', async () => {
  const lines = [
    'id,psk,name,group',
    ...['north', 'south'].map((n, i) => `02:00:00:00:00:3${i},${newKey().hex},${n},Site ${n}`),
  ]
  await home.importDevices(lines.join('\n'))
  const id = '02:00:00:00:00:32'
  const start = Math.floor(Date.now() / 60_000) * 60_000 - 6 * DAY
  const minutes = Array.from({ length: 500 }, (_, n) => ({ at: start + n * 60_000, mean: n / 10, min: -5, max: 55 }))
  await home.remember(id, 'temperature', minutes)
  await home.known(id, 'loft')
  const page = await enter()
  await page.getByRole('combobox', { name: 'Group' }).selectOption('Site south')
  await page.getByRole('link', { name: 'north' }).waitFor({ state: 'detached' })
  expect(await page.locator('tbody .name a').allTextContents()).toEqual(['south'])
  expect(new URL(page.url()).searchParams.get('group')).toBe('Site south')
  await page.getByRole('combobox', { name: 'Group' }).selectOption('All groups')

  await page.getByRole('link', { name: 'loft' }).click()
  await page.getByRole('radio', { name: '7 days' }).check()
  const chart = page.getByRole('img', { name: /^temperature, last 7 days: from 0 to 49\.9/ })
  await chart.locator('canvas').waitFor()
  const saved = page.waitForEvent('download')
  await page.getByRole('link', { name: 'CSV' }).click()
  expect((await saved).suggestedFilename()).toMatch(/\.csv$/)
})
