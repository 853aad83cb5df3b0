import { CipherSuite } from '@usmp/core'
import { describeProvider } from '@usmp/testing/provider-suite'
import { beforeAll, describe, expect, test } from 'vitest'
import { nodeProvider } from '../src/crypto-node.ts'
import { prepareSuite, sodiumAead } from '../src/crypto-sodium.ts'

// Files of tests have modules of their own, so that provider.test.ts sees the provider without libsodium, and this one with it.
beforeAll(() => prepareSuite(CipherSuite.CHACHA20_POLY1305))

describeProvider(nodeProvider)

describe('libsodium', () => {
  const [key, nonce, aad] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2), new Uint8Array(10).fill(3)]

  test('is what ChaCha20-Poly1305 of the provider comes from, and says the same as OpenSSL', async () => {
    const ours = sodiumAead(key)!
    const { createCipheriv } = await import('node:crypto')
    for (const size of [0, 1, 16, 63, 64, 65, 127, 452, 2032]) {
      const plaintext = new Uint8Array(size).map((_, i) => i)
      const cipher = createCipheriv('chacha20-poly1305' as 'aes-256-gcm', key, nonce, { authTagLength: 16 })
      cipher.setAAD(aad)
      const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
      const out = new Uint8Array(size + 16)
      ours.seal(nonce, aad, plaintext, out)
      expect(Buffer.from(out)).toEqual(expected)
      expect(ours.open(nonce, aad, out)).toEqual(plaintext)
    }
  })

  test('a byte changed anywhere is found', () => {
    const aead = sodiumAead(key)!
    const sealed = new Uint8Array(32)
    aead.seal(nonce, aad, new Uint8Array(16), sealed)
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice()
      changed[i]! ^= 0x80
      expect(aead.open(nonce, aad, changed)).toBeUndefined()
    }
    expect(
      aead.open(
        nonce,
        aad.map((byte) => byte + 1),
        sealed,
      ),
    ).toBeUndefined()
    expect(
      aead.open(
        nonce.map((byte) => byte + 1),
        aad,
        sealed,
      ),
    ).toBeUndefined()
    expect(aead.open(nonce, aad, sealed.subarray(0, 15))).toBeUndefined()
  })

  test('keys of several sessions do not mix, and a wiped one is of no use', () => {
    const other = sodiumAead(new Uint8Array(32).fill(9))!
    const own = sodiumAead(key)!
    const [a, b] = [new Uint8Array(20), new Uint8Array(20)]
    own.seal(nonce, aad, new Uint8Array(4), a)
    other.seal(nonce, aad, new Uint8Array(4), b)
    expect(a).not.toEqual(b)
    expect(own.open(nonce, aad, b)).toBeUndefined()
    expect(own.open(nonce, aad, a)).toEqual(new Uint8Array(4))
    own.wipe()
    expect(() => own.open(nonce, aad, a)).toThrow('wiped')
    expect(other.open(nonce, aad, b)).toEqual(new Uint8Array(4))
  })

  test('what is longer than any frame is refused, and does not run over', () => {
    const aead = sodiumAead(key)!
    expect(() => aead.seal(nonce, aad, new Uint8Array(2033), new Uint8Array(2049))).toThrow('too many')
    expect(() => aead.seal(nonce, new Uint8Array(49), new Uint8Array(1), new Uint8Array(17))).toThrow('too many')
    expect(aead.open(nonce, aad, new Uint8Array(2049))).toBeUndefined()
  })
})
