import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { UsmpError } from '@usmp/core'
import { keyIdOf } from '../publisher-key.js'
import { encryptPrivateKey } from './encrypted-key.js'

const PEM_LINE = /.{1,64}/g

/** The passphrase of a key is wrong, or its file was changed. The code is INVALID_ARGUMENT, as for every argument that is not usable. */
export class WrongKeyPassphrase extends UsmpError {
  constructor(cause: unknown) {
    super('INVALID_ARGUMENT', 'the passphrase of the key is wrong, or its file was changed', {
      cause,
      hint: 'Try again. There is no way around a forgotten passphrase: sign with another key that the devices trust.',
    })
  }
}

/**
 * The secret key of a publisher, which signs manifests. It is kept by `node:crypto`; nothing reads it out but {@link PublisherKey.toPem}.
 */
export class PublisherKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** Of the public key, 16 hex digits. */
  readonly keyId: string
  readonly #key: KeyObject

  private constructor(key: KeyObject) {
    this.#key = key
    this.publicKey = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32))
    this.keyId = keyIdOf(this.publicKey)
  }

  /** A new one, from the random source of the system. */
  static generate(): PublisherKey {
    return new PublisherKey(generateKeyPairSync('ed25519').privateKey)
  }

  /** Whether the text is a key that takes a passphrase to open it. */
  static isEncrypted(pem: string): boolean {
    return pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')
  }

  /**
   * The key in the text of a file: PKCS#8 PEM of Ed25519, as {@link PublisherKey.toPem} and OpenSSL write it.
   * @param passphrase needed if it is encrypted
   * @throws UsmpError INVALID_ARGUMENT, without anything of the text; {@link WrongKeyPassphrase}
   */
  static fromPem(pem: string, passphrase?: string): PublisherKey {
    if (pem.includes('-----BEGIN PUBLIC KEY-----')) {
      throw new UsmpError('INVALID_ARGUMENT', 'this is the public half of a key, and the secret half is expected', {
        hint: 'Take the file without .pub, which `usmp ota keygen --out` named.',
      })
    }
    const encrypted = PublisherKey.isEncrypted(pem)
    if (encrypted && !passphrase) {
      throw new UsmpError('INVALID_ARGUMENT', 'the key is encrypted, and there is no passphrase')
    }
    let key: KeyObject
    try {
      key = createPrivateKey({ key: pem, format: 'pem', ...(encrypted ? { passphrase } : {}) })
    } catch (cause) {
      if (encrypted) throw new WrongKeyPassphrase(cause)
      throw noKey(cause)
    }
    if (key.asymmetricKeyType !== 'ed25519') throw noKey(undefined)
    return new PublisherKey(key)
  }

  /**
   * The key as PKCS#8 PEM. With a passphrase it is encrypted by AES-256 under a key that scrypt makes of the passphrase; without one
   * it stands there as it is, and such a file must be readable by its owner alone.
   */
  async toPem(passphrase?: string): Promise<string> {
    const plain = this.#key.export({ type: 'pkcs8', format: 'der' })
    try {
      if (!passphrase) return formatPem('PRIVATE KEY', plain)
      return formatPem('ENCRYPTED PRIVATE KEY', await encryptPrivateKey(plain, passphrase))
    } finally {
      plain.fill(0)
    }
  }

  /** The signature of a message, 64 bytes; for `encodeManifest`. */
  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#key))
  }
}

function noKey(cause: unknown): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', "this is no publisher's secret key", {
    cause,
    hint: 'It is a file in PEM that begins with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----, with a key of Ed25519. `usmp ota keygen` makes one.',
  })
}

function formatPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(PEM_LINE)!.join('\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}
