// A page in Chromium, for the matrix (README.md): @usmp/browser over a WebSocket.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { endWithInput, finish, ORIGIN, readOptions, readPsk, say, sizes } from './contract.mjs'

const options = readOptions()
endWithInput()

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('chromium-page.mjs', import.meta.url))],
  bundle: true,
  format: 'iife',
  platform: 'browser',
  write: false,
  logLevel: 'silent',
})

const browser = await chromium.launch({
  executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-sync',
    '--disable-features=LocalNetworkAccessChecks',
  ],
})
try {
  const page = await browser.newPage()
  await page.exposeFunction('say', say)
  // A page of that origin, and nobody is asked for it.
  await page.route(`${ORIGIN}/`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }))
  await page.goto(`${ORIGIN}/`)
  await page.addScriptTag({ content: outputFiles[0].text })
  const psk = [...readPsk(options['psk-file'])]
  finish(await page.evaluate((given) => globalThis.play(given), { ...options, psk, sizes }))
} catch (error) {
  console.error(error)
  finish('WRONG')
} finally {
  await browser.close()
}
