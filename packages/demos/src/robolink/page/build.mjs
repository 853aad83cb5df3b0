// Builds the operator page into dist/robolink/page: static files for the hub to serve.
import { cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = (name) => fileURLToPath(new URL(name, import.meta.url))
const target = fileURLToPath(new URL('../../../dist/robolink/page/', import.meta.url))

rmSync(target, { recursive: true, force: true })
await build({
  entryPoints: [source('main.ts'), source('style.css')],
  outdir: target,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  platform: 'browser',
  logLevel: 'warning',
})
for (const name of ['index.html', 'icon.svg']) cpSync(source(name), `${target}${name}`)
