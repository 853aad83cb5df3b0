import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomFillSync,
} from 'node:crypto'
import { type Aead, CipherSuite, type CryptoProvider, type KeyPair, type RandomSource, wipe } from '@usmp/core'
import { KEY_SIZE, TAG_SIZE } from '@usmp/core/constants'
import { assertSuite } from '@usmp/core/options'
import { sodiumAead } from './crypto-sodium.js'

export { prepareSuite } from './crypto-sodium.js'

const TAG_OPTION = { authTagLength: TAG_SIZE }
const HASH_SIZE = 32
/** PKCS #8 of an X25519 private key, up to the key itself (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')

/**
 * An array for a secret, outside of V8's heap: there small arrays are moved, and leave copies behind that nobody wipes. A
 * Buffer of OpenSSL's results has such memory already.
 */
const secretBytes = (length: number) => new Uint8Array(new ArrayBuffer(length))

/** Random bytes of the operating system. */
export const nodeRandom: RandomSource = (length) => randomFillSync(secretBytes(length))

/**
 * The provider on node:crypto (OpenSSL): an order of magnitude faster than noble in the handshake. Key pairs come from
 * OpenSSL's own generator. Private keys live in memory that JavaScript cannot overwrite; `wipe` lets go of them.
 * ChaCha20-Poly1305 is that of libsodium once {@link prepareSuite} has loaded it, as `connect` and `listen` do.
 */
export const nodeProvider: CryptoProvider = {
  name: 'node',
  generateKeyPair() {
    // With publicKeyEncoding: exporting the key afterwards freezes Node 20 after some thousand calls.
    const { publicKey, privateKey } = generateKeyPairSync('x25519', { publicKeyEncoding: { format: 'jwk' } } as never)
    return keyPair(privateKey as unknown as KeyObject, (publicKey as unknown as JsonWebKey).x!)
  },
  keyPairFromPrivate(privateKey) {
    const der = Buffer.concat([PKCS8_PREFIX, privateKey])
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    wipe(der)
    return keyPair(key, createPublicKey(key).export({ format: 'jwk' }).x!)
  },
  hmacSha256: hmac,
  hkdfSha256: hkdf,
  aead: (suite, key) => (suite === CipherSuite.CHACHA20_POLY1305 && sodiumAead(key)) || new OpensslAead(suite, key),
}

function hmac(key: Uint8Array, ...message: readonly Uint8Array[]): Uint8Array {
  const hash = createHmac('sha256', key)
  for (const part of message) hash.update(part)
  return hash.digest()
}

/** RFC 5869. Node's `hkdfSync` does the same in more than twice the time. */
function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const secret = hmac(salt, ikm)
  const out = secretBytes(Math.ceil(length / HASH_SIZE) * HASH_SIZE)
  for (let at = 0; at < length; at += HASH_SIZE) {
    const previous = out.subarray(Math.max(0, at - HASH_SIZE), at)
    const block = hmac(secret, previous, info, Uint8Array.of(at / HASH_SIZE + 1))
    out.set(block, at)
    wipe(block)
  }
  wipe(secret)
  return out.subarray(0, length)
}

interface JsonWebKey {
  readonly x?: string
}

function keyPair(initialKey: KeyObject, x: string): KeyPair {
  let privateKey: KeyObject | undefined = initialKey
  return {
    publicKey: new Uint8Array(Buffer.from(x, 'base64url')),
    agree(peerPublic) {
      if (!privateKey) throw new Error('the key pair was wiped')
      // As JWK: ten times faster than DER.
      const jwk = { kty: 'OKP', crv: 'X25519', x: Buffer.from(peerPublic).toString('base64url') }
      const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
      try {
        const { buffer, byteOffset, length } = diffieHellman({ privateKey, publicKey })
        return new Uint8Array(buffer, byteOffset, length)
      } catch {
        // With two valid keys OpenSSL refuses for one reason only, an all-zero result.
        return new Uint8Array(KEY_SIZE)
      }
    },
    wipe() {
      privateKey = undefined
    },
  }
}

const algorithms = {
  [CipherSuite.AES_256_GCM]: 'aes-256-gcm',
  [CipherSuite.CHACHA20_POLY1305]: 'chacha20-poly1305',
} satisfies Record<CipherSuite, string>

class OpensslAead implements Aead {
  readonly #algorithm: CipherGCMTypes
  /** Bytes and no KeyObject: that is slower to use, larger, and cannot be overwritten. */
  #key: Uint8Array | undefined

  constructor(suite: CipherSuite, key: Uint8Array) {
    assertSuite(suite)
    // The types of Node know ChaCha20-Poly1305 by other functions only.
    this.#algorithm = algorithms[suite] as CipherGCMTypes
    this.#key = secretBytes(key.length)
    this.#key.set(key)
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    const cipher = createCipheriv(this.#algorithm, this.#secret, nonce, TAG_OPTION)
    cipher.setAAD(aad)
    out.set(cipher.update(plaintext))
    cipher.final()
    out.set(cipher.getAuthTag(), plaintext.length)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < TAG_SIZE) return undefined
    const decipher = createDecipheriv(this.#algorithm, this.#secret, nonce, TAG_OPTION)
    const tagAt = sealed.length - TAG_SIZE
    decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(tagAt))
    const plaintext = decipher.update(sealed.subarray(0, tagAt))
    try {
      decipher.final()
    } catch {
      plaintext.fill(0)
      return undefined
    }
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length)
  }

  wipe(): void {
    this.#key?.fill(0)
    this.#key = undefined
  }

  get #secret(): Uint8Array {
    if (!this.#key) throw new Error('the key was wiped')
    return this.#key
  }
}
