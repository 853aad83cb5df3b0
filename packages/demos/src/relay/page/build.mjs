// Builds the page of the relay into dist/relay/page: static files for the demo to serve.
import { cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = (name) => fileURLToPath(new URL(name, import.meta.url))
const target = fileURLToPath(new URL('../../../dist/relay/page/', import.meta.url))

rmSync(target, { recursive: true, force: true })
await build({
  entryPoints: [source('main.ts'), source('style.css')],
  outdir: target,
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['chrome120', 'firefox120', 'safari17'],
  platform: 'browser',
  logLevel: 'warning',
})
for (const name of ['index.html', 'icon.svg']) cpSync(source(name), `${target}${name}`)
