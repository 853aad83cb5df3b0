import { execFileSync } from 'node:child_process'
import { findInPage } from '@usmp/testing/engines'
import puppeteer, { type Browser, type ElementHandle } from 'puppeteer-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { logInAndApprove } from './engine.ts'
import { World } from './world.ts'

let browser: Browser

beforeAll(async () => {
  browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: execFileSync('sh', ['-c', 'command -v firefox-esr'], { encoding: 'utf8' }).trim(),
    headless: true,
  })
})
afterAll(() => browser?.close())

test('log-in and approval in Firefox', async () => {
  const home = await World.start()
  onTestFinished(() => home.close())
  const page = await browser.newPage()
  const faults: unknown[] = []
  page.on('pageerror', (error) => faults.push(error))
  await logInAndApprove(
    {
      goto: async (address) => void (await page.goto(address)),
      find: async (selector, text) => {
        const found = await page.evaluateHandle(findInPage, selector, text)
        return found.asElement() as ElementHandle<Element> | null
      },
    },
    home,
  )
  expect(faults).toEqual([])
})
