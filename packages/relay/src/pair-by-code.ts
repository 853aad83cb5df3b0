import { onAbort, systemClock, type Transport, throwIfAborted, UsmpError, wipe } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { tell } from './callback.js'
import { openCircuit } from './circuit.js'
import type { Dial } from './dial.js'
import { hostPairing, joinPairing, type PairedPeer, type PairingOptions } from './pairing.js'
import type { PairingCode } from './pairing-code.js'
import { assertPeerName } from './peer-name.js'
import { pairByCodeTable } from './peer-options.js'
import { sleep } from './sleep.js'
import type { Side } from './wire.js'

/** Between two attempts to reach the relay before anybody has used the code, ms. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 8_000
const NO_TOKEN = new Uint8Array(0)

/** Options of {@link hostByCode} and {@link joinByCode}. */
export interface PairByCodeOptions extends Omit<PairingOptions, 'circuit'> {
  /** `wss://host`, or `ws://` on this machine. */
  readonly relay: URL
  readonly dial: Dial
  /** For relays that ask for one, at most 64 bytes. */
  readonly token?: Uint8Array | undefined
  /** Told when this end is alone and waits for the other one. */
  readonly onWaiting?: (() => void) | undefined
  /** Told each time the relay could not be reached before anybody used the code: it is tried again. */
  readonly onRetry?: ((reason: UsmpError) => void) | undefined
}

/**
 * Waits at a relay for the guest who types the code, and pairs with it: ten minutes, and one attempt.
 * @throws UsmpError PAIRING_FAILED, after which the code is used up; RELAY_REFUSED, UNTRUSTED_CERTIFICATE; INVALID_ARGUMENT, ABORTED
 */
export function hostByCode(options: PairByCodeOptions): Promise<PairedPeer> {
  return pairByCode('hostByCode', 0, hostPairing, options)
}

/**
 * Pairs with the host that has made the code.
 * @throws UsmpError as {@link hostByCode}
 */
export function joinByCode(options: PairByCodeOptions): Promise<PairedPeer> {
  return pairByCode('joinByCode', 1, joinPairing, options)
}

async function pairByCode(
  caller: string,
  side: Side,
  pair: typeof hostPairing,
  options: PairByCodeOptions,
): Promise<PairedPeer> {
  checkOptions(caller, options, pairByCodeTable)
  const { relay, dial, token, onWaiting, onRetry, ...pairing } = options
  // Before anybody waits.
  assertPeerName(options.name)
  const circuit = await meet(side, options)
  return pair({ ...pairing, circuit })
}

/** The circuit on the route of the code. A relay that cannot be reached does not use the code up. */
async function meet(side: Side, options: PairByCodeOptions): Promise<Transport> {
  const { code, clock = systemClock, signal, onRetry } = options
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    throwIfAborted(signal)
    // Says whether it is too old, or was used before.
    if (code.remaining === 0) code.use()
    try {
      return await joinRoute(side, options)
    } catch (error) {
      throwIfAborted(signal)
      if (code.remaining === 0) throw tooLate(error)
      if (!(error instanceof UsmpError && error.retryable)) throw burnt(code, error)
      tell(onRetry, error)
    }
    await sleep(Math.min(pause, code.remaining), clock, signal)
  }
}

async function joinRoute(side: Side, options: PairByCodeOptions): Promise<Transport> {
  const { relay: url, dial, code, token = NO_TOKEN, clock = systemClock, signal, onWaiting } = options
  const over = new AbortController()
  const timer = clock.setTimer(() => over.abort(), code.remaining)
  const forgetSignal = onAbort(signal, () => over.abort())
  try {
    const join = { route: code.route, side, pairing: true, token }
    return await openCircuit({ url, dial, join, signal: over.signal, clock, onWaiting })
  } finally {
    clock.clearTimer(timer)
    forgetSignal()
  }
}

/** Once somebody else was on the route of a code, it is of no use any more, not even at the next relay. */
function burnt(code: PairingCode, error: unknown): unknown {
  if (error instanceof UsmpError && error.code === 'PAIRING_FAILED') wipe(code.use())
  return error
}

function tooLate(cause: unknown): UsmpError {
  return new UsmpError('PAIRING_FAILED', 'the other end did not come within ten minutes', { cause })
}
