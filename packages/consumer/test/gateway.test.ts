import { execFileSync } from 'node:child_process'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Folder } from '../src/folder.ts'
import { packAll, type Registry, serveRegistry } from '../src/packages.ts'

let registry: Registry
let folder: Folder
beforeAll(async () => {
  registry = await serveRegistry(await packAll())
  folder = await Folder.create(registry.url)
})
afterAll(async () => {
  await folder?.remove()
  registry?.close()
})

/** Debian's Chromium, with an empty profile. */
async function openBrowser() {
  const executablePath = execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim()
  const browser = await chromium.launch({ executablePath, args: ['--headless', '--no-sandbox', '--disable-gpu'] })
  onTestFinished(() => browser.close())
  return browser.newPage()
}

test('a newcomer runs one command in an empty folder, opens what it prints, and approves the sensor that waits', async () => {
  const gateway = folder.start('npx --yes -p @usmp/cli -p @usmp/gateway usmp gateway')
  await gateway.says('Ctrl-C ends the gateway')
  const [link] = /http:\/\/127\.0\.0\.1:\d+\/setup#\S+/.exec(gateway.output)!
  const [key] = /^ +[0-9a-f]{64}$/m.exec(gateway.output)!
  const [, id] = /The sensor (\S+) appears/.exec(gateway.output)!

  const page = await openBrowser()
  page.setDefaultTimeout(90_000)
  await page.goto(link)
  await page.getByLabel('Password', { exact: true }).fill('a long password')
  await page.getByRole('button', { name: 'Set up' }).click()
  await page.getByRole('button', { name: /^Join/ }).click()
  await page.getByRole('dialog', { name: 'Join window' }).locator('button[type=submit]').click()
  await page.getByRole('button', { name: `Approve ${id}` }).click()
  const dialog = page.getByRole('dialog', { name: /^Approve/ })
  await dialog.getByLabel(/key/i).first().fill(key.trim())
  await dialog.locator('button[type=submit]').click()
  const name = page.getByRole('link', { name: 'Greenhouse sensor' })
  await name.click()
  await page.getByText('Online', { exact: false }).first().waitFor()
  await page.locator('canvas').first().waitFor()
  expect(await page.locator('canvas').count()).toBeGreaterThan(0)
}, 300_000)

test('without the package of the gateway the command says how to install it', async () => {
  const run = folder.start('npx --yes -p @usmp/cli usmp gateway')
  expect(await run.ended).toBe(2)
  expect(run.output).toContain('the package @usmp/gateway is not installed')
  expect(run.output).toContain('npx -p @usmp/cli -p @usmp/gateway usmp gateway')
})

test('without the package of the relay the command says how to install it', async () => {
  const run = folder.start('npx --yes -p @usmp/cli usmp relay serve --open')
  expect(await run.ended).toBe(2)
  expect(run.output).toContain('the package @usmp/relay is not installed')
  expect(run.output).toContain('npx -p @usmp/cli -p @usmp/relay usmp relay')
})
