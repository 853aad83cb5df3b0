import { expect, test } from 'vitest'
import { Engine } from '../src/engine.js'
import { instrument, type Point } from '../src/instrument.js'
import { HITS } from '../src/task.js'

const FOREVER = { executions: 2_000_000, ms: 60_000 }

/** Counts how far an input begins with `secret`, one point for each byte; breaks at the end. */
function lock(secret: string, hits: Uint8Array) {
  return {
    seeds: () => [],
    run(input: Uint8Array) {
      for (let i = 0; i < secret.length; i++) {
        if (input[i] !== secret.charCodeAt(i)) return
        hits[i]!++
      }
      throw new Error('open')
    },
  }
}

test('coverage leads to what chance alone would not find, and the crash is made small', async () => {
  const hits = new Uint8Array(8)
  const engine = new Engine(lock('USMP', hits), 64, hits, () => {})
  const { crash, executions } = await engine.grow([], 1, FOREVER)
  expect(crash?.error).toContain('open')
  expect(Buffer.from(crash!.input).toString()).toBe('USMP')
  expect(executions).toBeLessThan(2_000_000)
})

test('the same seed makes the same run', async () => {
  const grow = async () => {
    const hits = new Uint8Array(8)
    return new Engine(lock('USMP-DEVICE'.slice(0, 8), hits), 64, hits, () => {}).grow([], 7, {
      executions: 5000,
      ms: 60_000,
    })
  }
  expect((await grow()).corpus).toEqual((await grow()).corpus)
})

test('a minimised corpus comes to the same points with less', async () => {
  const hits = new Uint8Array(8)
  const engine = new Engine(lock('USMP-DEV', hits), 64, hits, () => {})
  const bytes = (text: string) => new Uint8Array(Buffer.from(text))
  const kept = await engine.minimise([bytes('USM and more'), bytes('US'), bytes('U and so on')])
  expect(kept.map((input) => Buffer.from(input).toString())).toEqual(['US', 'USM'])
})

test('instrumented code does what it did, and counts where it has been', () => {
  const source = `
    function judge(a, b) {
      if (a > 1) return a && b ? 'both' : 'one'
      switch (b) { case 1: return 'first'; default: }
      for (const one of [1, 2]) a += one
      while (a < 3) a++
      const add = (x) => x + a
      return b ?? add(0)
    }
    return judge`
  const points: Point[] = []
  const code = instrument(source.replace('return judge', 'globalThis.judge = judge'), 'judge.ts', points)
  const hits = new Uint8Array(points.length)
  const scope = { [HITS]: hits } as { judge?: (a: number, b?: number) => unknown }
  new Function('globalThis', code)(scope)
  const seen = (a: number, b?: number) => {
    hits.fill(0)
    return [scope.judge!(a, b), [...new Set(points.filter((_, i) => hits[i]! > 0).map(({ line }) => line))].sort()]
  }
  expect(seen(2, 1)).toEqual(['both', [2, 3]])
  expect(seen(2, 0)).toEqual(['one', [2, 3]])
  expect(seen(0, 1)).toEqual(['first', [2, 3, 4]])
  expect(seen(0)).toEqual([3, [2, 3, 4, 5, 7, 8]])
})
