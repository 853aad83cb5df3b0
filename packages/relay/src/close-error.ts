import { type ErrorCode, UsmpError } from '@usmp/core'
import { ClosedByRelay } from './dial.js'
import { CloseCode } from './wire.js'

/** What a close code means: the code of the error, what happened, and what to do. */
type Meaning = readonly [code: ErrorCode, detail: string, hint?: string]

const RECONNECTS = 'A peer connects again by itself.'
const NEW_CODE = 'A code works once. Let the host make a new one, and tell it to one person only.'

const MEANINGS: Readonly<Record<number, Meaning>> = {
  [CloseCode.NO_JOIN]: [
    'RELAY_REFUSED',
    'it did not understand the JOIN',
    'Does the URL lead to a relay of this version?',
  ],
  [CloseCode.TOO_LONG]: ['RELAY_REFUSED', 'a message was longer than it passes on'],
  [CloseCode.RESTART]: ['UNREACHABLE', 'the relay stops or starts again', RECONNECTS],
  [CloseCode.TAKEN]: [
    'REPLACED',
    'a newer connection has this side of the route',
    'Does a second program use the same identity towards the same peer, or the same side of a pair key? Stop one of them.',
  ],
  [CloseCode.TOKEN]: [
    'RELAY_REFUSED',
    'the token is missing, wrong or too old',
    'Ask the owner of the relay for a new token (`usmp relay token`).',
  ],
  [CloseCode.LIMIT]: ['RELAY_REFUSED', 'a limit of the relay is reached', 'The message says which. Try again later.'],
  [CloseCode.WAITED_TOO_LONG]: ['UNREACHABLE', 'the peer did not come', RECONNECTS],
  [CloseCode.PEER_GONE]: ['TRUNCATED', 'the peer has left the circuit', RECONNECTS],
  [CloseCode.TOO_SLOW]: ['TRANSPORT_FAILED', 'one of the peers did not read for too long', RECONNECTS],
}

/** What is different at a pairing, where there is one attempt. */
const MEANINGS_OF_PAIRING: Readonly<Record<number, Meaning>> = {
  [CloseCode.TAKEN]: ['PAIRING_FAILED', 'somebody else uses this code too', NEW_CODE],
  [CloseCode.WAITED_TOO_LONG]: ['PAIRING_FAILED', 'nobody came in time', NEW_CODE],
}

/**
 * The error for the end of a connection to a relay.
 * @param cause what the transport ended with
 * @param pairing whether the route is that of a pairing code
 * @returns undefined for an end in order, without a reason
 */
export function relayError(cause: unknown, pairing: boolean): unknown {
  if (!(cause instanceof ClosedByRelay)) return cause
  const own = pairing ? MEANINGS_OF_PAIRING[cause.code] : undefined
  const [code, detail, hint] = own ?? MEANINGS[cause.code] ?? ['TRANSPORT_FAILED', `it closed with ${cause.code}`]
  return new UsmpError(code, `${detail}${quote(cause.reason)}`, { cause, ...(hint ? { hint } : {}) })
}

/** Longest quotation, characters. */
const MAX_QUOTED = 100

/** The relay is not trusted: its words may neither move the cursor of a terminal nor fill a page. */
function quote(reason: string): string {
  const words = reason.slice(0, MAX_QUOTED).replace(/[^\x20-\x7e]/g, '?')
  return words && ` (the relay says "${words}")`
}
