import { connect, listen, type Session } from '@usmp/node'
import { nextDeviceId, psk } from '../fixtures.js'
import type { Library, Suite } from './primitives.js'
import { Arrivals, type StackOpener } from './stack.js'
import { providers, suiteIds } from './usmp-memory.js'

/** A server takes whatever a benchmark opens. */
export const NO_LIMIT = { maxConnections: 100_000, maxConnectionsPerAddress: 100_000, maxHandshakes: 100_000 }

/** USMP as a program uses it: `listen`, `connect`, `send`, `receive` and nothing below them. */
export function usmp(library: Library, suite: Suite, carrier: 'tcp' | 'udp' = 'tcp'): StackOpener {
  return async (size, atEnd) => {
    const message = new Uint8Array(size).fill(0x5a)
    const arrivals = new Arrivals()
    // The provider of Node is the default, and that is what a program has.
    const provider = library === 'noble' ? { provider: providers.noble } : {}
    const options = { ...provider, suite: suiteIds[suite] }

    async function serve(onSession: (session: Session) => Promise<void>): Promise<string> {
      const server = await listen({
        ...options,
        ...NO_LIMIT,
        [carrier]: { host: '127.0.0.1', port: 0 },
        psk: () => psk,
      })
      atEnd(() => server.close())
      void (async () => {
        for await (const session of server) void onSession(session)
      })()
      return carrier === 'udp' ? `usmp+udp://${server.udpAddress}` : `usmp://${server.address}`
    }
    const dial = (url: string) => connect(url, { ...options, deviceId: nextDeviceId(), psk })

    const echoUrl = await serve(async (session) => {
      for await (const received of session) await session.send(received)
    })
    const sinkUrl = await serve(async (session) => {
      for await (const received of session) arrivals.add(received.length)
    })
    const echoing = await dial(echoUrl)
    const sinking = await dial(sinkUrl)
    atEnd(() => Promise.all([echoing.close(), sinking.close()]))

    return {
      name: `USMP${carrier === 'udp' ? ' over UDP' : ''} ${suite}, ${library}`,
      async visit() {
        const session = await dial(echoUrl)
        await session.send(message.subarray(0, 1))
        await session.receive()
        return () => session.close()
      },
      async pour(count) {
        const arrived = arrivals.expect(count * size)
        for (let i = 0; i < count; i++) await sinking.send(message)
        await arrived
      },
      async echo(count, window) {
        let sent = 0
        for (; sent < Math.min(window, count); sent++) await echoing.send(message)
        for (let received = 0; received < count; received++) {
          await echoing.receive()
          if (sent++ < count) await echoing.send(message)
        }
      },
    }
  }
}
