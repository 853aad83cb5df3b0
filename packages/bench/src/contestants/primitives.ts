import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'

// The cryptography that a handshake and a message cannot do without, called directly and not through our providers, so
// that what the providers cost is seen as well. No frame, no state, no check is in it.

export type Library = 'node:crypto' | 'noble'
export type Suite = 'AES-256-GCM' | 'ChaCha20-Poly1305'

export const libraries: readonly Library[] = ['node:crypto', 'noble']
export const suites: readonly Suite[] = ['AES-256-GCM', 'ChaCha20-Poly1305']

/** As long as what a handshake authenticates: prefix, nonce, device id or session id, both public keys. */
const CLIENT_TRANSCRIPT = randomBytes(4 + 32 + 6 + 64)
const SERVER_TRANSCRIPT = randomBytes(4 + 32 + 16 + 64)
const INFO = randomBytes(7 + 64)
const NONCE = randomBytes(32)
const KEY = randomBytes(32)
const [ONE, TWO] = [Uint8Array.of(1), Uint8Array.of(2)]

/** The cryptography of both ends: two key pairs, two agreements, four HMACs, two HKDFs, 48 random bytes. */
export const handshakePrimitives: Record<Library, () => void> = {
  'node:crypto'() {
    const client = nodeKeyPair()
    const server = nodeKeyPair()
    randomBytes(32)
    const shared = [nodeAgree(client.privateKey, server.x), nodeAgree(server.privateKey, client.x)]
    for (const secret of shared) nodeHkdf(secret)
    randomBytes(16)
    for (const transcript of [CLIENT_TRANSCRIPT, CLIENT_TRANSCRIPT, SERVER_TRANSCRIPT, SERVER_TRANSCRIPT]) {
      createHmac('sha256', KEY).update(transcript).digest()
    }
  },
  noble() {
    const [a, b] = [randomBytes(32), randomBytes(32)]
    const [publicA, publicB] = [x25519.getPublicKey(a), x25519.getPublicKey(b)]
    randomBytes(32)
    const shared = [x25519.getSharedSecret(a, publicB), x25519.getSharedSecret(b, publicA)]
    for (const secret of shared) hkdf(sha256, secret, NONCE, INFO, 64)
    randomBytes(16)
    for (const transcript of [CLIENT_TRANSCRIPT, CLIENT_TRANSCRIPT, SERVER_TRANSCRIPT, SERVER_TRANSCRIPT]) {
      hmac(sha256, KEY, transcript)
    }
  },
}

/** 64 bytes by three HMACs, which is faster than `hkdfSync`. */
function nodeHkdf(secret: Uint8Array): void {
  const key = createHmac('sha256', NONCE).update(secret).digest()
  const first = createHmac('sha256', key).update(INFO).update(ONE).digest()
  createHmac('sha256', key).update(first).update(INFO).update(TWO).digest()
}

interface NodeKeyPair {
  readonly privateKey: KeyObject
  /** The raw public key in base64url. */
  readonly x: string
}

function nodeKeyPair(): NodeKeyPair {
  // The types of Node know no JWK here.
  const pair = generateKeyPairSync('x25519', { publicKeyEncoding: { format: 'jwk' } } as never) as unknown
  const { privateKey, publicKey } = pair as { privateKey: KeyObject; publicKey: { x: string } }
  return { privateKey, x: publicKey.x }
}

function nodeAgree(privateKey: KeyObject, x: string): Buffer {
  return diffieHellman({
    privateKey,
    publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' }),
  })
}

/** Seals one message and opens it again, each time under another nonce, with the 10 bytes of a header as AAD. */
export function sealAndOpen(library: Library, suite: Suite, message: Uint8Array): () => void {
  const nonce = randomBytes(12)
  const aad = randomBytes(10)
  let count = 0
  const work = library === 'noble' ? nobleCipher(suite, nonce, aad) : nodeCipher(suite, nonce, aad)
  return () => {
    nonce.writeUInt32LE(count++, 0)
    work(message)
  }
}

function nodeCipher(suite: Suite, nonce: Uint8Array, aad: Uint8Array): (message: Uint8Array) => void {
  const algorithm = suite.toLowerCase() as 'aes-256-gcm'
  const key = createSecretKey(KEY)
  const options = { authTagLength: 16 }
  return (message) => {
    const cipher = createCipheriv(algorithm, key, nonce, options)
    cipher.setAAD(aad)
    const sealed = cipher.update(message)
    cipher.final()
    const decipher = createDecipheriv(algorithm, key, nonce, options)
    decipher.setAAD(aad)
    decipher.setAuthTag(cipher.getAuthTag())
    decipher.update(sealed)
    decipher.final()
  }
}

function nobleCipher(suite: Suite, nonce: Uint8Array, aad: Uint8Array): (message: Uint8Array) => void {
  const cipher = suite === 'AES-256-GCM' ? gcm : chacha20poly1305
  return (message) => {
    cipher(KEY, nonce, aad).decrypt(cipher(KEY, nonce, aad).encrypt(message))
  }
}
