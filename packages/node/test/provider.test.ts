import { describeProvider } from '@usmp/testing/provider-suite'
import { describe, expect, test } from 'vitest'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'

describeProvider(nodeProvider)

describe('node:crypto', () => {
  test('2000 key pairs in a row, each of its own', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) {
      const { publicKey } = nodeProvider.generateKeyPair(nodeRandom)
      expect(publicKey.length).toBe(32)
      seen.add(Buffer.from(publicKey).toString('hex'))
    }
    expect(seen.size).toBe(2000)
  })

  test('2000 agreements in a row', () => {
    const own = nodeProvider.generateKeyPair(nodeRandom)
    const peer = nodeProvider.generateKeyPair(nodeRandom)
    const shared = own.agree(peer.publicKey)
    for (let i = 0; i < 2000; i++) expect(Buffer.compare(peer.agree(own.publicKey), shared)).toBe(0)
  })

  test('what was wiped is of no use', () => {
    const pair = nodeProvider.generateKeyPair(nodeRandom)
    const { publicKey } = nodeProvider.generateKeyPair(nodeRandom)
    pair.wipe()
    expect(() => pair.agree(publicKey)).toThrow('wiped')
    const aead = nodeProvider.aead(1, new Uint8Array(32))
    aead.wipe()
    expect(() => aead.open(new Uint8Array(12), new Uint8Array(10), new Uint8Array(16))).toThrow('wiped')
  })

  test('random bytes have the length asked for and differ', () => {
    expect(nodeRandom(32).length).toBe(32)
    expect(nodeRandom(32)).not.toEqual(nodeRandom(32))
  })
})
