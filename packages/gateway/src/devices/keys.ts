import { deriveDevicePsk, parsePsk, pskFingerprint, UsmpError, wipe } from '@usmp/core'
import { GatewayError } from '../errors.js'
import type { KeySealing } from '../store/key-sealing.js'
import type { DeviceRecord } from './record.js'

const KEY_SIZE = 32
const KEY_HINT = 'A key has 64 hex digits, as `usmp keygen psk` makes them.'

/** Whose sealed key is opened where there is none to open. */
const STAND_IN = '00:00:00:00:00:00'

/** What is stored of a key. */
export type StoredKey = Pick<DeviceRecord, 'sealedKey' | 'keySource' | 'fingerprint'>

/** What a record holds when it has no key, or none any more. */
export const NO_KEY: StoredKey = { sealedKey: null, keySource: null, fingerprint: null }

/**
 * The keys of devices: how they are read, stored and found again. It holds the master key, if there is one, and hands out copies of keys
 * only to the handshake. What must not happen: that a key stands in an error, or that a device without a record gets in.
 */
export class DeviceKeys {
  readonly #sealing: KeySealing
  readonly #master: Uint8Array | undefined
  readonly #standIn: string

  /** @throws UsmpError INVALID_ARGUMENT, WEAK_PSK for a master key that is none */
  constructor(sealing: KeySealing, master: Uint8Array | undefined) {
    this.#sealing = sealing
    this.#master = master?.slice()
    if (this.#master) deriveDevicePsk(this.#master, STAND_IN)
    this.#standIn = sealing.seal(
      STAND_IN,
      Uint8Array.from({ length: KEY_SIZE }, (_, i) => i),
    )
  }

  /**
   * The key of a device by its record, for a handshake; null if it may not come in. The work is the same for every id, known or not.
   * @throws GatewayError STORE_FAILED if the stored key cannot be opened
   */
  find(deviceId: string, record: DeviceRecord | undefined): Uint8Array | null {
    const isApproved = record?.state === 'approved'
    const sealed = isApproved ? record.sealedKey : null
    const opened = this.#sealing.open(sealed ? deviceId : STAND_IN, sealed ?? this.#standIn)
    const derived = this.derive(deviceId)
    if (sealed) {
      if (derived) wipe(derived)
      return opened
    }
    wipe(opened)
    if (isApproved && record.keySource === 'master') return derived
    if (derived) wipe(derived)
    return null
  }

  /** The key of a device by the master key; null if there is no master key. */
  derive(deviceId: string): Uint8Array | null {
    return this.#master ? deriveDevicePsk(this.#master, deviceId) : null
  }

  /** What is stored of a key that a person gave. */
  store(deviceId: string, psk: Uint8Array, keySource: 'typed' | 'registered'): StoredKey {
    return { sealedKey: this.#sealing.seal(deviceId, psk), keySource, fingerprint: pskFingerprint(psk, deviceId) }
  }

  /** What is stored of a key that the master key gives. */
  storeDerived(deviceId: string): StoredKey {
    const psk = this.derive(deviceId)
    if (!psk) throw new GatewayError('WRONG_STATE', 'The gateway has no master key.')
    const fingerprint = pskFingerprint(psk, deviceId)
    wipe(psk)
    return { sealedKey: null, keySource: 'master', fingerprint }
  }

  /** Forgets the master key. */
  close(): void {
    if (this.#master) wipe(this.#master)
  }
}

/**
 * A key as a person gives it, 64 hex digits. The caller wipes it.
 * @throws GatewayError INVALID, WEAK_PSK
 */
export function readKey(text: string): Uint8Array {
  const psk = parseKey(text)
  if (psk.length === KEY_SIZE) return psk
  const digits = 2 * psk.length
  wipe(psk)
  throw new GatewayError('INVALID', `This is no key: it has ${digits} hex digits instead of 64.`, { hint: KEY_HINT })
}

function parseKey(text: string): Uint8Array {
  try {
    return parsePsk(text)
  } catch (error) {
    if (!(error instanceof UsmpError)) throw error
    const code = error.code === 'WEAK_PSK' ? 'WEAK_PSK' : 'INVALID'
    throw new GatewayError(code, `This is no key: ${error.message}`, { hint: KEY_HINT })
  }
}
