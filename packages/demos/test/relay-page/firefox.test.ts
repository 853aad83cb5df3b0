import { execFileSync } from 'node:child_process'
import { findInPage } from '@usmp/testing/engines'
import puppeteer, { type Browser, type ElementHandle } from 'puppeteer-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pairAndTalk } from './engine.ts'

let browser: Browser

beforeAll(async () => {
  browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: execFileSync('sh', ['-c', 'command -v firefox-esr'], { encoding: 'utf8' }).trim(),
    headless: true,
  })
})
afterAll(() => browser?.close())

test('pairing and chat in Firefox', async () => {
  const page = await browser.newPage()
  const faults: unknown[] = []
  page.on('pageerror', (error) => faults.push(error))
  await pairAndTalk({
    goto: async (address) => void (await page.goto(address)),
    find: async (selector, text) => {
      const found = await page.evaluateHandle(findInPage, selector, text)
      return found.asElement() as ElementHandle<Element> | null
    },
  })
  expect(faults).toEqual([])
})
