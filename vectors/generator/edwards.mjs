// Ed25519 by its definition (RFC 8032, 5.1), for cases that node:crypto does not make: points with a part of small order, and numbers
// that are not reduced. Affine and slow; shared with no implementation.
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { concat, unhex } from './lib.mjs'

const P = 2n ** 255n - 19n
/** The order of the base point. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n
const mod = (a, m = P) => ((a % m) + m) % m

function power(base, exponent) {
  let result = 1n
  for (let square = mod(base), rest = exponent; rest > 0n; rest >>= 1n, square = mod(square * square)) {
    if (rest & 1n) result = mod(result * square)
  }
  return result
}
const inverse = (a) => power(a, P - 2n)
const D = mod(-121665n * inverse(121666n))

export function add([x1, y1], [x2, y2]) {
  const t = mod(D * x1 * x2 * y1 * y2)
  return [mod((x1 * y2 + x2 * y1) * inverse(1n + t)), mod((y1 * y2 + x1 * x2) * inverse(1n - t))]
}

export const IDENTITY = [0n, 1n]

export function multiply(scalar, point) {
  let result = IDENTITY
  for (let bits = scalar, double = point; bits > 0n; bits >>= 1n, double = add(double, double)) {
    if (bits & 1n) result = add(result, double)
  }
  return result
}

/** An x for this y, the even or the odd one; undefined where the curve has none. */
function xOf(y, odd) {
  const square = mod((y * y - 1n) * inverse(D * y * y + 1n))
  let x = power(square, (P + 3n) / 8n)
  if (mod(x * x) !== square) x = mod(x * power(2n, (P - 1n) / 4n))
  if (mod(x * x) !== square) return undefined
  return (x & 1n) === BigInt(odd) ? x : mod(-x)
}

/** The point with this y; undefined where the curve has none. */
export function pointAt(y, odd = 0) {
  const x = xOf(y, odd)
  return x === undefined ? undefined : [x, y]
}

export const BASE = pointAt(mod(4n * inverse(5n)))

export function littleEndian(value) {
  const bytes = Buffer.alloc(32)
  for (let i = 0, rest = value; i < 32; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
  return bytes
}

export const readNumber = (bytes) => [...bytes].reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)

/** 32 bytes with this y and this sign, whether it is a point or not, and whether y is below P or not. */
export const encodeY = (y, odd) => littleEndian(y | (BigInt(odd) << 255n))

export const encode = ([x, y]) => encodeY(y, Number(x & 1n))

/** A point of order 8: L times a point that is not in the subgroup of the base point. */
export const TORSION = findTorsion()

function findTorsion() {
  for (let y = 2n; ; y++) {
    const point = pointAt(y)
    if (!point) continue
    const small = multiply(L, point)
    if (multiply(4n, small)[0] !== 0n || multiply(4n, small)[1] !== 1n) return small
  }
}

const sha512 = (...parts) =>
  createHash('sha512')
    .update(concat(...parts))
    .digest()

/** The secret scalar of a secret key (RFC 8032, 5.1.5). */
export function scalarOf(secret) {
  const bytes = sha512(secret).subarray(0, 32)
  bytes[0] &= 248
  bytes[31] = (bytes[31] & 127) | 64
  return readNumber(bytes)
}

/** SHA-512(R || A || M) as a number below L. */
export const challenge = (r, publicKey, message) => mod(readNumber(sha512(r, publicKey, message)), L)

/** R || S. */
export const signatureOf = (r, s) => concat(r, littleEndian(s))
export { mod }

// ---- what honest signers do, by node:crypto ----

const keyOf = (secret) =>
  createPrivateKey({
    key: concat(unhex('302e020100300506032b657004220420'), secret),
    format: 'der',
    type: 'pkcs8',
  })

export const publicOf = (secret) => createPublicKey(keyOf(secret)).export({ format: 'der', type: 'spki' }).subarray(-32)

export const ed25519 = (secret, message) => sign(null, message, keyOf(secret))
