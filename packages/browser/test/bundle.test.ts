import { gzipSync } from 'node:zlib'
import { bundle } from '@usmp/testing/chromium'
import { expect, test } from 'vitest'

test('a bundle for pages has no part of Node in it', async () => {
  const code = await bundle(new URL('../dist/index.js', import.meta.url), { minify: true })
  expect(code.length).toBeGreaterThan(50_000)
  expect(code.match(/\bnode:|\bBuffer\b|(?<!\.)\bprocess[.[]|\brequire\(|\b__dirname\b|\bsetImmediate\(/g)).toBeNull()
})

test('and says nothing that it need not, minified and compressed', async () => {
  const code = await bundle(new URL('../dist/index.js', import.meta.url), { minify: true })
  // 200 more than before the relay: the words of three errors, and a WebSocket with a subprotocol whose close codes mean something.
  expect(gzipSync(code).length).toBeLessThan(36_700)
})
