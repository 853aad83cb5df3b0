import { openWebSocket } from '@usmp/browser'
import { closedByRelay, type Dial } from './dial.js'
import { SUBPROTOCOL } from './wire.js'

/** Dials a relay from a page or a worker. Which relay is trusted, and with which certificate of this client, the browser decides. */
export function browserDial(): Dial {
  return (url, { timeout, signal }) => openWebSocket(url, timeout, signal, SUBPROTOCOL, closedByRelay)
}
