import { describe, expect, test } from 'vitest'
import { CipherSuite } from '../src/constants.ts'
import type { CryptoProvider } from '../src/crypto.ts'
import { bytesOf, concatBytes, flipBit, fromHex, text, toHex } from './helpers.ts'

const repeated = (byte: number, length: number) => new Uint8Array(length).fill(byte)
const counting = (first: number, length: number) => Uint8Array.from({ length }, (_, i) => first + i)

/** The provider interface against values printed in standards, and against its own promises. */
export function describePrimitives(provider: CryptoProvider): void {
  describe('X25519', () => {
    test('agrees as in RFC 7748, section 6.1', () => {
      const alice = provider.keyPairFromPrivate(
        fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'),
      )
      const bob = provider.keyPairFromPrivate(
        fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
      )
      expect(toHex(alice.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
      expect(toHex(bob.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
      const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
      expect(toHex(alice.agree(bob.publicKey))).toBe(shared)
      expect(toHex(bob.agree(alice.publicKey))).toBe(shared)
    })

    test('multiplies as in RFC 7748, section 5.2, high bit of the coordinate set', () => {
      const pair = provider.keyPairFromPrivate(
        fromHex('4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d'),
      )
      const shared = pair.agree(fromHex('e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493'))
      expect(toHex(shared)).toBe('95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957')
    })

    test.each([
      ['zero', '00'.repeat(32)],
      ['one', `01${'00'.repeat(31)}`],
      ['order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
      ['order 8, the other', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
      ['p - 1', `ec${'ff'.repeat(30)}7f`],
      ['p', `ed${'ff'.repeat(30)}7f`],
      ['p + 1', `ee${'ff'.repeat(30)}7f`],
      ['one, high bit set', `01${'00'.repeat(30)}80`],
    ])('gives zeros for the low-order point %s', (_, point) => {
      const pair = provider.keyPairFromPrivate(bytesOf(32, 3))
      expect(toHex(pair.agree(fromHex(point)))).toBe('00'.repeat(32))
    })

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

  describe('HMAC-SHA256', () => {
    test.each([
      [1, repeated(0x0b, 20), text('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
      [
        2,
        text('Jefe'),
        text('what do ya want for nothing?'),
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      ],
      [
        6,
        repeated(0xaa, 131),
        text('Test Using Larger Than Block-Size Key - Hash Key First'),
        '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
      ],
    ])('test case %i of RFC 4231', (_, key, message, mac) => {
      expect(toHex(provider.hmacSha256(key, message))).toBe(mac)
    })
  })

  describe('HKDF-SHA256', () => {
    test.each([
      [
        1,
        repeated(0x0b, 22),
        counting(0, 13),
        counting(0xf0, 10),
        42,
        '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
      ],
      [
        2,
        counting(0, 80),
        counting(0x60, 80),
        counting(0xb0, 80),
        82,
        'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
      ],
      [
        3,
        repeated(0x0b, 22),
        new Uint8Array(0),
        new Uint8Array(0),
        42,
        '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
      ],
    ])('test case %i of RFC 5869', (_, ikm, salt, info, length, okm) => {
      expect(toHex(provider.hkdfSha256(ikm, salt, info, length))).toBe(okm)
    })
  })

  const published = [
    {
      name: 'AES-256-GCM, test case 13 of the GCM submission to NIST: nothing inside',
      suite: CipherSuite.AES_256_GCM,
      key: '00'.repeat(32),
      nonce: '00'.repeat(12),
      aad: '',
      plaintext: '',
      sealed: '530f8afbc74536b9a963b4f1c4cb738b',
    },
    {
      name: 'AES-256-GCM, test case 14',
      suite: CipherSuite.AES_256_GCM,
      key: '00'.repeat(32),
      nonce: '00'.repeat(12),
      aad: '',
      plaintext: '00'.repeat(16),
      sealed: 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    },
    {
      name: 'AES-256-GCM, test case 16: additional data, 60 bytes',
      suite: CipherSuite.AES_256_GCM,
      key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
      nonce: 'cafebabefacedbaddecaf888',
      aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      plaintext:
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      sealed:
        '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    },
    {
      name: 'ChaCha20-Poly1305, RFC 8439, section 2.8.2',
      suite: CipherSuite.CHACHA20_POLY1305,
      key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
      nonce: '070000004041424344454647',
      aad: '50515253c0c1c2c3c4c5c6c7',
      plaintext: toHex(
        text(
          "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
        ),
      ),
      sealed:
        'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
    },
  ]
  describe('AEAD', () => {
    test.each(published)('$name', ({ suite, key, nonce, aad, plaintext, sealed }) => {
      const aead = provider.aead(suite, fromHex(key))
      const out = new Uint8Array(sealed.length / 2)
      aead.seal(fromHex(nonce), fromHex(aad), fromHex(plaintext), out)
      expect(toHex(out)).toBe(sealed)
      const opened = aead.open(fromHex(nonce), fromHex(aad), out)
      expect(opened && toHex(opened)).toBe(plaintext)
    })

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
