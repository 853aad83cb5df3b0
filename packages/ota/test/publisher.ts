import { sha256 } from '@noble/hashes/sha2.js'
import { fromHex } from '@usmp/core'
import { keyIdOf, type ManifestFields, publicKeyOf, type TrustRecord, type UpdateTarget } from '../src/index.ts'

/** A publisher with a key that everybody knows. */
export interface Publisher {
  readonly secretKey: Uint8Array
  readonly publicKey: Uint8Array
  readonly keyId: string
}

/** A publisher by a number: its secret key is the SHA-256 of it. */
export function publisher(number: number): Publisher {
  const secretKey = sha256(Uint8Array.of(number))
  const publicKey = publicKeyOf(secretKey)
  return { secretKey, publicKey, keyId: keyIdOf(publicKey) }
}

/** A manifest with nothing special in it. */
export function plainFields(keyId: string, changes: Partial<ManifestFields> = {}): ManifestFields {
  return {
    keyId,
    product: 'weather-station',
    chip: 'esp32c3',
    version: 0x01020003,
    counter: 7,
    leastVersion: 0,
    size: 4,
    sha256: sha256(fromHex('01020304')),
    notAfter: 0,
    name: '',
    revokedKeys: [],
    extensions: [],
    ...changes,
  }
}

/** A device that takes {@link plainFields}. */
export function plainTarget(record: TrustRecord, changes: Partial<UpdateTarget> = {}): UpdateTarget {
  return {
    product: 'weather-station',
    chip: 'esp32c3',
    version: 0x01010000,
    record,
    slotSize: 1 << 20,
    busy: false,
    ...changes,
  }
}
