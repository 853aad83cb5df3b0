import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type Browser, chromium, type Page } from 'playwright-core'

/** A name that leads to this machine and, unlike 127.0.0.1, is no secure context over plain http. */
export const INSECURE_HOST = 'device.test'

/** Debian's Chromium, speaking to nobody but this machine; each start has a fresh profile. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`,
    ],
  })
}

/** A script for pages, from TypeScript, with everything in it that it imports; nothing is left out or replaced. */
export async function bundle(entry: URL, options: { minify?: boolean } = {}): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    platform: 'browser',
    write: false,
    logLevel: 'silent',
    ...options,
  })
  return outputFiles[0]!.text
}

/** Serves an empty page that loads `script`. */
export async function servePage(script: string): Promise<{ port: number; close: () => void }> {
  const server = createServer(({ url }, response) => {
    const isScript = url === '/script.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><title>USMP</title><script src="/script.js"></script>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => server.closeAllConnections() ?? server.close() }
}

/** A new page whose faults fail the test that opened it. */
export async function openPage(browser: Browser, url: string, faults: unknown[]): Promise<Page> {
  const page = await browser.newPage()
  page.on('pageerror', (error) => faults.push(error))
  await page.goto(url)
  return page
}
