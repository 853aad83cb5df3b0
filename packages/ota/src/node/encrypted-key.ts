// A secret key under a passphrase: PKCS#8 EncryptedPrivateKeyInfo with PBES2 (RFC 8018), scrypt (RFC 7914, section 7) and AES-256-CBC.
// OpenSSL, and Node with it, read this form; by default they write PBKDF2 with 2048 rounds, which is why it is written here.
import { createCipheriv, randomBytes, scrypt } from 'node:crypto'

/**
 * 16 MiB of memory, and about 80 ms. OpenSSL opens no file that needs 32 MiB or more, and five passes are what OWASP recommends for
 * 16 MiB.
 */
const COST = { N: 2 ** 14, r: 8, p: 5 } as const
const MAX_MEMORY = 32 * 1024 * 1024
const SALT_SIZE = 16
const IV_SIZE = 16
const KEY_SIZE = 32

const Oid = {
  PBES2: '2a864886f70d01050d',
  SCRYPT: '2b06010401da47040b',
  AES_256_CBC: '60864801650304012a',
} as const

/**
 * Seals the DER of a PrivateKeyInfo.
 * @param passphrase not empty
 * @returns the DER of an EncryptedPrivateKeyInfo
 */
export async function encryptPrivateKey(privateKey: Uint8Array, passphrase: string): Promise<Buffer> {
  const salt = randomBytes(SALT_SIZE)
  const iv = randomBytes(IV_SIZE)
  const key = await deriveKey(passphrase, salt)
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const sealed = Buffer.concat([cipher.update(privateKey), cipher.final()])
  key.fill(0)
  const costs = sequence(octets(salt), integer(COST.N), integer(COST.r), integer(COST.p), integer(KEY_SIZE))
  const kdf = sequence(oid(Oid.SCRYPT), costs)
  const encryption = sequence(oid(Oid.AES_256_CBC), octets(iv))
  return sequence(sequence(oid(Oid.PBES2), sequence(kdf, encryption)), octets(sealed))
}

function deriveKey(passphrase: string, salt: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, KEY_SIZE, { ...COST, maxmem: MAX_MEMORY }, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}

// ---- DER, as much as is needed: lengths up to 65,535, numbers up to 65,535 ----

function element(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...size), content])
}

const sequence = (...parts: readonly Uint8Array[]) => element(0x30, Buffer.concat(parts))
const octets = (bytes: Uint8Array) => element(0x04, bytes)
const oid = (hex: string) => element(0x06, Buffer.from(hex, 'hex'))

/** Without leading zeros, and never negative. */
function integer(value: number): Buffer {
  const bytes = value < 0x80 ? [value] : value < 0x8000 ? [value >> 8, value & 0xff] : [0, value >> 8, value & 0xff]
  return element(0x02, Uint8Array.from(bytes[0] === 0 && bytes[1]! < 0x80 ? bytes.slice(1) : bytes))
}
