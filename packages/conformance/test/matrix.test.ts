import { buildCPeers } from '@usmp/testing/c-programs'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { transports } from '../matrix/implementations.js'
import { buildImage } from '../src/chip.js'
import { type Cell, cells, isInEveryRun, play, rekeys } from '../src/matrix.js'
import { writeDocument } from '../src/matrix-document.js'

const passed = new Set<Cell>()
// `run matrix` of package.json.
const document = process.env.USMP_MATRIX_DOCUMENT
const all = document ? cells() : cells().filter(isInEveryRun)

beforeAll(() => {
  buildCPeers()
  buildImage('peer.sh')
}, 600_000)

describe.each(transports)('over %s', (transport) => {
  for (const cell of all.filter((one) => one.transport === transport)) {
    const rekey = rekeys(cell) ? ', with a rekey' : ''
    test.concurrent(`${cell.client.name} to ${cell.server.name}, ${cell.suite}${rekey}`, async () => {
      await play(cell)
      passed.add(cell)
      // Each starts two programs and a Chromium takes its time; what is awaited in them has its own, shorter limits.
    })
  }
})

afterAll(() => {
  if (document) writeDocument(document, all, passed)
})
