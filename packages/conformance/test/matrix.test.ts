import { afterAll, beforeAll, describe, test } from 'vitest'
import { transports } from '../matrix/implementations.js'
import { buildCPeers } from '../src/c-peer.js'
import { type Cell, cells, play, rekeys } from '../src/matrix.js'
import { writeDocument } from '../src/matrix-document.js'

const passed = new Set<Cell>()
const all = cells()

beforeAll(() => buildCPeers(), 120_000)

describe.each(transports)('over %s', (transport) => {
  for (const cell of all.filter((one) => one.transport === transport)) {
    const rekey = rekeys(cell) ? ', with a rekey' : ''
    test.concurrent(`${cell.client.name} to ${cell.server.name}, ${cell.suite}${rekey}`, async () => {
      await play(cell)
      passed.add(cell)
      // Each starts two programs and a Chromium takes its time; what is awaited in them has its own, shorter limits.
    }, 60_000)
  }
})

// `run matrix` of package.json.
afterAll(() => {
  if (process.env.USMP_MATRIX_DOCUMENT) writeDocument(process.env.USMP_MATRIX_DOCUMENT, all, passed)
})
