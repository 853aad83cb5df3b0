import type { CipherSuite, CryptoProvider, WireVersion } from '@usmp/core'
import { type ClientOptions, Connection, concatBytes, type ServerOptions, type TransportKind } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { RecordLayer, ReplayWindow, wireVersion2 } from '@usmp/core/internal'
import { wireVersion1 } from '@usmp/core/wire-version-1'
import { text } from './bytes.js'
import { DEVICE_ID_BYTES, PSK } from './identities.js'
import type { Side } from './pair.js'
import { pseudoRandom } from './random.js'

export interface FixedSession {
  readonly suite: CipherSuite
  readonly sessionId: Uint8Array
  readonly clientToServer: Uint8Array
  readonly serverToClient: Uint8Array
}

/** The keys of a session as one side names them. */
export const keysOf = (session: FixedSession, side: Side) =>
  side === 'client'
    ? { tx: session.clientToServer.slice(), rx: session.serverToClient.slice() }
    : { tx: session.serverToClient.slice(), rx: session.clientToServer.slice() }

/** The cipher of one side, both directions beginning with the given numbers. */
export function cipherOf(
  provider: CryptoProvider,
  session: FixedSession,
  side: Side,
  options: { ordered?: boolean; tx?: number; rx?: number; wireVersion?: WireVersion } = {},
): RecordLayer {
  const { ordered = true, tx = 0, rx = 0, wireVersion = 2 } = options
  const protocol = wireVersion === 1 ? wireVersion1 : wireVersion2
  const { suite, sessionId } = session
  return new RecordLayer(
    provider,
    protocol,
    { suite, sessionId, keys: keysOf(session, side) },
    ordered ? undefined : ReplayWindow,
    side === 'client',
    { tx, rx },
  )
}

/** A random source that a test loads with what comes next; otherwise pseudo-random. */
export class LoadedRandom {
  readonly #queue: Uint8Array[] = []
  readonly #rest = pseudoRandom(99)

  load(...values: readonly Uint8Array[]): void {
    this.#queue.push(...values)
  }

  readonly source = (length: number): Uint8Array => {
    const index = this.#queue.findIndex((value) => value.length === length)
    return index < 0 ? this.#rest(length) : this.#queue.splice(index, 1)[0]!.slice()
  }
}

/**
 * Two established connections whose keys and session id are given: a real handshake, in which the key derivation of the
 * handshake (info "usmp-v…") is replaced. Everything behind it is as always.
 */
export function connectWith(
  provider: CryptoProvider,
  session: FixedSession,
  options: {
    kind?: TransportKind
    client?: Partial<ClientOptions>
    server?: Partial<ServerOptions>
    random?: Record<Side, LoadedRandom>
  } = {},
): Record<Side, Connection> {
  const { kind = 'stream', random = { client: new LoadedRandom(), server: new LoadedRandom() } } = options
  const fixed: CryptoProvider = {
    ...provider,
    hkdfSha256(ikm, salt, info, length) {
      const handshake = String.fromCharCode(...info.subarray(0, 6)) === 'usmp-v'
      if (!handshake) return provider.hkdfSha256(ikm, salt, info, length)
      return concatBytes(session.clientToServer, session.serverToClient)
    },
  }
  const quiet = { kind, provider: fixed, keepalive: 0, idleTimeout: 0 }
  random.server.load(session.sessionId)
  const client = Connection.client(
    {
      ...quiet,
      reliableDatagram: ReliableDatagram,
      random: random.client.source,
      deviceId: DEVICE_ID_BYTES,
      psk: PSK,
      suite: session.suite,
      ...options.client,
    },
    0,
  )
  const server = Connection.server(
    { ...quiet, reliableDatagram: ReliableDatagram, random: random.server.source, ...options.server },
    0,
  )
  exchange(client, server)
  server.authorize({ psk: PSK, suite: session.suite }, 0)
  exchange(client, server)
  if (!client.established || !server.established) throw new Error('the handshake failed')
  for (const end of [client, server]) while (end.pollEvent());
  return { client, server }
}

/** Carries everything from each end to the other until both are silent. */
function exchange(client: Connection, server: Connection): void {
  for (let silent = false; !silent; ) {
    silent = true
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      for (let bytes = from.pollTransmit(); bytes; bytes = from.pollTransmit()) {
        silent = false
        to.receive(bytes, 0)
      }
    }
  }
}

/** Sends `count` messages from one side to the other, to bring the counters where a test needs them. */
export function windOn(from: Connection, to: Connection, count: number): void {
  for (let i = 0; i < count; i++) {
    from.send(text('x'), 0)
    to.receive(from.pollTransmit()!, 0)
  }
  while (to.pollEvent());
}
