import { connectWebSocket, type TlsOptions } from '@usmp/node/adapters'
import { closedByRelay, type Dial } from './dial.js'
import { SUBPROTOCOL } from './wire.js'

/**
 * Dials a relay from Node.
 * @param tls for `wss`: `ca` and `pin` say which relay is trusted, `cert` and `key` are for a relay that asks for them
 */
export function nodeDial(tls: TlsOptions = {}): Dial {
  return (url, options) =>
    connectWebSocket(url, { ...tls, ...options, protocol: SUBPROTOCOL, closeCause: closedByRelay })
}
