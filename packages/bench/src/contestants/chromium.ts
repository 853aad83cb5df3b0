import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch } from '@usmp/testing/chromium'
import { build } from 'esbuild'
import type { Page } from 'playwright-core'

/** The page's script, from here and from where this is bundled to. */
const script = fileURLToPath(new URL('../src/page/page.ts', import.meta.url))

/** The program `chromium`, if this machine has it. */
export function findChromium(): string | undefined {
  const folders = process.env.PATH?.split(delimiter) ?? []
  return folders.map((folder) => join(folder, 'chromium')).find((path) => existsSync(path))
}

/** Opens a page that has loaded the script, and says its origin. */
export async function openPage(atEnd: (close: () => unknown) => void): Promise<{ page: Page; origin: string }> {
  const origin = await serve(await bundle(), atEnd)
  const browser = await launch()
  atEnd(() => browser.close())
  const page = await browser.newPage()
  await page.goto(origin)
  return { page, origin }
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [script],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    platform: 'browser',
  })
  return outputFiles[0]!.text
}

async function serve(text: string, atEnd: (close: () => unknown) => void): Promise<string> {
  const server = createServer(({ url }, response) => {
    // In a page that is by itself the clock is fine enough: 5 µs, not 100.
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
    const isScript = url === '/script.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? text : '<!doctype html><title>USMP</title><script src="/script.js"></script>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
