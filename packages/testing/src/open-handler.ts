import type { Transport } from '@usmp/core'
import type { ConnectionHandler } from '@usmp/node/internal'

/** Takes every connection and performs no handshake: a test gets the transports. */
export function openHandler(onTransport: (transport: Transport) => void): ConnectionHandler {
  return {
    async accept(transport) {
      onTransport(transport)
      return undefined
    },
    reserve: ({ address, source, handle }) => ({
      address,
      source,
      handle,
      deviceId: undefined,
      handshake: new AbortController(),
    }),
    acceptReserved: onTransport,
    release: () => {},
    onRefused: () => {},
    onFault: () => {},
  }
}
