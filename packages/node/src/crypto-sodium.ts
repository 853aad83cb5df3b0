/// <reference path="./libsodium.d.ts" />
import { type Aead, CipherSuite } from '@usmp/core'
import { KEY_SIZE, TAG_SIZE } from '@usmp/core/constants'

/**
 * What is used of the WebAssembly module of libsodium, which comes without types. Pointers are places in its memory; a
 * length of 64 bits is two numbers, the low one first.
 */
interface Sodium {
  /** The memory; another view of it after it has grown. */
  readonly HEAPU8: Uint8Array
  _malloc(size: number): number
  /** (out, 0, plaintext, length, 0, aad, aadLength, 0, 0, nonce, key): writes ciphertext and tag. */
  _crypto_aead_chacha20poly1305_ietf_encrypt(...inputs: readonly number[]): number
  /** (out, 0, 0, sealed, length, 0, aad, aadLength, 0, nonce, key): 0 if the tag is good; writes the plaintext. */
  _crypto_aead_chacha20poly1305_ietf_decrypt(...inputs: readonly number[]): number
}

/** The longest message, sealed. A frame has 468 bytes at most. */
const MAX_SEALED = 2048
const MAX_AAD = 48

/** Where the inputs of a call lie, from the start of the one place that all calls use in turn. */
const NONCE_AT = KEY_SIZE
const AAD_AT = 48
const DATA_AT = AAD_AT + MAX_AAD
const SIZE = DATA_AT + MAX_SEALED

let sodium: Sodium | undefined
let place = 0
let loading: Promise<void> | undefined

/**
 * Loads what makes ChaCha20-Poly1305 fast, once. Where WebAssembly is not available, OpenSSL does its work as before.
 * See docs/decisions/0018-sodium-for-chacha.md.
 */
export function prepareSuite(suite: CipherSuite | undefined): Promise<void> | undefined {
  if (suite !== CipherSuite.CHACHA20_POLY1305) return undefined
  loading ??= load().catch(() => {})
  return loading
}

async function load(): Promise<void> {
  const { default: create } = await import('libsodium')
  const loaded = (await create()) as Sodium
  place = loaded._malloc(SIZE)
  if (place !== 0) sodium = loaded
}

/** One key of ChaCha20-Poly1305; undefined as long as the module is not loaded. */
export function sodiumAead(key: Uint8Array): Aead | undefined {
  if (!sodium) return undefined
  const module = sodium
  const [nonceAt, aadAt, dataAt] = [place + NONCE_AT, place + AAD_AT, place + DATA_AT]
  let ownKey: Uint8Array | undefined = new Uint8Array(new ArrayBuffer(KEY_SIZE))
  ownKey.set(key)

  function fill(nonce: Uint8Array, aad: Uint8Array, data: Uint8Array): void {
    if (!ownKey) throw new Error('the key was wiped')
    const memory = module.HEAPU8
    memory.set(ownKey, place)
    memory.set(nonce, nonceAt)
    memory.set(aad, aadAt)
    memory.set(data, dataAt)
  }

  /** Nothing of one session is left there when the next one has its turn. */
  function clear(dataSize: number): void {
    module.HEAPU8.fill(0, place, dataAt + dataSize)
  }

  return {
    seal(nonce, aad, plaintext, out) {
      const { length } = plaintext
      const size = length + TAG_SIZE
      if (size > MAX_SEALED || aad.length > MAX_AAD) throw new RangeError(`${length} bytes are too many for one frame`)
      fill(nonce, aad, plaintext)
      module._crypto_aead_chacha20poly1305_ietf_encrypt(
        dataAt,
        0,
        dataAt,
        length,
        0,
        aadAt,
        aad.length,
        0,
        0,
        nonceAt,
        place,
      )
      out.set(module.HEAPU8.subarray(dataAt, dataAt + size))
      clear(size)
    },
    open(nonce, aad, sealed) {
      const { length } = sealed
      if (length < TAG_SIZE || length > MAX_SEALED || aad.length > MAX_AAD) return undefined
      fill(nonce, aad, sealed)
      const verdict = module._crypto_aead_chacha20poly1305_ietf_decrypt(
        dataAt,
        0,
        0,
        dataAt,
        length,
        0,
        aadAt,
        aad.length,
        0,
        nonceAt,
        place,
      )
      const plaintext = verdict === 0 ? module.HEAPU8.slice(dataAt, dataAt + length - TAG_SIZE) : undefined
      clear(length)
      return plaintext
    },
    wipe() {
      ownKey?.fill(0)
      ownKey = undefined
    },
  }
}
