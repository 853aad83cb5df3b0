import { CipherSuite, Connection, type CryptoProvider, nobleProvider } from '@usmp/core'
import { nodeProvider, nodeRandom } from '@usmp/node'
import { nextDeviceId, psk } from '../fixtures.js'
import type { Library, Suite } from './primitives.js'

export const providers: Record<Library, CryptoProvider> = { 'node:crypto': nodeProvider, noble: nobleProvider }

export const suiteIds: Record<Suite, CipherSuite> = {
  'AES-256-GCM': CipherSuite.AES_256_GCM,
  'ChaCha20-Poly1305': CipherSuite.CHACHA20_POLY1305,
}

/** Both ends of an established session, with nothing but memory between them. */
export interface Pair {
  readonly client: Connection
  readonly server: Connection
}

/** Performs a whole handshake. */
export function handshake(library: Library, suite: Suite = 'AES-256-GCM'): Pair {
  const options = { kind: 'stream' as const, random: nodeRandom, provider: providers[library] }
  const server = Connection.server(options, 0)
  const client = Connection.client({ ...options, deviceId: nextDeviceId(), psk, suite: suiteIds[suite] }, 0)
  deliver(client, server)
  if (server.pollEvent()?.kind !== 'hello') throw new Error('no HELLO arrived')
  server.authorize({ psk, suite: suiteIds[suite] }, 0)
  deliver(server, client)
  deliver(client, server)
  deliver(server, client)
  if (client.pollEvent()?.kind !== 'connected' || server.pollEvent()?.kind !== 'connected') {
    throw new Error('the handshake failed')
  }
  return { client, server }
}

/** Carries one message from the client to the server. */
export function transfer({ client, server }: Pair, message: Uint8Array): void {
  client.send(message, 0)
  deliver(client, server)
  if (server.pollEvent()?.kind !== 'message') throw new Error('no message arrived')
}

function deliver(from: Connection, to: Connection): void {
  for (let bytes = from.pollTransmit(); bytes; bytes = from.pollTransmit()) to.receive(bytes, 0)
}
