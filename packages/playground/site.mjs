import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const source = (name) => fileURLToPath(new URL(`./src/${name}`, import.meta.url))

/** The playground as a server on this machine only. */
export async function createSite() {
  const { outputFiles } = await build({
    entryPoints: [source('main.tsx')],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    write: false,
  })
  const files = new Map([
    ['/', ['text/html', readFileSync(source('index.html'))]],
    ['/style.css', ['text/css', readFileSync(source('style.css'))]],
    ['/main.js', ['text/javascript', outputFiles[0].text]],
  ])
  return createServer(({ url }, response) => {
    const file = files.get(url)
    if (!file) return response.writeHead(404).end()
    response.setHeader('Content-Type', `${file[0]}; charset=utf-8`)
    response.end(file[1])
  })
}
