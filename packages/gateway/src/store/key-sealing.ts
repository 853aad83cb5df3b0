import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { storeFailed } from './failure.js'

/** Seals the keys of devices for the store, so that a copy of the database alone gives none away. */
export interface KeySealing {
  /** @returns text for a record, bound to the device id; two calls give two texts */
  seal(deviceId: string, psk: Uint8Array): string
  /**
   * @returns a copy of the key, which the caller wipes
   * @throws GatewayError STORE_FAILED if it was sealed by another key file, for another device, or was changed
   */
  open(deviceId: string, sealed: string): Uint8Array
}

const VERSION = 'v1.'
const NONCE = 12
const TAG = 16
const CONTEXT = 'usmp-gateway-sealed-key-v1\0'
const CHECK_CONTEXT = 'usmp-gateway-key-file-check-v1\0'

/**
 * AES-256-GCM with a random nonce; the additional data are a context and the device id, so a sealed key cannot be moved to
 * another device. The text is `v1.` and base64url of nonce, ciphertext and tag.
 */
export class FileKeySealing implements KeySealing {
  readonly #key: Uint8Array

  /** @param key 32 bytes; kept, and wiped by `wipe` */
  constructor(key: Uint8Array) {
    this.#key = key
  }

  seal(deviceId: string, psk: Uint8Array): string {
    return this.#seal(CONTEXT + deviceId, psk)
  }

  open(deviceId: string, sealed: string): Uint8Array {
    const psk = this.#open(CONTEXT + deviceId, sealed)
    if (psk) return psk
    throw storeFailed(
      `the stored key of ${deviceId} cannot be opened`,
      'It was sealed by another key file or for another device, or was changed. Enter the key of the device again.',
    )
  }

  /** Empty text, sealed: what tells at the next start whether the key file is the same. */
  makeCheck(): string {
    return this.#seal(CHECK_CONTEXT, new Uint8Array())
  }

  fits(check: string): boolean {
    return this.#open(CHECK_CONTEXT, check) !== undefined
  }

  wipe(): void {
    this.#key.fill(0)
  }

  #seal(context: string, plaintext: Uint8Array): string {
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(context))
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
    return VERSION + Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString('base64url')
  }

  #open(context: string, sealed: string): Uint8Array | undefined {
    if (!sealed.startsWith(VERSION)) return undefined
    const bytes = Buffer.from(sealed.slice(VERSION.length), 'base64url')
    if (bytes.length < NONCE + TAG) return undefined
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE), { authTagLength: TAG })
    decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG))
    const first = decipher.update(bytes.subarray(NONCE, -TAG))
    try {
      decipher.final()
      return new Uint8Array(first)
    } catch {
      return undefined
    } finally {
      // What an unauthentic text decrypts to must not stay, and neither must a second copy of a key.
      first.fill(0)
    }
  }
}
