// Builds the page into the folder that is named: static files that the gateway serves. All names but that of index.html carry a hash of what is inside.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = (name) => fileURLToPath(new URL(`src/${name}`, import.meta.url))
const target = resolve(process.argv[2])

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
const { metafile } = await build({
  entryPoints: [source('main.tsx'), source('styles/style.css'), source('icon.svg')],
  outdir: join(target, 'assets'),
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  loader: { '.svg': 'copy' },
  bundle: true,
  splitting: true,
  minify: true,
  metafile: true,
  format: 'esm',
  target: ['chrome120', 'firefox120', 'safari17'],
  platform: 'browser',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  logLevel: 'warning',
})

/** The address of what became of an entry point. */
function address(entry) {
  const [output] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(`src/${entry}`))
  return `/assets/${basename(output)}`
}

/** Copied files are no entry points in the list of outputs. */
function copied(entry) {
  const [output] = Object.entries(metafile.outputs).find(([, { inputs }]) =>
    Object.keys(inputs).some((input) => input.endsWith(`src/${entry}`)),
  )
  return `/assets/${basename(output)}`
}

const html = readFileSync(source('index.html'), 'utf8')
  .replace('main.tsx', address('main.tsx'))
  .replace('style.css', address('styles/style.css'))
  .replace('icon.svg', copied('icon.svg'))
writeFileSync(join(target, 'index.html'), html)
