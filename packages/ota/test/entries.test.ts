import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** What a source imports to run, and all that follows from it inside of this package. */
function importsOf(file: URL, found = new Map<string, string[]>()): Map<string, string[]> {
  if (found.has(file.href)) return found
  const text = readFileSync(file, 'utf8')
  const paths = [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)'/gm)].map(([, path]) => path!)
  found.set(file.href, paths)
  for (const path of paths) {
    if (path.startsWith('.')) importsOf(new URL(path.replace(/\.js$/, '.ts'), file), found)
  }
  return found
}

test('the entry for all platforms needs nothing of Node', () => {
  const imports = importsOf(new URL('../src/index.ts', import.meta.url))
  expect(imports.size).toBeGreaterThan(10)
  expect([...imports.values()].flat().filter((path) => /^node:|^@usmp\/node/.test(path))).toEqual([])
})
