import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { bundle } from './chromium.ts'

test('a bundle for pages has no part of Node in it', async () => {
  const code = await bundle('../dist/index.js', { minify: true })
  expect(code.length).toBeGreaterThan(50_000)
  expect(code.match(/\bnode:|\bBuffer\b|(?<!\.)\bprocess[.[]|\brequire\(|\b__dirname\b|\bsetImmediate\(/g)).toBeNull()
})

test('and says nothing that it need not, minified and compressed', async () => {
  const code = await bundle('../dist/index.js', { minify: true })
  expect(gzipSync(code).length).toBeLessThan(36_500)
})
