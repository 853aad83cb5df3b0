import type { CipherSuite } from './constants.js'

/** Fills a new array of `length` bytes from a cryptographically secure source. */
export type RandomSource = (length: number) => Uint8Array

/** An ephemeral X25519 key pair (RFC 7748). */
export interface KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /**
   * The 32 bytes of X25519(own private, peer public), all zero for a low-order point: the caller refuses that.
   * The caller wipes the result.
   */
  agree(peerPublic: Uint8Array): Uint8Array
  /** Forgets the private key, as far as the platform lets it. */
  wipe(): void
}

/** One key of one cipher suite. Nonces are the caller's: the same one must never seal twice. */
export interface Aead {
  /** Writes ciphertext and tag (plaintext + 16 bytes) into `out`, which has exactly that size. */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void
  /** The plaintext of ciphertext and tag, or undefined if the tag does not match or is not there. Never throws. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
  /** Forgets the key, as far as the platform lets it. */
  wipe(): void
}

/**
 * The cryptography that USMP needs, synchronous so that the protocol's state machines stay plain functions.
 * Every provider passes the same tests (`vectors/`).
 */
export interface CryptoProvider {
  readonly name: string
  /** A fresh pair. A provider may use the platform's own key generation instead of `random`. */
  generateKeyPair(random: RandomSource): KeyPair
  /** The pair of a given private key of 32 bytes, for tests and vectors. */
  keyPairFromPrivate(privateKey: Uint8Array): KeyPair
  /** HMAC-SHA256 (RFC 2104), 32 bytes. */
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
  /** HKDF-SHA256 (RFC 5869), `length` bytes. */
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array
  /**
   * A key of 32 bytes, ready for many calls. The provider makes its own copy.
   * @throws for a suite that it does not know: no other one may stand in for it
   */
  aead(suite: CipherSuite, key: Uint8Array): Aead
}
