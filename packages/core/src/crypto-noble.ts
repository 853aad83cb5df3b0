import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { pow } from '@noble/curves/abstract/modular.js'
import { montgomery } from '@noble/curves/abstract/montgomery.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { assertBytes, copySecret, wipe } from './bytes.js'
import { CipherSuite, KEY_SIZE, PUBLIC_KEY_SIZE } from './constants.js'
import type { Aead, CryptoProvider, KeyPair } from './crypto.js'
import { assertSuite } from './options.js'

/** The prime of X25519 (RFC 7748). */
const P = 2n ** 255n - 19n

/**
 * X25519 by the ladder alone. noble's own `x25519` makes public keys by tables of the Edwards curve; they are 6 kB of code and
 * a tenth of a second at the first key pair, and pages make one (docs/decisions/0013-x25519-ladder.md).
 */
const x25519 = montgomery({
  P,
  type: 'x25519',
  adjustScalarBytes(scalar: Uint8Array) {
    scalar[0]! &= 0xf8
    scalar[31] = (scalar[31]! & 0x7f) | 0x40
    return scalar
  },
  powPminus2: (x) => pow(x, P - 2n, P),
})

/**
 * The default provider: audited JavaScript, runs anywhere. Its AES uses tables and is not constant-time; prefer
 * ChaCha20-Poly1305 with it where the suite is free.
 */
export const nobleProvider: CryptoProvider = {
  name: 'noble',
  generateKeyPair: (random) => keyPair(random(KEY_SIZE)),
  keyPairFromPrivate(privateKey) {
    assertBytes('privateKey', privateKey, KEY_SIZE)
    return keyPair(copySecret(privateKey))
  },
  hmacSha256: (key, message) => hmac(sha256, key, message),
  hkdfSha256: (ikm, salt, info, length) => hkdf(sha256, ikm, salt, info, length),
  aead,
}

function keyPair(privateKey: Uint8Array): KeyPair {
  return {
    publicKey: x25519.getPublicKey(privateKey),
    agree(peerPublic) {
      assertBytes('peerPublic', peerPublic, PUBLIC_KEY_SIZE)
      try {
        return x25519.getSharedSecret(privateKey, peerPublic)
      } catch {
        // With 32 bytes on both sides noble throws for one reason only, a low-order point: shown as the all-zero result.
        return new Uint8Array(KEY_SIZE)
      }
    },
    wipe: () => wipe(privateKey),
  }
}

const ciphers = {
  [CipherSuite.AES_256_GCM]: gcm,
  [CipherSuite.CHACHA20_POLY1305]: chacha20poly1305,
} satisfies Record<CipherSuite, unknown>

function aead(suite: CipherSuite, key: Uint8Array): Aead {
  assertSuite(suite)
  const cipher = ciphers[suite]
  const ownKey = copySecret(key)
  return {
    seal(nonce, aad, plaintext, out) {
      out.set(cipher(ownKey, nonce, aad).encrypt(plaintext))
    },
    open(nonce, aad, sealed) {
      try {
        return cipher(ownKey, nonce, aad).decrypt(sealed)
      } catch {
        return undefined
      }
    },
    wipe: () => wipe(ownKey),
  }
}
