// CPace over ristretto255 with SHA-512, for an initiator and a responder: draft-irtf-cfrg-cpace, sections 5 and 6.3. Two ends that know
// the same password get the same key; each run tells an attacker whether one guess was right, and nothing else. Its users must confirm
// the key, and give no second run to a password that people remember. It is a draft: what we send names its version (pairing-messages).
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { concatBytes, type RandomSource, UsmpError, wipe } from '@usmp/core'
import { drawBytes } from './random.js'

/** A share on the wire: an encoded element of the group (RFC 9496), bytes. */
export const CPACE_SHARE_SIZE = 32

type Element = InstanceType<typeof ristretto255.Point>

const DOMAIN = new TextEncoder().encode('CPaceRistretto255')
const KEY_DOMAIN = new TextEncoder().encode('CPaceRistretto255_ISK')
/** Of SHA-512, bytes. */
const BLOCK_SIZE = 128
/** A scalar is a number of 252 bits, all of which are below the order of the group. */
const SCALAR_SIZE = 32
const TOP_BITS = 0x0f
const NOT_IN_GROUP = 'its share is not an element of the group'

/** What both ends know before. */
export interface CpaceInput {
  /** The secret of low entropy. */
  readonly password: Uint8Array
  /** Which use of CPace this is, and between whom. */
  readonly channel: Uint8Array
  /** Of this one run, public. */
  readonly sessionId: Uint8Array
}

/** What one end has sent. */
export interface CpaceMessage {
  readonly share: Uint8Array
  /** What is not secret, and must be the same at both ends. */
  readonly data: Uint8Array
}

/** The element that both ends multiply, which tells nothing about the password. */
export function cpaceGenerator({ password, channel, sessionId }: CpaceInput): Element {
  // The password fills the first block of the hash, so that its length does not show in the time.
  const padding = Math.max(0, BLOCK_SIZE - 1 - withLengths(password).length - withLengths(DOMAIN).length)
  const text = withLengths(DOMAIN, password, new Uint8Array(padding), channel, sessionId)
  const hash = sha512(text)
  const generator = ristretto255_hasher.deriveToCurve!(hash)
  wipe(text, hash)
  return generator
}

/**
 * A secret number for one run. JavaScript cannot wipe it: it goes when nothing holds it any more.
 * @throws UsmpError RANDOM_FAILED
 */
export function cpaceScalar(random: RandomSource): bigint {
  const bytes = drawBytes(random, SCALAR_SIZE)
  bytes[SCALAR_SIZE - 1]! &= TOP_BITS
  const scalar = bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n)
  wipe(bytes)
  if (scalar === 0n) throw new UsmpError('RANDOM_FAILED', 'it gave nothing but zeros')
  return scalar
}

/** What an end sends, {@link CPACE_SHARE_SIZE} bytes. */
export function cpaceShare(generator: Element, scalar: bigint): Uint8Array {
  return generator.multiply(scalar).toBytes()
}

/**
 * The key of a run, 64 bytes: the same at both ends if password, channel, session id and messages are. To be hashed before it is used.
 * @param scalar own secret number
 * @param peerShare what the other end sent, whatever it is
 * @throws UsmpError LOW_ORDER_POINT if that is no share
 */
export function cpaceKey(
  sessionId: Uint8Array,
  scalar: bigint,
  peerShare: Uint8Array,
  initiator: CpaceMessage,
  responder: CpaceMessage,
): Uint8Array {
  const product = cpaceProduct(scalar, peerShare)
  const text = concatBytes(
    withLengths(KEY_DOMAIN, sessionId, product),
    withLengths(initiator.share, initiator.data),
    withLengths(responder.share, responder.data),
  )
  const key = sha512(text)
  wipe(product, text)
  return key
}

/**
 * The multiplication of a share that came from outside.
 * @throws UsmpError LOW_ORDER_POINT for what is no element of the group, and for the neutral one
 */
export function cpaceProduct(scalar: bigint, share: Uint8Array): Uint8Array {
  const element = decodeShare(share)
  if (element.is0()) throw new UsmpError('LOW_ORDER_POINT', NOT_IN_GROUP)
  return element.multiply(scalar).toBytes()
}

function decodeShare(share: Uint8Array): Element {
  try {
    return ristretto255.Point.fromBytes(share)
  } catch (cause) {
    throw new UsmpError('LOW_ORDER_POINT', NOT_IN_GROUP, { cause })
  }
}

/** Each part behind its length, so that no two lists of parts look the same. */
function withLengths(...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...parts.flatMap((part) => [lengthOf(part), part]))
}

/** LEB128. */
function lengthOf({ length }: Uint8Array): Uint8Array {
  const digits = []
  for (let rest = length; rest > 0 || digits.length === 0; rest >>>= 7)
    digits.push(rest > 127 ? (rest & 127) | 128 : rest)
  return Uint8Array.from(digits)
}
