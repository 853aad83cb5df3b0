import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { buildCPeers, publishedLoop } from '@usmp/testing/c-programs'
import { beforeAll, describe, expect, it } from 'vitest'
import { PublishedPeer } from '../src/published-peer.js'

const psk = new TextEncoder().encode('a pre-shared key for a test, 32b')
const run = promisify(execFile)

beforeAll(buildCPeers, 300_000)

describe('the main loop of the published examples, with a C core that it was not written for', () => {
  it.each(['tcp', 'udp'] as const)(
    'hangs neither at a PONG nor in a burst over %s',
    async (transport) => {
      const server = PublishedPeer.start({ release: '1.2.2', role: 'server', transport, psk, echo: true })
      try {
        const { port } = await server.next('listening')
        const { stdout } = await run(publishedLoop, [transport, '127.0.0.1', String(port)], { timeout: 100_000 })
        expect(stdout).toMatch(/\ndone\n$/)
        expect(stdout.match(/^received /gm)).toHaveLength(10)
      } finally {
        await server.stop()
      }
    },
    120_000,
  )
})
