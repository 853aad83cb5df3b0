import { randomBytes } from 'node:crypto'
import { prepareSuite } from '@usmp/node'
import { LIBP2P_NOISE, noiseInMemory } from '../contestants/libp2p-noise.js'
import { handshakePrimitives, libraries, sealAndOpen, suites } from '../contestants/primitives.js'
import { handshake, suiteIds, transfer } from '../contestants/usmp-memory.js'
import { type Contestant, meanOf, medianOf } from '../interleave.js'
import type { Bench } from './bench.js'

/** State machines within 1.3 times the time of their primitives. */
const HANDSHAKE_TARGET = 1 / 1.3

export const memoryHandshakes: Bench = {
  id: 'handshake-memory',
  title: 'Handshakes in memory',
  unit: 'µs',
  about:
    'Both state machines of a handshake in one process, bytes handed over in memory, against the cryptography that ' +
    'both ends together cannot do without: 2 X25519 key pairs, 2 agreements, 4 HMAC, 2 HKDF. ' +
    'Noise of libp2p, whose handshake is asynchronous, does more: 6 agreements, 2 signatures and 2 checks of them.',
  contestants: async () => [
    ...libraries.flatMap((library): Contestant[] => [
      { name: `primitives, ${library}`, measure: meanOf(handshakePrimitives[library]) },
      {
        name: `USMP, ${library}`,
        limit: `primitives, ${library}`,
        target: HANDSHAKE_TARGET,
        measure: meanOf(() => handshake(library)),
      },
    ]),
    {
      name: LIBP2P_NOISE,
      limit: 'primitives, node:crypto',
      measure: medianOf(await noiseInMemory(), async () => {}),
    },
  ],
}

/** Sealing and opening of messages of one size. */
export function memoryMessages(size: number, target?: number): Bench {
  return {
    id: `messages-memory-${size}`,
    title: `Sealing and opening messages of ${size} bytes in memory`,
    unit: 'µs',
    about:
      'From `send` of one connection to the `message` event of the other, against nothing but sealing and opening the ' +
      'same bytes with the same cipher of the same library. ChaCha20-Poly1305 of USMP in Node is libsodium’s, and is ' +
      'still compared with that of node:crypto.',
    contestants: async () => {
      await prepareSuite(suiteIds['ChaCha20-Poly1305'])
      const message = new Uint8Array(randomBytes(size))
      return libraries.flatMap((library) =>
        suites.flatMap((suite): Contestant[] => {
          const pair = handshake(library, suite)
          const limit = `${suite} alone, ${library}`
          return [
            { name: limit, measure: meanOf(sealAndOpen(library, suite, message)) },
            {
              name: `USMP ${suite}, ${library}`,
              limit,
              // The targets are set for the provider that Node uses.
              ...(target && library === 'node:crypto' ? { target } : {}),
              measure: meanOf(() => transfer(pair, message)),
            },
          ]
        }),
      )
    },
  }
}
