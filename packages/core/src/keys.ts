import { concatBytes, copySecret, isZero, secretBytes, wipe } from './bytes.js'
import { KEY_SIZE, PacketType } from './constants.js'
import type { CryptoProvider, KeyPair } from './crypto.js'
import { UsmpError } from './errors.js'

/** What both sides have seen when the keys are derived. */
export interface Transcript {
  readonly nonce: Uint8Array
  readonly clientPublic: Uint8Array
  readonly serverPublic: Uint8Array
}

/** The directional keys of a session, 32 bytes each. */
export interface DirectionalKeys {
  readonly clientToServer: Uint8Array
  readonly serverToClient: Uint8Array
}

/** The same keys as one end sees them. */
export interface TrafficKeys {
  readonly tx: Uint8Array
  readonly rx: Uint8Array
}

const REKEY_INFO = new TextEncoder().encode('usmp-rekey')

/** What differs between the wire versions that share this key derivation. */
export interface KeySchedule {
  /** In front of the public keys in the info of HKDF. */
  readonly info: Uint8Array
  /** Bytes of key material: 64, or 32 where both directions have one key. */
  readonly keyBytes: number
  /** In front of what a proof covers. */
  macPrefix(type: number): Uint8Array
}

/**
 * The session keys (specification, section 3.8).
 * @throws UsmpError LOW_ORDER_POINT if the agreement is all zero
 */
export function deriveKeys(
  provider: CryptoProvider,
  schedule: KeySchedule,
  own: KeyPair,
  peerPublic: Uint8Array,
  transcript: Transcript,
): DirectionalKeys {
  const shared = own.agree(peerPublic)
  try {
    if (isZero(shared)) throw new UsmpError('LOW_ORDER_POINT')
    const info = concatBytes(schedule.info, transcript.clientPublic, transcript.serverPublic)
    const material = provider.hkdfSha256(shared, transcript.nonce, info, schedule.keyBytes)
    const keys = {
      clientToServer: copySecret(material, 0, KEY_SIZE),
      serverToClient: copySecret(material, schedule.keyBytes - KEY_SIZE),
    }
    wipe(material)
    return keys
  } finally {
    wipe(shared)
  }
}

/** The client's proof, HELLO_ACK (specification, section 3.7). */
export function clientMac(
  provider: CryptoProvider,
  schedule: KeySchedule,
  psk: Uint8Array,
  deviceId: Uint8Array,
  transcript: Transcript,
): Uint8Array {
  return handshakeMac(provider, schedule, PacketType.HELLO_ACK, psk, deviceId, transcript)
}

/** The server's proof, SESSION_OK (specification, section 3.7). */
export function serverMac(
  provider: CryptoProvider,
  schedule: KeySchedule,
  psk: Uint8Array,
  sessionId: Uint8Array,
  transcript: Transcript,
): Uint8Array {
  return handshakeMac(provider, schedule, PacketType.SESSION_OK, psk, sessionId, transcript)
}

function handshakeMac(
  provider: CryptoProvider,
  schedule: KeySchedule,
  type: number,
  psk: Uint8Array,
  identifier: Uint8Array,
  { nonce, clientPublic, serverPublic }: Transcript,
): Uint8Array {
  const prefix = schedule.macPrefix(type)
  return provider.hmacSha256(psk, concatBytes(prefix, nonce, identifier, clientPublic, serverPublic))
}

/**
 * The keys after a REKEY (specification, section 5.1).
 * @param keys the keys that the REKEY was sealed under, as this end sees them
 * @param initiator whether this end sent the REKEY
 */
export function deriveRekeyKeys(
  provider: CryptoProvider,
  keys: TrafficKeys,
  initiator: boolean,
  salt: Uint8Array,
  sessionId: Uint8Array,
): TrafficKeys {
  const ikm = secretBytes(2 * KEY_SIZE)
  ikm.set(initiator ? keys.tx : keys.rx)
  ikm.set(initiator ? keys.rx : keys.tx, KEY_SIZE)
  const material = provider.hkdfSha256(ikm, salt, concatBytes(REKEY_INFO, sessionId), 2 * KEY_SIZE)
  const first = copySecret(material, 0, KEY_SIZE)
  const second = copySecret(material, KEY_SIZE)
  wipe(ikm, material)
  return initiator ? { tx: first, rx: second } : { tx: second, rx: first }
}
