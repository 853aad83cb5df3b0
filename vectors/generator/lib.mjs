// The rules of the wire as the most obvious code. Slow on purpose, and shared with no implementation.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
} from 'node:crypto'

export const hex = (bytes) => Buffer.from(bytes).toString('hex')
export const unhex = (text) => Buffer.from(text, 'hex')
export const concat = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)))
export const ascii = (text) => Buffer.from(text, 'latin1')

export function u16(value) {
  return Buffer.from([value & 0xff, value >>> 8])
}

export function u32(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** Stands in for every random input: SHA-256(label, 0) || SHA-256(label, 1) || ... cut to the length. */
export function bytesFrom(label, length) {
  const blocks = []
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${label}/${i}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

/** A copy with one bit of one byte turned; a negative index counts from the end. */
export function flip(bytes, index, bit = 0) {
  const copy = Buffer.from(bytes)
  copy[index < 0 ? copy.length + index : index] ^= 1 << bit
  return copy
}

// ---- frame ----

export const TYPE = {
  HELLO: 0x01,
  CHALLENGE: 0x02,
  HELLO_ACK: 0x03,
  SESSION_OK: 0x04,
  DATA: 0x05,
  PING: 0x06,
  PONG: 0x07,
  BYE: 0x08,
  DATA_FRAG: 0x09,
  HELLO_RETRY: 0x0a,
  REKEY: 0x0b,
  ERROR: 0xff,
}

export const MAX_PAYLOAD = 480
export const MAX_PLAINTEXT = 452
export const MAX_MESSAGE = 4 * MAX_PLAINTEXT

export function crc16(bytes) {
  let crc = 0xffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1
  }
  return crc
}

/** The first ten bytes of the header: what the CRC and the additional data of a sealed frame begin with. */
export function header(version, type, seq, length) {
  return concat([0xcd, 0xab, version, type], u32(seq), u16(length))
}

export function frame(version, type, seq, payload) {
  const head = header(version, type, seq, payload.length)
  return concat(head, u16(crc16(concat(head, payload))), payload)
}

/** Puts the right CRC, and if asked the right length, into a frame that was changed. */
export function mend(bytes, { length = false } = {}) {
  const copy = Buffer.from(bytes)
  if (length) copy.writeUInt16LE(copy.length - 12, 8)
  copy.writeUInt16LE(crc16(concat(copy.subarray(0, 10), copy.subarray(12))), 10)
  return copy
}

// ---- primitives ----

export const hmac = (key, bytes) => createHmac('sha256', key).update(bytes).digest()

export function hkdfExtract(salt, ikm) {
  return hmac(salt.length === 0 ? Buffer.alloc(32) : salt, ikm)
}

function hkdfExpand(prk, info, length) {
  let block = Buffer.alloc(0)
  let output = Buffer.alloc(0)
  for (let i = 1; output.length < length; i++) {
    block = hmac(prk, concat(block, info, [i]))
    output = concat(output, block)
  }
  return output.subarray(0, length)
}

export const hkdf = (ikm, salt, info, length) => hkdfExpand(hkdfExtract(salt, ikm), info, length)

const PKCS8_X25519 = unhex('302e020100300506032b656e04220420')
const SPKI_X25519 = unhex('302a300506032b656e032100')

const privateKey = (raw) => createPrivateKey({ key: concat(PKCS8_X25519, raw), format: 'der', type: 'pkcs8' })
const publicKey = (raw) => createPublicKey({ key: concat(SPKI_X25519, raw), format: 'der', type: 'spki' })

export function x25519Public(raw) {
  return createPublicKey(privateKey(raw)).export({ format: 'der', type: 'spki' }).subarray(-32)
}

/** null where the result would be all zero: OpenSSL refuses then, with a code that differs between its releases. */
export function x25519(ownPrivate, peerPublic) {
  const keys = { privateKey: privateKey(ownPrivate), publicKey: publicKey(peerPublic) }
  try {
    return diffieHellman(keys)
  } catch {
    return null
  }
}

// ---- key schedule and handshake ----

export function keySchedule({ version, shared, nonce, clientPublic, serverPublic }) {
  const info = concat(ascii(version === 2 ? 'usmp-v2' : 'usmp-v1'), clientPublic, serverPublic)
  const prk = hkdfExtract(nonce, shared)
  if (version === 1) {
    const key = hkdfExpand(prk, info, 32)
    return { info, prk, c2s: key, s2c: key }
  }
  const okm = hkdfExpand(prk, info, 64)
  return { info, prk, c2s: okm.subarray(0, 32), s2c: okm.subarray(32, 64) }
}

/** `type` is that of the message that carries the mac, `who` the device id or the session id. */
export function handshakeMac({ version, psk, type, nonce, who, clientPublic, serverPublic }) {
  const prefix = version === 2 ? [0xcd, 0xab, 2, type] : []
  return hmac(psk, concat(prefix, nonce, who, clientPublic, serverPublic))
}

// ---- sealed frames ----

const SUITE_NAME = { 1: 'aes-256-gcm', 2: 'chacha20-poly1305' }

export const sealNonce = (seq, sessionId) => concat(u32(seq), sessionId.subarray(0, 8))

export function aead(suite, key, nonce, aad, plaintext) {
  const cipher = createCipheriv(SUITE_NAME[suite], key, nonce, { authTagLength: 16 })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

/** The whole frame. `nonce` and `aad` are given only where a faulty sealer is played. */
export function seal({ version = 2, suite, key, sessionId, type, seq, plaintext, nonce, aad }) {
  const length = 12 + plaintext.length + 16
  const iv = nonce ?? sealNonce(seq, sessionId)
  const box = aead(suite, key, iv, aad ?? header(version, type, seq, length), plaintext)
  return frame(version, type, seq, concat(iv, box))
}

/** null where the tag is wrong. */
export function open({ suite, key, bytes }) {
  const payload = bytes.subarray(12)
  const decipher = createDecipheriv(SUITE_NAME[suite], key, payload.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(bytes.subarray(0, 10), { plaintextLength: payload.length - 28 })
  decipher.setAuthTag(payload.subarray(-16))
  const plaintext = decipher.update(payload.subarray(12, -16))
  try {
    decipher.final()
  } catch {
    return null
  }
  return plaintext
}

/** New keys by direction, whoever began: tx of the initiator stands first in the input and in the output. */
export function rekey({ initiator, c2s, s2c, sessionId, salt }) {
  const [tx, rx] = initiator === 'client' ? [c2s, s2c] : [s2c, c2s]
  const okm = hkdf(concat(tx, rx), salt, concat(ascii('usmp-rekey'), sessionId), 64)
  const [newTx, newRx] = [okm.subarray(0, 32), okm.subarray(32, 64)]
  return initiator === 'client' ? { c2s: newTx, s2c: newRx } : { c2s: newRx, s2c: newTx }
}

// ---- files ----

/** Numbers the tests of a topic in the order in which they stand. */
export function topic({ topic, source, notes, groups }) {
  let id = 0
  for (const group of groups) group.tests = group.tests.map((test) => ({ id: ++id, ...test }))
  return { topic, format: 1, source, notes, groups }
}

/** `inputs` and `outputs` may hold byte strings at any depth; they are written as hex. */
export function valid(comment, flags, inputs, outputs = {}) {
  return { comment, flags, ...plain(inputs), result: 'valid', ...plain(outputs) }
}

export function invalid(error, comment, flags, inputs, outputs = {}) {
  return { comment, flags, ...plain(inputs), result: 'invalid', error, ...plain(outputs) }
}

export function plain(value) {
  if (value instanceof Uint8Array) return hex(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
  }
  return value
}
