import { beforeAll, describe, expect, test } from 'vitest'
import { type Bundle, bundleWorker } from '../src/bundle.js'
import { list } from '../src/list.js'
import { Corpus, fuzz } from '../src/run.js'

/** The corpus is what coverage has chosen, so it comes to most of what a target is about. */
const REACHES: Readonly<Record<string, number>> = {
  frames: 0.8,
  handshake: 0.4,
  session: 0.75,
  differential: 0.7,
  rpc: 0.4,
  mqtt: 0.7,
  'gateway-http': 0.5,
  'gateway-telemetry': 0.6,
  'ota-manifest': 0.8,
  'ota-differential': 0.5,
  discovery: 0.8,
  'ota-transfer': 0.7,
  'relay-join': 0.65,
  'relay-pairing': 0.6,
  'relay-channel': 0.8,
}

let bundle: Bundle
beforeAll(async () => {
  bundle = await bundleWorker()
})

describe.each(list)('$name', (about) => {
  test('every input of the corpus keeps the promises, and so do some new ones', async () => {
    const corpus = new Corpus(about.name).read()
    expect(corpus.length).toBeGreaterThan(20)
    const grown = await fuzz(about, bundle, corpus, { seed: 1, ms: 2000, executions: corpus.length + 500 })
    const { input, error } = grown.crash ?? {}
    expect(error && `input ${Buffer.from(input!).toString('hex')}: ${error}`).toBeUndefined()
    expect(grown.executions).toBeGreaterThan(corpus.length)
    for (const file of about.covers)
      expect(
        bundle.points.some((point) => point.file === file),
        file,
      ).toBe(true)
    const own = bundle.points.flatMap(({ file }, point) => (about.covers.includes(file) ? [point] : []))
    const reached = own.filter((point) => grown.reached.has(point)).length
    expect(reached / own.length).toBeGreaterThan(REACHES[about.name]!)
  }, 600_000)
})
