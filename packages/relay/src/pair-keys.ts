import { assertPsk, type CryptoProvider, concatBytes, nobleProvider, UsmpError, wipe } from '@usmp/core'
import { secretBytes } from './random.js'
import { ROUTE_SIZE, type Side } from './wire.js'

/** Of a pair key and of the key of a pair's sessions, bytes. */
export const PAIR_KEY_SIZE = 32
const DEVICE_ID_SIZE = 6
/** A day of the calendar in UTC. */
const DAY = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/

const utf8 = new TextEncoder()
const NO_SALT = new Uint8Array(0)
const ROUTE_LABEL = utf8.encode('usmp-relay route v1')
const PSK_LABEL = utf8.encode('usmp-relay session psk v1')
const DEVICE_LABEL = utf8.encode('usmp-relay device v1')

/**
 * What two peers that know each other share (specification, section 12.3). `Identity.pairWith` makes it of two identities, and
 * {@link pairKeysFrom} of a key that was given to a device.
 */
export interface PairKeys {
  /** 0 for the peer with the smaller identity key, which is the USMP server; 1 for the other one. */
  readonly side: Side
  /** The key of their USMP sessions, 32 bytes. A secret; zeros after {@link wipe}. */
  readonly psk: Uint8Array
  /**
   * Where they meet on a day: 16 bytes that nobody else can compute. Another one each day, so that the relay cannot link them.
   * @param day in UTC, like `2026-11-30`
   * @throws UsmpError INVALID_ARGUMENT for anything else, and after {@link wipe}
   */
  route(day: string): Uint8Array
  /**
   * The device id of their sessions on a day: 6 bytes in the form of a local unicast address. The relay reads it, so it tells nothing.
   * @param day in UTC, like `2026-11-30`
   * @throws UsmpError INVALID_ARGUMENT for anything else, and after {@link wipe}
   */
  deviceId(day: string): Uint8Array
  /** Forgets the keys, as far as JavaScript can. */
  wipe(): void
}

/**
 * The keys of a pair, from the pair key itself: for devices that got it when they were set up, and make no identity of their own.
 * @param pairKey 32 random or derived bytes, the same at both peers, of no other pair; copied
 * @param side 0 at one of them, 1 at the other
 * @param provider default noble
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export function pairKeysFrom(pairKey: Uint8Array, side: Side, provider: CryptoProvider = nobleProvider): PairKeys {
  assertPsk(pairKey)
  if (pairKey.length !== PAIR_KEY_SIZE) {
    throw new UsmpError('INVALID_ARGUMENT', `a pair key has ${PAIR_KEY_SIZE} bytes, not ${pairKey.length}`)
  }
  if (side !== 0 && side !== 1) throw new UsmpError('INVALID_ARGUMENT', 'the side of a peer is 0 or 1')
  return new DerivedPairKeys(pairKey, side, provider)
}

/** Keeps the pair key, and derives what is asked for: a day's route and device id are needed once a day. */
class DerivedPairKeys implements PairKeys {
  readonly side: Side
  readonly #psk: Uint8Array
  readonly #pairKey = secretBytes(PAIR_KEY_SIZE)
  readonly #provider: CryptoProvider
  #wiped = false

  constructor(pairKey: Uint8Array, side: Side, provider: CryptoProvider) {
    this.side = side
    this.#pairKey.set(pairKey)
    this.#provider = provider
    this.#psk = this.#derive(PSK_LABEL, PAIR_KEY_SIZE)
  }

  /** Not a field: who prints or serializes the object must not print the key. */
  get psk(): Uint8Array {
    return this.#psk
  }

  route(day: string): Uint8Array {
    return this.#derive(labelOfDay(ROUTE_LABEL, day), ROUTE_SIZE)
  }

  deviceId(day: string): Uint8Array {
    const id = this.#derive(labelOfDay(DEVICE_LABEL, day), DEVICE_ID_SIZE)
    // As in an address of IEEE 802: assigned locally, of one station.
    id[0] = (id[0]! & 0xfc) | 0x02
    return id
  }

  wipe(): void {
    this.#wiped = true
    wipe(this.#pairKey, this.#psk)
  }

  #derive(info: Uint8Array, length: number): Uint8Array {
    // Zeros would derive keys that everybody knows.
    if (this.#wiped) throw new UsmpError('INVALID_ARGUMENT', 'these keys of a pair were wiped')
    const derived = this.#provider.hkdfSha256(this.#pairKey, NO_SALT, info, length)
    const copy = secretBytes(length)
    copy.set(derived)
    wipe(derived)
    return copy
  }
}

function labelOfDay(label: Uint8Array, day: string): Uint8Array {
  if (typeof day !== 'string' || !DAY.test(day)) {
    throw new UsmpError('INVALID_ARGUMENT', 'a day must be a text like 2026-11-30, in UTC')
  }
  return concatBytes(label, utf8.encode(day))
}
