import type { CryptoProvider } from '@usmp/core'
import { CipherSuite, concatBytes, fromHex, toHex } from '@usmp/core'
import { describe, expect, test } from 'vitest'
import { bytesOf, flipBit } from './bytes.js'
import { type Case, caseName, groupsOf } from './vectors.js'

/** The provider interface against vectors/primitives.json, and against its own promises. */
export function describePrimitives(provider: CryptoProvider): void {
  describeX25519(provider)
  describeHashes(provider)
  describeAead(provider)
  describePromises(provider)
}

function describeX25519(provider: CryptoProvider): void {
  interface X25519 extends Case {
    private: string
    peer_public: string
    shared: string
    iterations?: number
  }
  const multiply = (own: Uint8Array, peer: Uint8Array) => provider.keyPairFromPrivate(own).agree(peer)
  describe('primitives: x25519', () => {
    for (const { tests } of groupsOf<object, X25519>('primitives', 'x25519')) {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const shared = multiply(fromHex(vector.private), fromHex(vector.peer_public))
          // A provider shows a point of low order by a result of zeros; that it is refused is tested with the key schedule.
          expect(toHex(shared)).toBe(vector.result === 'valid' ? vector.shared : '00'.repeat(32))
        })
      }
    }
    for (const { tests } of groupsOf<object, X25519>('primitives', 'x25519_iterated')) {
      for (const vector of tests) {
        // A thousand of them in JavaScript are seconds on a busy machine.
        test(caseName(vector), () => {
          let [own, peer] = [fromHex(vector.private), fromHex(vector.peer_public)]
          for (let i = 0; i < vector.iterations!; i++) [own, peer] = [multiply(own, peer), own]
          expect(toHex(own)).toBe(vector.shared)
        })
      }
    }
  })
}

function describeHashes(provider: CryptoProvider): void {
  interface Hmac extends Case {
    key: string
    message: string
    mac: string
  }
  interface Hkdf extends Case {
    ikm: string
    salt: string
    info: string
    length: number
    okm: string
  }
  describe('primitives: hmac', () => {
    for (const { tests } of groupsOf<object, Hmac>('primitives', 'hmac')) {
      for (const vector of tests) {
        test(caseName(vector), () => {
          expect(toHex(provider.hmacSha256(fromHex(vector.key), fromHex(vector.message)))).toBe(vector.mac)
        })
      }
    }
  })
  describe('primitives: hkdf', () => {
    for (const { tests } of groupsOf<object, Hkdf>('primitives', 'hkdf')) {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const [ikm, salt, info] = [vector.ikm, vector.salt, vector.info].map(fromHex)
          expect(toHex(provider.hkdfSha256(ikm!, salt!, info!, vector.length))).toBe(vector.okm)
        })
      }
    }
  })
}

function describeAead(provider: CryptoProvider): void {
  interface Sealed extends Case {
    key: string
    nonce: string
    aad: string
    plaintext: string
    sealed: string
  }
  for (const op of ['aead', 'aead_open']) {
    for (const { params, tests } of groupsOf<{ suite: CipherSuite }, Sealed>('primitives', op)) {
      describe(`primitives: ${op}, suite ${params.suite}`, () => {
        for (const vector of tests) {
          test(caseName(vector), () => {
            const aead = provider.aead(params.suite, fromHex(vector.key))
            const [nonce, aad, sealed] = [vector.nonce, vector.aad, vector.sealed].map(fromHex)
            const opened = aead.open(nonce!, aad!, sealed!)
            if (vector.result === 'invalid') return expect(opened).toBeUndefined()
            expect(opened && toHex(opened)).toBe(vector.plaintext)
            const out = new Uint8Array(sealed!.length)
            aead.seal(nonce!, aad!, fromHex(vector.plaintext), out)
            expect(toHex(out)).toBe(vector.sealed)
          })
        }
      })
    }
  }
}

function describePromises(provider: CryptoProvider): void {
  describe('key pairs', () => {
    test('makes pairs that agree, and a new one each time', () => {
      let seed = 0
      const random = (length: number) => bytesOf(length, ++seed)
      const [a, b] = [provider.generateKeyPair(random), provider.generateKeyPair(random)]
      expect(toHex(a.publicKey)).not.toBe(toHex(b.publicKey))
      expect(a.publicKey).toHaveLength(32)
      expect(toHex(a.agree(b.publicKey))).toBe(toHex(b.agree(a.publicKey)))
    })

    test('keeps its own copy of a private key, and leaves that of the caller alone', () => {
      const privateKey = bytesOf(32, 4)
      const pair = provider.keyPairFromPrivate(privateKey)
      const peer = provider.keyPairFromPrivate(bytesOf(32, 5))
      const shared = toHex(pair.agree(peer.publicKey))
      const before = toHex(privateKey)
      privateKey.fill(0)
      expect(toHex(pair.agree(peer.publicKey))).toBe(shared)
      const kept = fromHex(before)
      provider.keyPairFromPrivate(kept).wipe()
      expect(toHex(kept)).toBe(before)
    })
  })

  describe('AEAD', () => {
    test.each([0, 3, -1, undefined, 'toString'])(
      'of a suite that does not exist (%s): no other one stands in',
      (suite) => {
        expect(() => provider.aead(suite as CipherSuite, bytesOf(32))).toThrow('CipherSuite')
      },
    )

    describe.each([
      ['AES-256-GCM', CipherSuite.AES_256_GCM],
      ['ChaCha20-Poly1305', CipherSuite.CHACHA20_POLY1305],
    ] as const)('%s', (_, suite) => {
      const [key, nonce, aad] = [bytesOf(32, 6), bytesOf(12, 7), bytesOf(10, 8)]
      const sealWith = (plaintext: Uint8Array) => {
        const out = new Uint8Array(plaintext.length + 16)
        provider.aead(suite, key).seal(nonce, aad, plaintext, out)
        return out
      }

      test('opens nothing that was changed by a bit', () => {
        const aead = provider.aead(suite, key)
        const sealed = sealWith(bytesOf(20, 9))
        for (let i = 0; i < sealed.length; i++) expect(aead.open(nonce, aad, flipBit(sealed, i, i % 8))).toBeUndefined()
        for (let i = 0; i < 12; i++) expect(aead.open(flipBit(nonce, i), aad, sealed)).toBeUndefined()
        for (let i = 0; i < 10; i++) expect(aead.open(nonce, flipBit(aad, i), sealed)).toBeUndefined()
        expect(aead.open(nonce, aad, sealed)).toEqual(bytesOf(20, 9))
      })

      test('opens nothing that is too short or too long', () => {
        const aead = provider.aead(suite, key)
        const sealed = sealWith(bytesOf(4, 9))
        for (let length = 0; length < sealed.length; length++) {
          expect(aead.open(nonce, aad, sealed.subarray(0, length))).toBeUndefined()
        }
        expect(aead.open(nonce, aad, concatBytes(sealed, Uint8Array.of(0)))).toBeUndefined()
      })

      test('takes every plaintext length a frame can have', () => {
        const aead = provider.aead(suite, key)
        for (const length of [0, 1, 15, 16, 17, 31, 32, 63, 64, 65, 128, 451, 452]) {
          const plaintext = bytesOf(length, length)
          expect(aead.open(nonce, aad, sealWith(plaintext))).toEqual(plaintext)
        }
      })

      test('leaves its inputs as they were, on success and failure', () => {
        const aead = provider.aead(suite, key)
        const sealed = sealWith(bytesOf(20, 9))
        const copies = [sealed, flipBit(sealed, 0)].map((bytes) => [bytes, toHex(bytes)] as const)
        for (const [bytes, before] of copies) {
          aead.open(nonce, aad, bytes)
          expect(toHex(bytes)).toBe(before)
        }
        expect([nonce, aad].map((bytes) => toHex(bytes))).toEqual([bytesOf(12, 7), bytesOf(10, 8)].map((b) => toHex(b)))
      })

      test('writes into the middle of a larger buffer and nowhere else', () => {
        const buffer = new Uint8Array(60).fill(0x55)
        const plaintext = bytesOf(20, 9)
        provider.aead(suite, key).seal(nonce, aad, plaintext, buffer.subarray(12, 48))
        expect(buffer.subarray(12, 48)).toEqual(sealWith(plaintext))
        expect([...buffer.subarray(0, 12), ...buffer.subarray(48)]).toEqual(Array(24).fill(0x55))
      })

      test('keeps its own copy of the key', () => {
        const given = key.slice()
        const aead = provider.aead(suite, given)
        given.fill(0)
        expect(aead.open(nonce, aad, sealWith(bytesOf(3)))).toEqual(bytesOf(3))
        const kept = key.slice()
        provider.aead(suite, kept).wipe()
        expect(kept).toEqual(key)
      })
    })
  })
}
