import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { launch } from '@usmp/testing/chromium'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

let site: Server
let browser: Browser

beforeAll(async () => {
  const path = '../site.mjs'
  site = (await import(path).then(({ createSite }) => createSite())) as Server
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  site?.close()
})

async function open(viewport = { width: 1280, height: 800 }): Promise<Page> {
  const page = await browser.newPage({ viewport })
  const faults: Error[] = []
  page.on('pageerror', (error) => faults.push(error))
  onTestFinished(async () => {
    await page.close()
    expect(faults).toEqual([])
  })
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
  return page
}

const arrive = (page: Page) => page.getByRole('button', { name: /^Let .* arrive$/ }).click()
const outcome = (page: Page) => page.getByRole('status').textContent()
const sequence = (page: Page) => page.locator('.lifelines b').allTextContents()

async function handshake(page: Page): Promise<void> {
  for (let i = 0; i < 4; i++) await arrive(page)
}

test('a handshake, a message, new keys and a goodbye', async () => {
  const page = await open()
  await handshake(page)
  expect(await sequence(page)).toEqual(['HELLO', 'CHALLENGE', 'HELLO_ACK', 'SESSION_OK'])
  expect(await outcome(page)).toContain('Session open')
  await page.getByLabel('Message').fill('hello, gateway')
  await page.getByRole('button', { name: 'Send' }).click()
  expect(await page.locator('[data-party=gateway]').textContent()).not.toContain('hello')
  await arrive(page)
  expect(await page.locator('[data-party=gateway]').textContent()).toContain('hello, gateway')
  await page.getByRole('button', { name: 'New keys' }).click()
  await arrive(page)
  await arrive(page)
  await arrive(page)
  expect((await sequence(page)).slice(5)).toEqual(['REKEY', 'PING', 'PONG'])
  await page.getByRole('button', { name: 'Goodbye' }).click()
  await arrive(page)
  expect(await outcome(page)).toContain('Closed with a BYE')
})

test('every field of a frame is explained', async () => {
  const page = await open()
  expect(await page.locator('tbody th').allTextContents()).toEqual([
    'magic',
    'version',
    'type',
    'seq',
    'length',
    'CRC',
    'device id',
    'public key',
  ])
  expect(await page.locator('.bytes button').count()).toBe(50)
  const id = await page.locator('[data-party=device] .mono').first().textContent()
  expect(await page.locator('table').textContent()).toContain(id)
})

test('a turned bit: the checksum notices it, and where that is repaired the tag', async () => {
  const page = await open()
  await page.getByRole('button', { name: /^byte 20,/ }).click()
  await page.getByRole('button', { name: /^bit 0,/ }).click()
  expect(await page.locator('.fault').textContent()).toContain('BAD_CRC')
  await page.getByRole('button', { name: 'Put it back' }).click()
  expect(await page.locator('.fault').count()).toBe(0)
  await handshake(page)
  for (const code of ['BAD_CRC', 'DECRYPT_FAILED']) {
    await page.getByRole('button', { name: 'Start again' }).click()
    await handshake(page)
    await page.getByRole('button', { name: 'Send' }).click()
    await arrive(page)
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByRole('button', { name: /^byte 26,/ }).click()
    if (code === 'DECRYPT_FAILED') await page.getByLabel('repair the checksum').check()
    await page.getByRole('button', { name: /^bit 3,/ }).click()
    await arrive(page)
    expect(await outcome(page)).toContain(`Gateway refuses: ${code}`)
    expect(await page.locator('[data-party=device]').textContent()).toContain('TRUNCATED')
  }
})

test('a gateway with another key refuses the proof', async () => {
  const page = await open()
  await page.getByLabel('gateway has another key').check()
  await arrive(page)
  await arrive(page)
  await arrive(page)
  expect(await outcome(page)).toContain('AUTH_FAILED')
  expect(await page.locator('[data-party=device]').textContent()).toContain('HANDSHAKE_REFUSED')
})

test('hex digits from elsewhere', async () => {
  const page = await open()
  await page.getByRole('tab', { name: 'Paste hex' }).click()
  const input = page.getByLabel('A frame in hex digits')
  await input.fill('cdab0206 01000000 1c00 1c17 010000006061626364656667 5dc7d0de2b304860ef374c8a3c65bfef')
  expect(await page.locator('table').textContent()).toContain('PING')
  expect(await page.locator('.fault').count()).toBe(0)
  await input.fill('cdab0200')
  expect(await page.locator('.fault').textContent()).toContain('BAD_TYPE')
  await input.fill('no hex')
  expect(await page.locator('.fault').textContent()).toContain('not whole bytes')
})

test('by the keyboard alone, on a narrow page, in the dark', async () => {
  const page = await open({ width: 390, height: 844 })
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
  await page.getByRole('button', { name: 'Dark' }).focus()
  await page.keyboard.press('Enter')
  await expect.poll(() => page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  expect(await sequence(page)).toEqual(['HELLO', 'CHALLENGE'])
  await page.getByRole('button', { name: /^byte 0,/ }).focus()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowDown')
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toMatch(/^byte 17,/)
})
