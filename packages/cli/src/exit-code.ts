import { type ErrorCode, UsmpError } from '@usmp/core'
import type { GatewayError } from '@usmp/gateway'
import type { OtaError } from '@usmp/ota'
import type { RelayError } from '@usmp/relay/server'

/** What a script learns from the end of the program. */
export const ExitCode = {
  OK: 0,
  INTERNAL: 1,
  USAGE: 2,
  UNREACHABLE: 3,
  TIMEOUT: 4,
  REFUSED: 5,
  IDENTITY_CHANGED: 6,
  PROTOCOL: 7,
} as const
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** What the person who called a command did not cause. */
const FAULTS_OF_GATEWAY: readonly GatewayError['code'][] = ['STORE_FAILED', 'INTERNAL']

/** The bytes themselves are wrong, not what they ask for. */
const NO_UPDATE: readonly OtaError['code'][] = ['MALFORMED', 'WRONG_IMAGE']

/** A command did not get what it was run for, although no error happened. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
  readonly code: 'NO_ANSWER' | 'PEER_LEFT'
  readonly hint: string

  constructor(code: 'NO_ANSWER' | 'PEER_LEFT', message: string, hint: string) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

/** The results of a command cannot be written, mostly as the disk is full. */
export class OutputFailed extends Error {
  override readonly name = 'OutputFailed'
  readonly code = 'OUTPUT_FAILED'
  readonly hint = 'Is the disk full? Make room, or send the output elsewhere. The end of the results is missing.'

  constructor(cause: Error) {
    super(`the output cannot be written: ${cause.message}`, { cause })
  }
}

/** A secret in a file does not open: the identity of a relay peer, the key of a publisher. */
export class WrongPassphrase extends Error {
  override readonly name = 'WrongPassphrase'
  readonly code = 'WRONG_PASSPHRASE'
  readonly hint: string

  /** @param forgotten what can be done without the passphrase, a sentence */
  constructor(file: string, forgotten: string, cause: Error) {
    super(`the passphrase of ${file} is wrong, or the file was changed`, { cause })
    this.hint = `Try again. ${forgotten}`
  }
}

/** Whether it is an error of the package @usmp/gateway, which is loaded only when a command needs it. */
export function isGatewayError(error: unknown): error is GatewayError {
  return error instanceof Error && error.name === 'GatewayError'
}

/** Whether it is an error of the relay itself, which knows nothing of the core. */
export function isRelayError(error: unknown): error is RelayError {
  return error instanceof Error && error.name === 'RelayError'
}

/** Whether it is an error of the package @usmp/ota about an update itself. */
export function isOtaError(error: unknown): error is OtaError {
  return error instanceof Error && error.name === 'OtaError'
}

/** The exit code for whatever ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Unanswered) return error.code === 'NO_ANSWER' ? ExitCode.TIMEOUT : ExitCode.UNREACHABLE
  if (error instanceof WrongPassphrase) return ExitCode.REFUSED
  if (isGatewayError(error)) return FAULTS_OF_GATEWAY.includes(error.code) ? ExitCode.INTERNAL : ExitCode.USAGE
  if (isOtaError(error)) return NO_UPDATE.includes(error.code) ? ExitCode.PROTOCOL : ExitCode.REFUSED
  return error instanceof UsmpError || isRelayError(error) ? exitCodeOfCode(error.code) : ExitCode.INTERNAL
}

function exitCodeOfCode(code: ErrorCode): ExitCode {
  switch (code) {
    case 'CLOSED':
      return ExitCode.OK
    case 'INVALID_ARGUMENT':
    case 'MESSAGE_TOO_LARGE':
    case 'WEAK_PSK':
      return ExitCode.USAGE
    case 'UNREACHABLE':
    case 'TRANSPORT_FAILED':
    case 'TRUNCATED':
    case 'SHUTDOWN':
      return ExitCode.UNREACHABLE
    case 'HANDSHAKE_TIMEOUT':
    case 'IDLE_TIMEOUT':
    case 'REQUEST_TIMEOUT':
      return ExitCode.TIMEOUT
    case 'HANDSHAKE_REFUSED':
    case 'UNKNOWN_DEVICE':
    case 'LOCKED_OUT':
    case 'BAD_COOKIE':
    case 'ORIGIN_REFUSED':
    case 'BROKER_REFUSED':
    case 'RELAY_REFUSED':
    case 'PAIRING_FAILED':
    case 'TOO_MANY_CONNECTIONS':
    case 'REPLACED':
    case 'DUPLICATE_DEVICE':
      return ExitCode.REFUSED
    // The server accepted our proof, so it may know the key, and yet could not prove that it does.
    case 'AUTH_FAILED':
    case 'IDENTITY_CHANGED':
    case 'UNTRUSTED_CERTIFICATE':
      return ExitCode.IDENTITY_CHANGED
    case 'BAD_MAGIC':
    case 'BAD_VERSION':
    case 'BAD_TYPE':
    case 'BAD_LENGTH':
    case 'BAD_CRC':
    case 'INCOMPLETE':
    case 'TRAILING_BYTES':
    case 'BAD_COBS':
    case 'UNEXPECTED_PACKET':
    case 'BAD_PAYLOAD':
    case 'LOW_ORDER_POINT':
    case 'BAD_NONCE':
    case 'DECRYPT_FAILED':
    case 'SUITE_MISMATCH':
    case 'SEQ_MISMATCH':
    case 'REPLAYED':
    case 'SEQ_EXHAUSTED':
    case 'BAD_FRAGMENT':
    case 'FLOOD':
    case 'INVALID_RESPONSE':
      return ExitCode.PROTOCOL
    case 'QUEUE_FULL':
    case 'NOT_CONNECTED':
    case 'ABORTED':
    case 'RANDOM_FAILED':
    case 'CRYPTO_FAILED':
    case 'PSK_LOOKUP_FAILED':
      return ExitCode.INTERNAL
    default:
      return code satisfies never
  }
}
