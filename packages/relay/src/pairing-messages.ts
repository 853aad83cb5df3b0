// What two ends say to each other when they pair (specification, section 12.2): two plain messages, then two kinds inside a session.
import { concatBytes, UsmpError } from '@usmp/core'
import { CPACE_SHARE_SIZE } from './cpace.js'
import { assertIdentityKey, IDENTITY_KEY_SIZE } from './identity.js'
import { faultOfName, MAX_NAME_SIZE } from './peer-name.js'

/** Made by the guest for each run, bytes. */
export const RUN_ID_SIZE = 16
/** Of a confirmation, bytes: HMAC-SHA256. */
export const MAC_SIZE = 32

const MAGIC = Uint8Array.of(0x55, 0x50, 0x52, 0x31)
const PLAIN_HEAD = MAGIC.length + 1
const GUEST_FIRST = 0x01
const HOST_FIRST = 0x02
const OFFER_SIZE = PLAIN_HEAD + RUN_ID_SIZE + CPACE_SHARE_SIZE
const ANSWER_SIZE = PLAIN_HEAD + CPACE_SHARE_SIZE
const INTRODUCTION = 0x01
const CONFIRMATION = 0x02
/** Flags of an introduction: none has a meaning yet. */
const NO_FLAGS = 0x00
const INTRODUCTION_HEAD = 1 + IDENTITY_KEY_SIZE + 1

/** P1, from the guest. */
export interface Offer {
  readonly runId: Uint8Array
  readonly share: Uint8Array
}

/** S1 and S2: who an end is. */
export interface Introduction {
  readonly publicKey: Uint8Array
  readonly name: string
}

export function encodeOffer({ runId, share }: Offer): Uint8Array {
  return concatBytes(MAGIC, Uint8Array.of(GUEST_FIRST), runId, share)
}

/** @throws UsmpError BAD_PAYLOAD */
export function decodeOffer(message: Uint8Array): Offer {
  checkPlain(message, GUEST_FIRST, OFFER_SIZE)
  const runId = message.slice(PLAIN_HEAD, PLAIN_HEAD + RUN_ID_SIZE)
  return { runId, share: message.slice(PLAIN_HEAD + RUN_ID_SIZE) }
}

/** P2, from the host: its share. */
export function encodeAnswer(share: Uint8Array): Uint8Array {
  return concatBytes(MAGIC, Uint8Array.of(HOST_FIRST), share)
}

/** @throws UsmpError BAD_PAYLOAD */
export function decodeAnswer(message: Uint8Array): Uint8Array {
  checkPlain(message, HOST_FIRST, ANSWER_SIZE)
  return message.slice(PLAIN_HEAD)
}

export function encodeIntroduction({ publicKey, name }: Introduction): Uint8Array {
  const head = Uint8Array.of(INTRODUCTION, ...publicKey, NO_FLAGS)
  return concatBytes(head, new TextEncoder().encode(name))
}

/** @throws UsmpError BAD_PAYLOAD; INVALID_ARGUMENT for a key that is none */
export function decodeIntroduction(message: Uint8Array): Introduction {
  const size = message.length
  const fits = size > INTRODUCTION_HEAD && size <= INTRODUCTION_HEAD + MAX_NAME_SIZE
  if (!fits || message[0] !== INTRODUCTION || message[INTRODUCTION_HEAD - 1] !== NO_FLAGS) {
    throw new UsmpError('BAD_PAYLOAD', 'the other end does not introduce itself')
  }
  const publicKey = message.slice(1, 1 + IDENTITY_KEY_SIZE)
  assertIdentityKey(publicKey)
  return { publicKey, name: decodeName(message.subarray(INTRODUCTION_HEAD)) }
}

/** S3: that an end has the secret key of its identity. */
export function encodeConfirmation(mac: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(CONFIRMATION), mac)
}

/** @throws UsmpError BAD_PAYLOAD */
export function decodeConfirmation(message: Uint8Array): Uint8Array {
  if (message.length !== 1 + MAC_SIZE || message[0] !== CONFIRMATION) {
    throw new UsmpError('BAD_PAYLOAD', 'the other end does not confirm its identity')
  }
  return message.slice(1)
}

function checkPlain(message: Uint8Array, kind: number, size: number): void {
  const starts = MAGIC.every((byte, index) => message[index] === byte) && message[MAGIC.length] === kind
  if (!starts || message.length !== size) throw new UsmpError('BAD_PAYLOAD', 'the other end does not speak of pairing')
}

/** The name is the other end's to choose, and is shown to people. */
function decodeName(bytes: Uint8Array): string {
  const name = decodeUtf8(bytes)
  const fault = name === undefined ? 'is not UTF-8' : faultOfName(name)
  if (name === undefined || fault) throw new UsmpError('BAD_PAYLOAD', `the name of the other end ${fault}`)
  return name
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
