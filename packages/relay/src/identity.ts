import {
  type CryptoProvider,
  concatBytes,
  equalBytes,
  type KeyPair,
  nobleProvider,
  type RandomSource,
  UsmpError,
  wipe,
} from '@usmp/core'
import { PAIR_KEY_SIZE, type PairKeys, pairKeysFrom } from './pair-keys.js'
import { drawBytes, platformRandom, secretBytes } from './random.js'
import type { Side } from './wire.js'

/** Of the public and the secret key of an identity, bytes. */
export const IDENTITY_KEY_SIZE = 32

const NO_SALT = new Uint8Array(0)
/** What X25519 gives for a point of low order. */
const NO_SECRET = new Uint8Array(IDENTITY_KEY_SIZE)
const PAIR_LABEL = new TextEncoder().encode('usmp-relay pair key v1')
/** The first and the last byte of the prime of X25519, and what all others are (RFC 7748): numbers from it on have a smaller twin. */
const PRIME_LOW = 0xed
const PRIME_HIGH = 0x7f
const PRIME_MIDDLE = 0xff

/**
 * Who a peer is: an X25519 key pair that it makes once and keeps (specification, section 12.2). Two peers that know each other's public
 * key share keys that nobody else can compute. Whoever has the secret key of a peer can be this peer towards all others, and can be any
 * other peer towards it: keep it as the key of a server is kept.
 */
export class Identity {
  /** 32 bytes, no secret: what other peers remember. */
  readonly publicKey: Uint8Array
  readonly #secret = secretBytes(IDENTITY_KEY_SIZE)
  readonly #keyPair: KeyPair
  readonly #provider: CryptoProvider
  #wiped = false

  private constructor(secret: Uint8Array, provider: CryptoProvider) {
    this.#secret.set(secret)
    this.#provider = provider
    this.#keyPair = provider.keyPairFromPrivate(this.#secret)
    this.publicKey = new Uint8Array(this.#keyPair.publicKey)
  }

  /**
   * A new identity.
   * @param random default: that of the platform
   * @param provider default noble
   * @throws UsmpError RANDOM_FAILED
   */
  static generate(random: RandomSource = platformRandom, provider: CryptoProvider = nobleProvider): Identity {
    const secret = drawBytes(random, IDENTITY_KEY_SIZE)
    try {
      return new Identity(secret, provider)
    } finally {
      wipe(secret)
    }
  }

  /**
   * The identity of a secret key that {@link exportSecret} gave.
   * @param secret 32 bytes; copied
   * @param provider default noble
   * @throws UsmpError INVALID_ARGUMENT
   */
  static fromSecret(secret: Uint8Array, provider: CryptoProvider = nobleProvider): Identity {
    if (!(secret instanceof Uint8Array) || secret.length !== IDENTITY_KEY_SIZE) {
      throw new UsmpError('INVALID_ARGUMENT', `the secret key of an identity must be ${IDENTITY_KEY_SIZE} bytes`)
    }
    return new Identity(secret, provider)
  }

  /**
   * The keys that this identity shares with another one. Both of them get the same, but for the side.
   * @param peerPublicKey 32 bytes
   * @throws UsmpError INVALID_ARGUMENT for this identity's own key, one that is not written in its shortest form, and after
   * {@link wipe}; LOW_ORDER_POINT for a key that would make the secret known to all
   */
  pairWith(peerPublicKey: Uint8Array): PairKeys {
    const pairKey = this.pairKey(peerPublicKey)
    try {
      return pairKeysFrom(pairKey, sideTowards(this.publicKey, peerPublicKey), this.#provider)
    } finally {
      wipe(pairKey)
    }
  }

  /**
   * The one secret of which the keys of a pair are derived, 32 bytes: for a device that is set up as one of the two and makes no
   * identity of its own. The caller wipes it.
   * @throws UsmpError as {@link pairWith}
   */
  pairKey(peerPublicKey: Uint8Array): Uint8Array {
    this.#checkUsable()
    assertIdentityKey(peerPublicKey)
    const order = compareBytes(this.publicKey, peerPublicKey)
    if (order === 0) {
      throw new UsmpError('INVALID_ARGUMENT', 'the key of the peer is our own: nobody pairs with itself', {
        hint: 'Is the same identity file used at both ends, or did the relay send our own key back?',
      })
    }
    const keys = order < 0 ? [this.publicKey, peerPublicKey] : [peerPublicKey, this.publicKey]
    const shared = this.#keyPair.agree(peerPublicKey)
    try {
      if (equalBytes(shared, NO_SECRET)) throw new UsmpError('LOW_ORDER_POINT')
      return this.#provider.hkdfSha256(shared, NO_SALT, concatBytes(PAIR_LABEL, ...keys), PAIR_KEY_SIZE)
    } finally {
      wipe(shared)
    }
  }

  /**
   * A copy of the secret key, 32 bytes, to be kept; `sealIdentity` writes it to a text. The caller wipes it.
   * @throws UsmpError INVALID_ARGUMENT after {@link wipe}
   */
  exportSecret(): Uint8Array {
    this.#checkUsable()
    const copy = secretBytes(IDENTITY_KEY_SIZE)
    copy.set(this.#secret)
    return copy
  }

  /** Forgets the secret key, as far as the platform lets it. */
  wipe(): void {
    this.#wiped = true
    this.#keyPair.wipe()
    wipe(this.#secret)
  }

  #checkUsable(): void {
    if (this.#wiped) throw new UsmpError('INVALID_ARGUMENT', 'this identity was wiped')
  }
}

/**
 * Checks the public key of an identity. One key has one form: a second one would be another peer with the same secret.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function assertIdentityKey(key: unknown): asserts key is Uint8Array {
  if (!(key instanceof Uint8Array) || key.length !== IDENTITY_KEY_SIZE) {
    throw new UsmpError('INVALID_ARGUMENT', `the public key of an identity must be ${IDENTITY_KEY_SIZE} bytes`)
  }
  if (!isReduced(key)) {
    throw new UsmpError('INVALID_ARGUMENT', 'the public key of an identity is not in its shortest form')
  }
}

/** The side of a peer: 0 for the smaller key. The keys differ. */
export function sideTowards(own: Uint8Array, peer: Uint8Array): Side {
  return compareBytes(own, peer) < 0 ? 0 : 1
}

/** Below 0, 0, or above 0, as byte strings of equal length are ordered. For public keys only: its time tells where they differ. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, index) => byte !== b[index])
  return at < 0 ? 0 : a[at]! - b[at]!
}

/** Whether the number, little-endian, is below 2^255 − 19. */
function isReduced(key: Uint8Array): boolean {
  const high = key[IDENTITY_KEY_SIZE - 1]!
  if (high !== PRIME_HIGH) return high < PRIME_HIGH
  return key[0]! < PRIME_LOW || !key.subarray(1, -1).every((byte) => byte === PRIME_MIDDLE)
}
