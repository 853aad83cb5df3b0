import { isClean } from '@usmp/testing/accessibility'
import type { Locator, Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { device, FakeUpdates, idOf, image, rollout, rolloutDevice } from './fake-updates.ts'
import { dialog, logIn, PATIENCE, rig } from './rig.ts'
import type { World } from './world.ts'

const { world, open } = rig()
const OTHER = image({ id: '2f'.repeat(32), name: '', product: 'cold-store', version: '1.0.12', verified: false })
let home: World

beforeAll(async () => {
  home = await world()
  await home.setUp()
})

/** A fleet with one roll-out in its second wave. */
function fleet(): FakeUpdates {
  const fake = new FakeUpdates()
  fake.images = [image(), OTHER]
  fake.devices = [
    ...Array.from({ length: 12 }, (_, n) => device(n, { rollout: 'r1' })),
    device(20, null),
    device(21, { product: 'cold-store' }),
  ]
  fake.put(rollout({ state: 'wave', stage: 2 }), [
    rolloutDevice(0, 'done', { stage: 0 }),
    rolloutDevice(1, 'done'),
    rolloutDevice(2, 'transferring', { stage: 2, offset: 0.6 * 1024 * 1024 }),
    rolloutDevice(3, 'verifying', { stage: 2 }),
    rolloutDevice(4, 'failed', { stage: 2, code: -32022, reason: 'write at 0x41000', attempts: 3 }),
    rolloutDevice(5, 'rolled-back', { stage: 2, code: 'ROLLED_BACK', reason: 'has tried the image' }),
    rolloutDevice(6, 'offline', { stage: 2 }),
    ...[7, 8, 9, 10, 11].map((n) => rolloutDevice(n, 'targeted', { stage: 3 })),
  ])
  return fake
}

/** The same, held at the pause after its canary. */
function held(): FakeUpdates {
  const fake = fleet()
  fake.put(rollout({ rev: 5, state: 'paused', stage: 1, reason: 'the canary is through: look at it, then continue' }), [
    rolloutDevice(0, 'done', { stage: 0 }),
    ...[1, 2, 3].map((n) => rolloutDevice(n, 'targeted')),
  ])
  return fake
}

async function enter(fake: FakeUpdates, place: string, role?: 'viewer' | 'operator'): Promise<Page> {
  const page = await open('about:blank')
  await fake.stand(page)
  if (role) {
    await page.route(/\/api\/(me|login)$/, async (route) => {
      const response = await route.fetch()
      const known = await response.json()
      await route.fulfill({ response, json: { ...known, ...(known.user && { user: { ...known.user, role } }) } })
    })
  }
  await page.goto(`${home.url}${place}`)
  await logIn(page)
  return page
}

const rowOf = (page: Page, name: string): Locator => page.getByRole('row', { name: new RegExp(`^${name} `) })
const startDialog = async (page: Page) => {
  await page.getByRole('button', { name: 'Start a roll-out…' }).click()
  await dialog(page).getByRole('heading', { name: 'Start a roll-out' }).waitFor()
  return dialog(page)
}

test('every page and dialog of updates is clean for axe, in both schemes, at both widths', async () => {
  const page = await enter(new FakeUpdates(), '/updates')
  await page.getByRole('heading', { name: 'No update yet' }).waitFor()
  await isClean(page, 'no updates')
  await page.context().close()

  const full = await enter(fleet(), '/updates')
  await full.getByRole('link', { name: 'Greenhouse 2.4' }).waitFor()
  await isClean(full, 'updates')
  const start = await startDialog(full)
  await start.getByRole('checkbox', { name: /^Only at certain hours/ }).check()
  await start.getByRole('radio', { name: 'Chosen ones' }).check()
  await start.getByLabel('Waves').fill('5, 5')
  await isClean(full, 'start')
  await full.keyboard.press('Escape')
  await full.getByRole('button', { name: 'Delete cold-store 1.0.12' }).click()
  await isClean(full, 'delete')
  await full.goto(`${home.url}/updates/r1`)
  await full.getByRole('button', { name: 'Retry 2 failed' }).waitFor()
  await isClean(full, 'roll-out')
  await full.getByRole('button', { name: 'Abort…' }).click()
  await isClean(full, 'abort')
  await full.goto(`${home.url}/d/${idOf(4).replaceAll(':', '')}/firmware`)
  await full.getByText('could not read or write its flash').waitFor()
  await isClean(full, 'firmware')
})

test('a roll-out is live: percents, states, stages and counts come without a click', async () => {
  const fake = fleet()
  const page = await enter(fake, '/updates')
  await page.getByRole('link', { name: 'Greenhouse 2.4' }).click()
  const row = rowOf(page, 'Bed 2')
  await row.getByText('Transfer 50 %').waitFor()
  fake.tell({
    type: 'rolloutDevices',
    id: 'r1',
    devices: [rolloutDevice(2, 'transferring', { stage: 2, offset: 0.9 * 1024 * 1024 })],
  })
  await row.getByText('Transfer 75 %').waitFor()
  // Of another roll-out: nothing here.
  fake.tell({ type: 'rolloutDevices', id: 'r2', devices: [rolloutDevice(2, 'failed')] })

  const stages = page.getByRole('list', { name: 'Stages' }).getByRole('listitem')
  expect(await stages.allTextContents()).toEqual([
    '✓Canary, over1 of 1 device',
    '✓Pause, overwent on',
    '✓Wave 1, over1 of 1 device',
    '▸Wave 2, now0 of 5 devices',
    'Wave 3, to comeup to 100 %',
  ])
  fake.put(rollout({ state: 'soaking', stage: 3, soakUntil: Date.now() + 60_000 }), [
    ...Array.from({ length: 12 }, (_, n) => rolloutDevice(n, 'done', { stage: 3 })),
    // One that has joined meanwhile.
    rolloutDevice(21, 'done', { stage: 3 }),
  ])
  await page
    .locator('.device-head')
    .getByText(/^◔Soaking (1:00|0:\d\d)$/)
    .waitFor()
  await rowOf(page, 'Bed 21').getByText('Updated').waitFor()
  expect(await row.getByText('Updated').count()).toBe(1)
  expect(await page.getByRole('button', { name: /^Retry/ }).count()).toBe(0)

  // One has left: its row goes, though nobody has told of it.
  fake.put(rollout({ state: 'paused', stage: 3, reason: 'too many failures' }), [rolloutDevice(1, 'failed')])
  await row.waitFor({ state: 'detached' })
  expect(await page.locator('.rollout-devices tbody tr').count()).toBe(1)
  await page.getByRole('link', { name: 'Updates 1 paused' }).waitFor()
  await page.getByText('Paused: too many failures. Nothing is offered').waitFor()
  // Told to those who cannot see it.
  await page.getByRole('status').filter({ hasText: 'Greenhouse 2.4 is paused' }).waitFor({ state: 'attached' })
})

test('devices that failed come first, with what is wrong and what to do; each is tried again; the table shows one state', async () => {
  const fake = fleet()
  const page = await enter(fake, '/updates/r1')
  await rowOf(page, 'Bed 4').waitFor()
  const names = () => page.locator('.rollout-devices tbody th a').allTextContents()
  expect((await names()).slice(0, 3)).toEqual(['Bed 4', 'Bed 5', 'Bed 2'])
  const words = rowOf(page, 'Bed 4').locator('.words')
  expect(await words.textContent()).toMatch(
    /^The device could not .* flash\. Retry it\..*\(write at 0x41000\) -32022Retry$/,
  )
  await rowOf(page, 'Bed 5').getByText('tried the image and gone back').first().waitFor()

  await page.getByRole('button', { name: 'Retry Bed 4' }).click()
  await expect
    .poll(() => fake.asked, PATIENCE)
    .toEqual([{ method: 'POST', path: 'rollouts/r1/retry', body: { rev: 3, ids: [idOf(4)] } }])

  await page.getByRole('button', { name: /^Failed 2/ }).click()
  await expect.poll(names, PATIENCE).toEqual(['Bed 4', 'Bed 5'])
  expect(new URL(page.url()).search).toBe('?state=failed')
  await page.reload()
  await expect.poll(names, PATIENCE).toEqual(['Bed 4', 'Bed 5'])
  await page.getByRole('link', { name: 'Bed 4' }).click()
  await page.getByRole('heading', { name: 'Bed 4' }).waitFor()
  await page.getByText('2.3.1').waitFor()
  await page.getByText('could not read or write its flash').waitFor()
  await page.getByRole('link', { name: 'Greenhouse 2.4' }).click()
  await page.getByRole('heading', { name: 'Greenhouse 2.4' }).waitFor()
})

test('a paused roll-out is continued, paused, retried and aborted; each act names what was seen', async () => {
  const fake = held()
  const page = await enter(fake, '/updates/r1')
  await page.getByText(/look at it, then continue\. Nothing is offered/).waitFor()
  expect(await page.locator('[aria-current=step]').textContent()).toBe('ⅡPause, nowwaits for you')

  // Somebody else was faster: it is said, and the next try is about what is there now.
  fake.refusal = { status: 409, code: 'CONFLICT', message: 'Somebody else was faster.', hint: null }
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('alert').filter({ hasText: 'Somebody else was faster.' }).waitFor()
  fake.put(rollout({ rev: 6, state: 'paused', stage: 1 }), [rolloutDevice(0, 'done', { stage: 0 })])
  await page.getByText('Paused. Nothing is offered').waitFor()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('Greenhouse 2.4 goes on.').waitFor()

  fake.put(rollout({ rev: 7, state: 'wave', stage: 1 }), [
    rolloutDevice(0, 'done', { stage: 0 }),
    rolloutDevice(1, 'rebooting'),
    rolloutDevice(2, 'failed', { code: -32023 }),
    rolloutDevice(3, 'targeted'),
  ])
  await page.getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByText('Greenhouse 2.4 is paused.').waitFor()
  await page.getByRole('button', { name: 'Retry 1 failed' }).click()
  await page.getByText('Greenhouse 2.4 tries the failed devices again.').waitFor()

  await page.getByRole('button', { name: 'Abort…' }).click()
  await dialog(page).getByText('1 device keeps the firmware of today.').waitFor()
  await dialog(page).getByText('1 device is updated and stays so. 1 device that restarts into the image now').waitFor()
  await dialog(page).getByLabel('Reason, for the audit log').fill('it hums')
  await dialog(page).getByRole('button', { name: 'Abort', exact: true }).click()
  await page.getByText('Greenhouse 2.4 is aborted.').waitFor()
  expect(fake.asked).toEqual([
    { method: 'POST', path: 'rollouts/r1/resume', body: { rev: 5 } },
    { method: 'POST', path: 'rollouts/r1/resume', body: { rev: 6 } },
    { method: 'POST', path: 'rollouts/r1/pause', body: { rev: 7 } },
    { method: 'POST', path: 'rollouts/r1/retry', body: { rev: 7 } },
    { method: 'POST', path: 'rollouts/r1/abort', body: { rev: 7, reason: 'it hums' } },
  ])
})

test('a device without a session since the start of the gateway is not told as online', async () => {
  const fake = fleet()
  const { updates: _, ...silent } = device(12)
  fake.devices = [device(0), { ...silent, state: 'offline' }]
  const page = await enter(fake, '/updates')
  await page.getByRole('button', { name: 'Start a roll-out of Greenhouse 2.4' }).click()
  await dialog(page).getByText('2 devices fit, 1 online. Devices that join later').waitFor()
})

test('a roll-out is started: for whom, how carefully, and what that comes to', async () => {
  const fake = fleet()
  const page = await enter(fake, '/updates')
  await page.getByRole('button', { name: 'Start a roll-out of Greenhouse 2.4' }).click()
  const form = dialog(page)
  const start = form.getByRole('button', { name: 'Start', exact: true })
  await form.getByText('12 devices fit, all online. Devices that join later are updated too.').waitFor()
  await form.getByText('2 devices are skipped: another product or chip, or no updates.').waitFor()
  const plan = form.getByRole('list', { name: 'Stages that will be' })
  const steps = () => plan.getByRole('listitem').locator('.num').allTextContents()
  expect(await steps()).toEqual([
    '1 device, 10 min soak',
    'somebody continues',
    '0 devices, 10 min soak',
    '2 devices, 10 min soak',
    '9 devices, 10 min soak',
  ])

  await form.getByRole('radio', { name: 'A group' }).check()
  expect(await start.getAttribute('aria-disabled')).toBe('true')
  await form.getByRole('combobox', { name: 'Group' }).selectOption('North')
  await form.getByText('6 devices fit').waitFor()
  await form.getByLabel('Canary, devices').fill('11')
  await form.getByText('A number from 0 to 10.').first().waitFor()
  expect(await start.getAttribute('aria-disabled')).toBe('true')
  await form.getByLabel('Canary, devices').fill('2')
  await form.getByRole('checkbox', { name: /^Pause after the canary/ }).uncheck()
  await form.getByLabel('Waves').fill('50 100')
  await form.getByLabel('Soak').fill('0')
  await form.getByRole('checkbox', { name: /^Only at certain hours/ }).check()
  await form.getByLabel('From').fill('22:00')
  await form.getByText('On the next day.').waitFor()
  await form.getByLabel('Name of the roll-out').fill('North first')
  expect(await steps()).toEqual(['2 devices', '1 device', '3 devices'])
  await start.click()
  await page.getByText('Greenhouse 2.4 has begun.').waitFor()
  await page.getByRole('heading', { name: 'Greenhouse 2.4' }).waitFor()

  await page.goto(`${home.url}/updates`)
  await startDialog(page)
  await form.getByRole('combobox', { name: 'Image' }).selectOption({ index: 1 })
  await form.getByText('1 device fits').waitFor()
  await form.getByRole('combobox', { name: 'Image' }).selectOption({ index: 0 })
  await form.getByRole('radio', { name: 'Chosen ones' }).check()
  expect(await form.getByRole('checkbox', { name: 'Bed 21' }).count()).toBe(0)
  await form.getByRole('checkbox', { name: 'Bed 3 ' }).check()
  await form.getByRole('searchbox').fill('south 5ccf7f10aa05')
  await form.getByText('None of them fits.').waitFor()
  await form.getByRole('searchbox').fill('north 5ccf7f10aa05')
  await form.getByRole('checkbox', { name: 'Bed 5 ' }).check()
  await form.getByText('2 devices of 12 chosen').waitFor()
  await start.click()
  await page.getByText('Greenhouse 2.4 has begun.').waitFor()
  const settings = { pauseAfterCanary: true, soak: 600_000, waves: [5, 25, 100], maxParallel: 8, window: null }
  expect(fake.asked.map(({ body }) => body)).toEqual([
    {
      image: image().id,
      target: { kind: 'group', group: 'North' },
      settings: {
        ...settings,
        canary: 2,
        pauseAfterCanary: false,
        soak: 0,
        waves: [50, 100],
        window: { from: 22 * 60, to: 5 * 60 },
      },
      name: 'North first',
    },
    // The canary of who has not asked for a number is chosen by the gateway.
    { image: image().id, target: { kind: 'devices', ids: [idOf(3), idOf(5)] }, settings },
  ])
})

test('a roll-out is started and held by the keyboard alone', async () => {
  const fake = fleet()
  const page = await enter(fake, '/updates')
  await page.getByRole('link', { name: 'Greenhouse 2.4' }).waitFor()
  const focus = () =>
    page.evaluate(() => {
      const { activeElement } = document
      return activeElement?.getAttribute('aria-label') ?? activeElement?.textContent
    })
  const tabTo = async (what: string) => {
    for (let steps = 0; steps < 40 && (await focus()) !== what; steps++) await page.keyboard.press('Tab')
    expect(await focus()).toBe(what)
  }
  await tabTo('Start a roll-out…')
  await page.keyboard.press('Enter')
  await dialog(page).waitFor()
  await page.keyboard.press('Escape')
  await dialog(page).waitFor({ state: 'detached' })
  expect(await focus()).toBe('Start a roll-out…')
  await page.keyboard.press('Enter')
  await dialog(page).getByRole('textbox', { name: 'Canary, devices' }).focus()
  await page.keyboard.type('3')
  await page.keyboard.press('Enter')
  await page.getByText('Greenhouse 2.4 has begun.').waitFor()
  expect(fake.asked.at(-1)).toMatchObject({ path: 'rollouts', body: { settings: { canary: 3 } } })

  // The heading of the new page has the focus; its acts come next.
  await page.getByRole('button', { name: 'Pause', exact: true }).waitFor()
  await tabTo('Pause')
  await page.keyboard.press('Enter')
  await page.getByText('Greenhouse 2.4 is paused.').waitFor()
})

test('devices that an aborted roll-out has left are called so, and nothing more is promised of them', async () => {
  const fake = fleet()
  fake.put(rollout({ state: 'aborted', stage: 1, reason: 'aborted by ada' }), [
    rolloutDevice(0, 'done', { stage: 0 }),
    rolloutDevice(1, 'targeted', { code: -32020, reason: 'low battery', retryAt: Date.now() + 60_000 }),
  ])
  const page = await enter(fake, '/updates/r1')
  await page.getByText('Aborted by ada.').waitFor()
  const row = rowOf(page, 'Bed 1')
  await row.getByText('Not updated').waitFor()
  expect(await row.locator('.words').textContent()).toBe('')
  await page.getByRole('button', { name: 'Not updated 1' }).waitFor()
})

test('bundles are dropped or chosen; what is none is refused at once, and what the gateway refuses is told', async () => {
  const fake = fleet()
  const page = await enter(fake, '/updates')
  const field = page.getByLabel('Add an image:')
  const file = (name: string, text: string) => ({
    name,
    mimeType: 'application/octet-stream',
    buffer: Buffer.from(text),
  })
  const drop = async (name: string, head: string, size: number) => {
    const dataTransfer = await page.evaluateHandle(
      ([called, begins, length]) => {
        const data = new DataTransfer()
        data.items.add(new File([begins, new Uint8Array(length - begins.length)], called))
        return data
      },
      [name, head, size] as const,
    )
    await page.locator('.drop').dispatchEvent('drop', { dataTransfer })
  }
  const fault = page.getByRole('alert')
  await field.setInputFiles(file('firmware.bin', 'ELF no manifest'))
  await fault.filter({ hasText: 'firmware.bin is no bundle.' }).waitFor()
  await drop('huge.uota', 'UOTA', 17 * 1024 * 1024)
  await fault.filter({ hasText: 'huge.uota is too large.' }).waitFor()
  expect(fake.asked).toEqual([])

  fake.refusal = { status: 400, code: 'INVALID', message: 'The signature is wrong.', hint: 'Sign it anew.' }
  await field.setInputFiles(file('forged.uota', 'UOTA forged'))
  await fault.filter({ hasText: 'The signature is wrong. Sign it anew.' }).waitFor()
  await field.setInputFiles(file('good.uota', 'UOTA good'))
  await page.getByText('Greenhouse 2.4 is here.').waitFor()
  expect(await fault.filter({ hasText: /\w/ }).count()).toBe(0)

  await drop('dropped.uota', 'UOTA', 1_000)
  await expect.poll(() => fake.asked.length, PATIENCE).toBe(3)
  expect(fake.asked).toEqual([
    { method: 'POST', path: 'images', body: 'UOTA forged'.length },
    { method: 'POST', path: 'images', body: 'UOTA good'.length },
    { method: 'POST', path: 'images', body: 1_000 },
  ])

  await page.getByRole('button', { name: 'Delete Greenhouse 2.4' }).click()
  await dialog(page).getByText(image().sha256).waitFor()
  await dialog(page).getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByText('Greenhouse 2.4 is deleted.').waitFor()
  expect(fake.asked.at(-1)).toMatchObject({ method: 'DELETE', path: `images/${image().id}` })
})

test('a viewer sees all and changes nothing; an operator holds a roll-out up, and an admin lets it go on', async () => {
  for (const role of ['viewer', 'operator'] as const) {
    const fake = held()
    const page = await enter(fake, '/updates', role)
    await page.getByRole('link', { name: 'Greenhouse 2.4' }).waitFor()
    const off = (name: string) => page.getByRole('button', { name, exact: true }).getAttribute('aria-disabled')
    expect(await off('Start a roll-out…')).toBe('true')
    expect(await off('Delete Greenhouse 2.4')).toBe('true')
    expect(await page.getByLabel('Add an image:').isDisabled()).toBe(true)
    await page.getByRole('link', { name: 'Greenhouse 2.4' }).click()
    await page.getByText(/look at it, then continue/).waitFor()
    expect(await off('Continue')).toBe('true')
    expect(await off('Abort…')).toBe(role === 'viewer' ? 'true' : null)
    await page.getByRole('button', { name: 'Continue' }).click({ force: true })
    expect(fake.asked).toEqual([])
  }
})

test('names of images, roll-outs and devices, and what devices say, are text', async () => {
  const markup = '<img src=x onerror=alert(1)>'
  const fake = fleet()
  fake.images = [image({ name: markup, product: '<b>bold</b>', addedBy: markup })]
  fake.devices = [{ ...device(1), name: markup, group: markup }]
  fake.put(rollout({ name: markup, image: fake.images[0]!, state: 'paused', reason: markup, createdBy: markup }), [
    rolloutDevice(1, 'failed', { code: markup, reason: `\u202E${markup}` }),
  ])
  const page = await enter(fake, '/updates')
  await page.getByRole('link', { name: markup }).waitFor()
  await startDialog(page)
  await page.keyboard.press('Escape')
  await page.getByRole('link', { name: markup }).click()
  await page.getByText(`(\\u{202e}${markup})`).waitFor()
  expect(await page.locator('main img, main [onerror], dialog img').count()).toBe(0)
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true)
})

test('an address that leads nowhere, and a gateway without images, say so', async () => {
  const page = await enter(new FakeUpdates(), '/updates/none')
  await page.getByRole('heading', { name: 'No such roll-out' }).waitFor()
  await page.getByRole('link', { name: 'See all roll-outs' }).click()
  await page.getByRole('heading', { name: 'No update yet' }).waitFor()
  const start = page.getByRole('button', { name: 'Start a roll-out…' })
  expect(await start.getAttribute('aria-disabled')).toBe('true')
})
