import { type Clock, Session, streamTransport } from '@usmp/core'
import { nodeClock, nodeProvider, nodeRandom } from '@usmp/node'

const PSK = nodeRandom(32)

/** Both ends of a new session in memory. */
export async function sessionPair(clock: Clock = nodeClock): Promise<{ client: Session; server: Session }> {
  const there = new TransformStream<Uint8Array, Uint8Array>()
  const back = new TransformStream<Uint8Array, Uint8Array>()
  const common = { random: nodeRandom, provider: nodeProvider, clock, keepalive: 0, idleTimeout: 0 }
  const [client, server] = await Promise.all([
    Session.connect(streamTransport({ kind: 'stream', readable: back.readable, writable: there.writable }), {
      ...common,
      deviceId: Uint8Array.of(2, 0, 0, 0, 0, 1),
      psk: PSK,
    }),
    Session.accept(streamTransport({ kind: 'stream', readable: there.readable, writable: back.writable }), {
      ...common,
      authorize: () => ({ psk: PSK }),
    }),
  ])
  return { client, server }
}
