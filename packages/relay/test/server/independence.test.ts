import { readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The server with all that it imports. */
async function bundle() {
  return build({
    entryPoints: [`${root}src/server.ts`],
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
    metafile: true,
    // Optional parts of ws, which are used only if somebody installs them.
    external: ['bufferutil', 'utf-8-validate'],
  })
}

test('the server is made of itself, the wire, ws and Node: nothing of the core can be in it', async () => {
  const { metafile } = await bundle()
  const inputs = Object.keys(metafile.inputs).map((path) => relative(root, `${root}${path}`))
  const own = inputs.filter((path) => path.startsWith('src/'))
  expect(own).toContain('src/server/relay.ts')
  for (const path of own) expect(path).toMatch(/^src\/(server\.ts|server\/[\w-]+\.ts|wire\.ts)$/)
  const foreign = inputs.filter((path) => !path.startsWith('src/'))
  for (const path of foreign) expect(path).toMatch(/node_modules\/ws\/[\w./-]+$/)
  const externals = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  for (const path of externals) expect(path).toMatch(/^(node:)?(\w+)$|^bufferutil$|^utf-8-validate$/)
})

test('the server opens no connection and writes no file', () => {
  const allowed = ['http', 'https', 'net', 'tls', 'events', 'crypto', 'stream'].map((name) => `node:${name}`)
  const files = readdirSync(`${root}src/server`)
  expect(files).toContain('relay.ts')
  for (const file of files) {
    const text = readFileSync(`${root}src/server/${file}`, 'utf8')
    for (const [, path] of text.matchAll(/from '(node:[\w/]+)'/g)) expect(allowed, file).toContain(path)
    expect(text, file).not.toMatch(/(?<![#\w])(connect|createConnection|fetch|request)\(|new WebSocket\(/)
  }
})
