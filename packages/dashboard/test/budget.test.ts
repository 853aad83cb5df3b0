import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, '../../gateway/dist/page/')
/** All scripts of the page, compressed, bytes. */
const BUDGET = 100_000

test('all scripts of the page together are small', () => {
  const scripts = readdirSync(`${folder}assets`).filter((name) => name.endsWith('.js'))
  expect(scripts.length).toBeGreaterThan(1)
  const sizes = scripts.map((name) => gzipSync(readFileSync(`${folder}assets/${name}`)).length)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(BUDGET)
})

test('the document has neither script nor style in it, and files of which each change has another name', () => {
  const html = readFileSync(`${folder}index.html`, 'utf8')
  expect(html).not.toMatch(/<style|style=|<script[^>]*>[^<]|javascript:| on\w+=/)
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address)
  expect(files).toHaveLength(3)
  for (const address of files) expect(address).toMatch(/^\/assets\/\w+-[0-9A-Z]{8}\.(js|css|svg)$/)
})

test('what the page shows is never made from text: no HTML, no code', () => {
  for (const name of readdirSync(`${folder}assets`).filter((file) => file.endsWith('.js'))) {
    const script = readFileSync(`${folder}assets/${name}`, 'utf8')
    expect(script).not.toMatch(/\beval\(|new Function\b|insertAdjacentHTML|document\.write|outerHTML/)
  }
})
