/** Where an error comes from: our caller, the platform, the transport, the bytes, the handshake, the session, or the end of it. */
export type ErrorFamily = 'usage' | 'platform' | 'transport' | 'frame' | 'handshake' | 'session' | 'end'

interface ErrorFacts {
  readonly family: ErrorFamily
  /** A new attempt with unchanged settings may succeed. */
  readonly retryable: boolean
  /** The code of an ERROR frame that says the same, where there is one (specification, section 2). */
  readonly wireCode: number | undefined
  readonly message: string
  readonly hint: string
}

const WIRE = { VERSION: 1, AUTH: 2, SEQ: 3, CRYPTO: 4, BAD_FRAME: 5, TIMEOUT: 6, INTERNAL: 7 } as const

/** The name of an ERROR frame's code; undefined for one that is not assigned (specification, section 2.4). */
export function wireCodeName(code: number): string | undefined {
  return Object.entries(WIRE).find(([, value]) => value === code)?.[0]
}

/** Makes the facts of codes that have these in common. */
function codes(family: ErrorFamily, retryable: boolean, commonWireCode?: number) {
  return (message: string, hint: string, wireCode = commonWireCode): ErrorFacts => ({
    family,
    retryable,
    wireCode,
    message,
    hint,
  })
}

const usage = codes('usage', false)
const platform = codes('platform', false, WIRE.INTERNAL)
const transport = codes('transport', true)
const frame = codes('frame', true, WIRE.BAD_FRAME)
const handshake = codes('handshake', false)
const session = codes('session', true)
const end = codes('end', true)

const errorFacts = {
  INVALID_ARGUMENT: usage('an argument is not usable', 'See the message for what it must be.'),
  MESSAGE_TOO_LARGE: usage('the message is larger than the connection takes', 'Cut it into several messages.'),
  QUEUE_FULL: usage('a queue is full', 'The peer or the consumer is slower than the producer: wait, or drop old data.'),
  NOT_CONNECTED: usage('there is no established session', 'Wait for the connection, or open a new one.'),
  ABORTED: usage('the caller aborted the operation', 'Its AbortSignal fired.'),
  WEAK_PSK: usage(
    'the pre-shared key is too weak',
    'Use 32 random bytes (`usmp keygen psk`). A recorded handshake lets weak keys be guessed offline.',
  ),
  RANDOM_FAILED: platform('the random source failed', 'Repair the platform: without randomness there is no security.'),
  CRYPTO_FAILED: platform('the cryptography provider failed', 'See the cause.'),
  TRANSPORT_FAILED: transport('the transport failed', 'See the cause. Connect again.'),
  UNREACHABLE: transport(
    'the peer could not be reached',
    'Is the peer running, and are address, port and firewall right?',
  ),
  UNTRUSTED_CERTIFICATE: codes('transport', false)(
    'the TLS certificate of the server is not accepted',
    'See the message for what is wrong.',
  ),
  BROKER_REFUSED: codes('transport', false)('the broker refused', 'See the message for what is wrong.'),
  RELAY_REFUSED: codes('transport', false)('the relay refused', 'See the message for what is wrong.'),
  PSK_LOOKUP_FAILED: codes('platform', true)(
    'the key of the device could not be looked up',
    'See the cause. The device connects again.',
    WIRE.INTERNAL,
  ),
  BAD_MAGIC: frame('the bytes are not a USMP frame', 'Does the other side speak USMP on this port?'),
  BAD_VERSION: codes('frame', false)(
    'the peer speaks another wire version',
    'Wire version 1 is firmware before 1.0: upgrade it, or allow it by its unsafe option while you do.',
    WIRE.VERSION,
  ),
  BAD_TYPE: frame('packet type 0x00 does not exist', 'The peer is faulty, or bytes were lost on the way.'),
  BAD_LENGTH: frame('the frame announces more than 480 bytes', 'The peer is faulty, or bytes were lost on the way.'),
  BAD_CRC: frame('the checksum of a frame is wrong', 'Bytes changed on the way.'),
  INCOMPLETE: frame('the frame is cut short', 'More bytes were announced than there are.'),
  TRAILING_BYTES: frame('there are bytes behind the frame', 'A datagram or message carries exactly one frame.'),
  BAD_COBS: frame('a serial packet is malformed', 'Noise on the line, another baud rate, or a boot log.'),
  UNEXPECTED_PACKET: handshake(
    'a packet came at the wrong moment',
    'The peer breaks the order of the protocol, or an extension type is not registered here.',
    WIRE.BAD_FRAME,
  ),
  BAD_PAYLOAD: handshake('the payload of a packet has the wrong size', 'The peer is faulty.', WIRE.BAD_FRAME),
  LOW_ORDER_POINT: handshake(
    'the public key of the peer is a low-order point',
    'Nothing honest sends one.',
    WIRE.CRYPTO,
  ),
  AUTH_FAILED: handshake(
    'the peer does not hold the same pre-shared key',
    'Compare the keys of both ends for this device id. On a client: the server may not be who you think.',
    WIRE.AUTH,
  ),
  UNKNOWN_DEVICE: handshake(
    'no key is known for the device',
    'Register the device id with its key, or correct the id.',
    WIRE.AUTH,
  ),
  LOCKED_OUT: handshake(
    'the device failed too often and has to wait',
    'Correct its key; the lockout lasts at most 60 seconds.',
    WIRE.AUTH,
  ),
  BAD_COOKIE: handshake('the cookie is not valid', 'It is too old, or the address is forged.', WIRE.AUTH),
  ORIGIN_REFUSED: handshake(
    'the web page is not of an allowed origin',
    'Add its origin to `origins` of the server if the page is yours.',
  ),
  PAIRING_FAILED: handshake('the pairing failed', 'A code works once: make a new one.'),
  IDENTITY_CHANGED: handshake('the peer is not the one that is known', 'Ask its owner before you forget the old one.'),
  HANDSHAKE_TIMEOUT: codes('handshake', true)(
    'the handshake took too long',
    'The peer is overloaded, or is no USMP peer, or the network loses packets.',
    WIRE.TIMEOUT,
  ),
  HANDSHAKE_REFUSED: codes('handshake', true)(
    'the peer ended the handshake',
    'The log of the server says why.',
    WIRE.AUTH,
  ),
  BAD_NONCE: session(
    'the nonce of a frame is not the one of this session',
    'It belongs to another session.',
    WIRE.CRYPTO,
  ),
  DECRYPT_FAILED: session('a frame is not authentic', 'It was changed on the way, or forged.', WIRE.CRYPTO),
  SUITE_MISMATCH: codes('session', false)(
    'the first sealed frame could not be opened',
    'Most likely the ends are configured with different cipher suites.',
    WIRE.CRYPTO,
  ),
  SEQ_MISMATCH: session(
    'a frame is missing, repeated or out of order',
    'Loss on the line, an attack, or a faulty peer.',
    WIRE.SEQ,
  ),
  REPLAYED: session(
    'a datagram was seen before or is too old',
    'The network repeated it, or it is a replay.',
    WIRE.SEQ,
  ),
  SEQ_EXHAUSTED: session('the session has used up its sequence numbers', 'Connect again.', WIRE.SEQ),
  BAD_FRAGMENT: session('the fragments of a message do not fit together', 'The peer is faulty.', WIRE.BAD_FRAME),
  FLOOD: session(
    'more PING, PONG and REKEY frames came than any honest peer sends',
    'The peer is faulty or hostile.',
    WIRE.BAD_FRAME,
  ),
  IDLE_TIMEOUT: session('nothing authentic came for too long', 'The peer or the network is gone.', WIRE.TIMEOUT),
  REQUEST_TIMEOUT: session(
    'the peer did not answer the request in time',
    'The peer is slow, or does not speak JSON-RPC. The request may have been carried out.',
  ),
  INVALID_RESPONSE: codes('session', false)(
    'the answer of the peer does not fit the contract',
    'Compare the contracts of both ends.',
  ),
  CLOSED: end('the session was closed', 'Nothing is wrong.'),
  TRUNCATED: end(
    'the transport ended without a BYE',
    'The peer crashed or the network cut it off; what came before is complete.',
  ),
  REPLACED: end('the same device opened a newer session', 'Two devices with one id replace each other.'),
  DUPLICATE_DEVICE: end('the device already has a session', 'The server keeps the older one by policy.'),
  TOO_MANY_CONNECTIONS: end('a limit of the server is reached', 'Connect again later.'),
  SHUTDOWN: end('the server shuts down', 'Connect again later.'),
} as const satisfies Record<string, ErrorFacts>

/** The stable codes; each has an entry in docs/errors.md. */
export type ErrorCode = keyof typeof errorFacts

/** Every code there is, for documentation and tests. */
export const errorCodes = Object.keys(errorFacts) as readonly ErrorCode[]

/** The one error class of all packages. Programs look at `code`, people at `message` and `hint`. */
export class UsmpError extends Error {
  override readonly name = 'UsmpError'
  /** Stable identifier, documented in docs/errors.md with cause and remedy. */
  readonly code: ErrorCode
  /** Where it comes from. */
  readonly family: ErrorFamily
  /** Whether a new attempt with unchanged settings may succeed. */
  readonly retryable: boolean
  /** The probable cause and what to do, in one or two sentences. */
  readonly hint: string
  /** The code of an ERROR frame that says the same (1–7), if there is one. */
  readonly wireCode: number | undefined
  /** The packet type that was awaited when a handshake failed, where that tells causes apart. */
  readonly awaited: number | undefined

  /**
   * @param code stable code
   * @param detail what happened in this case; without it the general sentence of the code
   * @param options `cause`: the underlying error; `hint`: a better hint than the general one; `awaited`: a packet type
   */
  constructor(code: ErrorCode, detail?: string, options: { cause?: unknown; hint?: string; awaited?: number } = {}) {
    const facts: ErrorFacts = errorFacts[code]
    super(detail ? `${facts.message}: ${detail}` : facts.message, 'cause' in options ? { cause: options.cause } : {})
    this.code = code
    this.family = facts.family
    this.retryable = facts.retryable
    this.hint = options.hint ?? facts.hint
    this.wireCode = facts.wireCode
    this.awaited = options.awaited
  }
}

/** `error` as it is if it is ours, otherwise wrapped under `code` with the original as its cause. */
export function asUsmpError(error: unknown, code: ErrorCode): UsmpError {
  if (isUsmpError(error)) return error
  return new UsmpError(code, textOf(error), { cause: error })
}

/** Anything can be thrown, even a proxy that may not be asked what it is. */
function isUsmpError(error: unknown): error is UsmpError {
  try {
    return error instanceof UsmpError
  } catch {
    return false
  }
}

/** Anything can be thrown, even what cannot be shown as text. */
function textOf(error: unknown): string | undefined {
  try {
    return error instanceof Error ? error.message : String(error)
  } catch {
    return undefined
  }
}
