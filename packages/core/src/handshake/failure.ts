import { UsmpError } from '../errors.js'
import type { ClientHandshake, Refusal } from './handshake.js'

/** For a client whose server has said INTERNAL. */
const STORE_IS_AWAY = 'The server could not look up the key of this device; its log says why. Try again later.'

/**
 * Why a client's handshake failed: the peer has ended the transport.
 * @param peerError what an ERROR frame claimed; unauthenticated, so it is only shown
 */
export function refusedError(
  { proofSent, refusal }: ClientHandshake,
  peerError: string | undefined,
  cause: unknown,
): UsmpError {
  const { detail, awaited, hint } = refusal
  return new UsmpError('HANDSHAKE_REFUSED', `${detail}${claimOf(peerError)}`, {
    ...(cause === undefined ? {} : { cause }),
    awaited,
    hint: !proofSent && peerError === 'INTERNAL' ? STORE_IS_AWAY : hint,
  })
}

/**
 * Why a handshake failed: its time is up.
 * @param refusal where the peer refuses by its silence
 * @param drops what was dropped meanwhile, in words
 */
export function timeoutError(
  waitingFor: string,
  refusal: Refusal | undefined,
  drops: string,
  peerError: string | undefined,
): UsmpError {
  const detail = `${waitingFor}${drops && `; ${drops}`}${claimOf(peerError)}`
  if (refusal) return new UsmpError('HANDSHAKE_TIMEOUT', detail, { awaited: refusal.awaited, hint: refusal.hint })
  return new UsmpError('HANDSHAKE_TIMEOUT', detail, peerError === 'INTERNAL' ? { hint: STORE_IS_AWAY } : {})
}

function claimOf(peerError: string | undefined): string {
  return peerError ? `; the peer (unproven) says ${peerError}` : ''
}
