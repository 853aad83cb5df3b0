import { UsmpError } from './errors.js'

/** An empty byte string, shared. */
export const EMPTY = new Uint8Array(0)

/** The parts one behind the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/**
 * A copy of `bytes[start..end)`, always a plain Uint8Array. `slice` would not do: that of Node's Buffer is a view, and
 * wiping it would wipe the caller's own bytes.
 */
export function copyBytes(bytes: Uint8Array, start = 0, end: number = bytes.length): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end))
}

/**
 * An array for a secret of `length` bytes, all zero. It has memory of its own: V8 keeps small arrays (up to 64 bytes) in its
 * heap, moves them, and leaves copies behind that {@link wipe} does not reach.
 */
export function secretBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length))
}

/** A copy of secret `bytes[start..end)` in memory of its own, see {@link secretBytes}. */
export function copySecret(bytes: Uint8Array, start = 0, end: number = bytes.length): Uint8Array {
  const copy = secretBytes(end - start)
  copy.set(bytes.subarray(start, end))
  return copy
}

/** Whether two byte strings of equal length are equal, in a time that does not depend on their contents. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

/** Whether every byte is zero, in a time that does not depend on the contents. */
export function isZero(bytes: Uint8Array): boolean {
  let bits = 0
  for (const byte of bytes) bits |= byte
  return bits === 0
}

/** Overwrites secrets with zeros. JavaScript may hold copies that nothing can reach; see docs/threat-model.md. */
export function wipe(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0)
}

export function writeUint16(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value
  out[offset + 1] = value >>> 8
}

export function writeUint32(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value
  out[offset + 1] = value >>> 8
  out[offset + 2] = value >>> 16
  out[offset + 3] = value >>> 24
}

export function readUint16(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8)
}

export function readUint32(bytes: Uint8Array, offset: number): number {
  return (readUint16(bytes, offset) | (readUint16(bytes, offset + 2) << 16)) >>> 0
}

/** Lower-case hex, with `separator` between the bytes. */
export function toHex(bytes: Uint8Array, separator = ''): string {
  // Joined, and not added up: a sum of texts stays in memory as all its parts.
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(separator)
}

/**
 * The bytes of a hex string; white space and colons between bytes are ignored.
 * @throws UsmpError INVALID_ARGUMENT for anything else
 */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/[\s:]/g, '')
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) {
    throw new UsmpError('INVALID_ARGUMENT', 'expected pairs of hexadecimal digits')
  }
  const out = new Uint8Array(digits.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  return out
}

/**
 * Checks that an argument is a Uint8Array, of one of `sizes` bytes where sizes are given.
 * @throws UsmpError INVALID_ARGUMENT naming the argument
 */
export function assertBytes(name: string, value: unknown, ...sizes: readonly number[]): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw new UsmpError('INVALID_ARGUMENT', `${name} must be a Uint8Array`)
  if (sizes.length > 0 && !sizes.includes(value.length)) {
    throw new UsmpError('INVALID_ARGUMENT', `${name} must be ${sizes.join(' or ')} bytes, not ${value.length}`)
  }
}

/**
 * Checks that an argument is an integer from `min` to `max`.
 * @throws UsmpError INVALID_ARGUMENT naming the argument
 */
export function assertInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new UsmpError('INVALID_ARGUMENT', `${name} must be an integer from ${min} to ${max}, not ${value}`)
  }
}
