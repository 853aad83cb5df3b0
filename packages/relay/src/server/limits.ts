import { RelayError } from './relay-error.js'

/** What a relay gives to one address, one circuit, and all together (specification, section 12.1). An address is an IPv4 address or a /64. */
export interface RelayLimits {
  /** WebSockets that an address may open every second, and at once. */
  readonly joinsPerSecond: number
  readonly joinBurst: number
  /** JOINs with the pairing flag of an address. */
  readonly pairingJoinsPerMinute: number
  /** Sockets of an address that wait for their peer. */
  readonly waitingPerAddress: number
  /** Sockets of an address that are in a circuit. */
  readonly circuitsPerAddress: number
  /** Sockets of all addresses that wait. */
  readonly waiting: number
  readonly circuits: number
  /** Of each direction of a circuit; a message counts its bytes and {@link MESSAGE_COST} more. */
  readonly bytesPerSecond: number
  readonly byteBurst: number
  /** How long a socket may wait for its peer, s. */
  readonly pairingWait: number
  readonly sessionWait: number
}

/** What a message costs besides its bytes, so that a flood of small ones is bounded too. */
export const MESSAGE_COST = 32

export const DEFAULT_LIMITS: RelayLimits = {
  joinsPerSecond: 10,
  joinBurst: 30,
  pairingJoinsPerMinute: 10,
  waitingPerAddress: 32,
  circuitsPerAddress: 128,
  waiting: 10_000,
  circuits: 10_000,
  bytesPerSecond: 65_536,
  byteBurst: 262_144,
  pairingWait: 600,
  sessionWait: 86_400,
}

/**
 * The defaults, and what is given instead.
 * @throws RelayError INVALID_ARGUMENT for a name that is none, or a value that is no number above 0
 */
export function completeLimits(given: Partial<RelayLimits> = {}): RelayLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_LIMITS)) throw new RelayError('INVALID_ARGUMENT', `there is no limit "${name}"`, namesHint())
    if (!(Number.isFinite(value) && value > 0)) {
      throw new RelayError('INVALID_ARGUMENT', `the limit "${name}" is ${value}`, 'A limit is a number above 0.')
    }
  }
  return { ...DEFAULT_LIMITS, ...given }
}

function namesHint(): string {
  return `There are ${Object.keys(DEFAULT_LIMITS).join(', ')}.`
}
