import type { Page, WebSocketRoute } from 'playwright-core'
import encodeQR from 'qr'
import { expect, test } from 'vitest'
import { approve, dialog, keyField, logIn, PATIENCE, rig, setUp } from './rig.ts'
import { newKey, type World } from './world.ts'

const { world, open } = rig()
const ID = '02:00:00:00:00:01'

/** A gateway that somebody has set up, with a device that waits. */
async function waiting(): Promise<{ home: World; key: ReturnType<typeof newKey> }> {
  const home = await world()
  await home.openJoin()
  const key = newKey()
  home.sensor(ID, key)
  await expect.poll(() => home.gateway.devices().length, PATIENCE).toBe(1)
  return { home, key }
}

test('approval by the keyboard alone; the focus stays in the dialog, and Escape leads back', async () => {
  const { home, key } = await waiting()
  const page = await open(home.setupUrl)
  await setUp(page)
  const focus = () =>
    page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent)
  const tabTo = async (what: string) => {
    for (let steps = 0; steps < 40 && (await focus()) !== what; steps++) await page.keyboard.press('Tab')
    expect(await focus()).toBe(what)
  }

  await page.getByRole('button', { name: `Approve ${ID}` }).waitFor()
  await tabTo(`Approve ${ID}`)
  await page.keyboard.press('Enter')
  await dialog(page).waitFor()
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'detached' })
  expect(await focus()).toBe(`Approve ${ID}`)

  await page.keyboard.press('Enter')
  await dialog(page).waitFor()
  for (let steps = 0; steps < 15; steps++) {
    await page.keyboard.press('Tab')
    expect(
      await page.evaluate(
        () => document.activeElement === document.body || !!document.activeElement?.closest('dialog'),
      ),
    ).toBe(true)
  }
  await keyField(page).focus()
  await page.keyboard.type(key.hex)
  await page.getByText(/^This key fits/).waitFor()
  await page.keyboard.press('Enter')
  await page.getByText(/is approved/).waitFor()
  await page
    .getByRole('row', { name: new RegExp(ID) })
    .getByText('Online')
    .waitFor()
})

test('nobody approves a proof that they have not seen', async () => {
  const { home, key } = await waiting()
  const page = await open('about:blank')
  let live: WebSocketRoute | undefined
  let held = false
  await page.routeWebSocket(/\/api\/live$/, (route) => {
    const server = route.connectToServer()
    live = route
    server.onMessage((message) => {
      if (!held || String(message).includes('"heartbeat"')) route.send(message)
    })
  })
  await page.goto(home.setupUrl)
  await setUp(page)
  await page.getByRole('button', { name: `Approve ${ID}` }).click()
  await scan(page, `usmp:${ID.replaceAll(':', '')}:${Buffer.from(key.psk).toString('base64url')}`)
  await page.getByText(/^This key fits/).waitFor()

  // The page does not hear that somebody else has dismissed it, and that it has knocked again.
  held = true
  const seen = home.gateway.device(ID).knock!.proofId
  await home.gateway.dismiss({ name: 'bob', role: 'operator' }, ID)
  const newest = () => home.gateway.devices().find(({ id }) => id === ID)?.knock?.proofId
  await expect.poll(() => newest() !== undefined && newest() !== seen, PATIENCE).toBe(true)
  await dialog(page).getByRole('button', { name: 'Approve', exact: true }).click()
  await dialog(page)
    .getByText(/look again.*Nothing was stored/)
    .waitFor()
  expect(home.gateway.device(ID).state).toBe('waiting')

  held = false
  await live!.close()
  await approve(page)
  await expect.poll(() => home.gateway.device(ID).state, PATIENCE).toBe('online')
})

test('who knocks with the id of a device does not take it out of the hands of who approves it', async () => {
  const home = await world()
  await home.openJoin()
  const key = newKey()
  const sensor = home.sensor(ID, key)
  await expect.poll(() => home.gateway.devices().length, PATIENCE).toBe(1)
  await sensor.off()
  const page = await open(home.setupUrl)
  await setUp(page)
  await page.getByRole('button', { name: `Approve ${ID}` }).click()
  await keyField(page).fill(key.hex)
  await page.getByText(/^This key fits/).waitFor()
  home.sensor(ID, newKey())
  for (const _ of ['first', 'second']) {
    const { proofId } = home.gateway.device(ID).knock!
    await expect.poll(() => home.gateway.device(ID).knock!.proofId, PATIENCE).not.toBe(proofId)
  }
  await dialog(page).getByRole('button', { name: 'Approve', exact: true }).click()
  await page.getByText(/is approved/).waitFor()
  expect(home.gateway.device(ID).state).toBe('approved')
})

test('text of devices and people is text: markup, turned and endless names change nothing around them', async () => {
  const home = await world()
  const names = ['<img src=x onerror=alert(1)>', 'paid\u202Edlrow\u2066', 'שלום עולם', 'W'.repeat(64), "'); drop--"]
  for (const [n, name] of names.entries()) await home.known(`02:00:00:00:01:0${n}`, name)
  for (const width of [1440, 390]) {
    const page = await open(width === 1440 ? home.setupUrl : home.url, { viewport: { width, height: 844 } })
    if (width === 1440) await setUp(page)
    else await logIn(page)
    await page.getByText('<img src=x onerror=alert(1)>').waitFor()
    await page.getByText('paid\\u{202e}dlrow\\u{2066}').waitFor()
    expect(await page.locator('main img').count()).toBe(0)
    expect(await isTooWide(page)).toBe(false)
    await page.getByRole('link', { name: 'W'.repeat(64) }).click()
    await page.getByRole('heading', { name: 'W'.repeat(64) }).waitFor()
    expect(await isTooWide(page)).toBe(false)
  }
})

const isTooWide = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)

/** Gives the page a picture of a code, as `usmp keygen psk` prints it. */
async function scan(page: Page, code: string): Promise<void> {
  await page.getByRole('button', { name: 'Scan' }).click()
  const buffer = Buffer.from(encodeQR(code, 'gif', { scale: 6 }))
  await page.getByLabel(/choose a picture/).setInputFiles({ name: 'key.gif', mimeType: 'image/gif', buffer })
}

test('devices are registered before they knock: one by hand, many from a file; faults are told line by line', async () => {
  const home = await world()
  const page = await open(home.setupUrl)
  await setUp(page)
  const key = newKey()
  await page.getByRole('button', { name: 'Register…' }).click()
  await dialog(page).getByLabel('Id of the device').fill('02-00-00-00-00-0A')
  await keyField(page).fill(key.hex)
  await dialog(page).getByLabel('Name', { exact: true }).fill('barn')
  await dialog(page).getByRole('button', { name: 'Register', exact: true }).click()
  await page.getByRole('heading', { name: 'barn' }).waitFor()
  home.sensor('02:00:00:00:00:0a', key)
  await page.locator('canvas').first().waitFor()

  await page.getByRole('link', { name: 'Devices', exact: true }).click()
  await page.getByRole('button', { name: 'Register…' }).click()
  await dialog(page).getByRole('radio', { name: 'Many from a CSV file' }).check()
  const lines = ['id,psk,name', `02:00:00:00:00:0b,${newKey().hex},shed`, `02:00:00:00:00:0c,${'00'.repeat(32)},weak`]
  await dialog(page)
    .getByLabel('File', { exact: true })
    .setInputFiles({ name: 'devices.csv', mimeType: 'text/csv', buffer: Buffer.from(lines.join('\n')) })
  await dialog(page).getByRole('button', { name: 'Register 2 devices' }).click()
  await dialog(page).getByText('1 device registered.').waitFor()
  await dialog(page).getByText('Line 3').waitFor()
  await dialog(page).getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'shed' }).waitFor()
})
