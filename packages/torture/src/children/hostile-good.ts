// Good clients: sessions that are open and exchange messages, and clients that connect again all the time.
import { setTimeout as sleep } from 'node:timers/promises'
import { Session, type Transport } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { connectTcp, connectUdp, nodeClock, nodeProvider, nodeRandom } from '@usmp/node'
import { deviceId, Kind, psk } from '../hostile/identities.js'
import type { GoodFigures, Tally } from '../hostile/results.js'
import { serveCommands } from './control-channel.js'

const HOST = '127.0.0.1'
/** One way between a far client and the server, ms. */
const FAR = 50
const STEADY = 10
const CONNECTORS = 2
/** Between two messages of a session, and two sessions of a client, ms. */
const PAUSE = 100
/** A step of a handshake, or an echo, that takes longer is not served, ms; as long as clients wait by default. */
const PATIENCE = 5_000

type Network = 'tcp' | 'udp'
const MEASURES = ['connects', 'farConnects', 'echoes'] as const
type Measure = (typeof MEASURES)[number]

/** What was begun in one while; it is complete when nothing of it is under way. */
class While {
  underWay = 0
  readonly #times: Record<Measure, number[]> = { connects: [], farConnects: [], echoes: [] }
  readonly #failures: Record<Measure, Record<string, number>> = { connects: {}, farConnects: {}, echoes: {} }

  async measure<T>(what: Measure, network: Network, action: () => Promise<T>): Promise<T> {
    this.underWay++
    const begin = performance.now()
    try {
      const result = await action()
      this.#times[what].push(performance.now() - begin)
      return result
    } catch (error) {
      const { code = String(error) } = error as { code?: string }
      const name = `${network.toUpperCase()} ${code}`
      this.#failures[what][name] = (this.#failures[what][name] ?? 0) + 1
      throw error
    } finally {
      this.underWay--
    }
  }

  get figures(): GoodFigures {
    const entries = MEASURES.map((what) => [what, tally(this.#times[what], this.#failures[what])])
    return Object.fromEntries(entries)
  }
}

function tally(times: readonly number[], failures: Record<string, number>): Tally {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0)
  return { tried: times.length + failed, served: times.length, p50: at(0.5), p99: at(0.99), failures }
}

let current = new While()
let ports: Record<Network, number>
let patience = PATIENCE

/** Bytes take their time in both directions. */
function far(transport: Transport): Transport {
  return {
    ...transport,
    open: (sink) =>
      transport.open({
        receive: (bytes) => {
          const copy = Uint8Array.from(bytes)
          setTimeout(() => sink.receive(copy), FAR)
        },
        drain: () => sink.drain(),
        end: (cause) => void setTimeout(() => sink.end(cause), FAR),
      }),
    write(frames) {
      setTimeout(() => transport.write(frames), FAR)
      return true
    },
    async close(reason) {
      await sleep(FAR)
      await transport.close(reason)
    },
  }
}

async function open(network: Network, number: number, isFar = false): Promise<Session> {
  const transport =
    network === 'tcp' ? await connectTcp(HOST, ports.tcp, { timeout: patience }) : await connectUdp(HOST, ports.udp, {})
  try {
    return await Session.connect(isFar ? far(transport) : transport, {
      deviceId: deviceId(Kind.GOOD, number),
      psk,
      provider: nodeProvider,
      random: nodeRandom,
      clock: nodeClock,
      reliableDatagram: ReliableDatagram,
      handshakeTimeout: patience,
    })
  } catch (error) {
    transport.abort()
    throw error
  }
}

async function echo(session: Session): Promise<void> {
  await session.send('good')
  const answer = await session.receive({ signal: AbortSignal.timeout(patience) })
  if (Buffer.from(answer!).toString() !== 'good') throw new Error('another answer')
}

/** Keeps a session open, and uses it. */
async function stay(network: Network, number: number, onOpen: () => void): Promise<never> {
  for (let first = true; ; first = false) {
    try {
      const connect = () => open(network, number)
      const session = await (first ? connect() : current.measure('connects', network, connect))
      onOpen()
      try {
        for (;;) {
          await current.measure('echoes', network, () => echo(session))
          await sleep(PAUSE)
        }
      } finally {
        void session.close()
      }
    } catch {
      await sleep(PAUSE)
    }
  }
}

/** Comes and goes. */
async function visit(network: Network, number: number, isFar: boolean): Promise<never> {
  const what = isFar ? 'farConnects' : 'connects'
  for (;;) {
    try {
      const session = await current.measure(what, network, () => open(network, number, isFar))
      await session.close()
    } catch {
      // It is counted.
    }
    await sleep(PAUSE)
  }
}

await serveCommands({
  /** Resolves when all sessions that stay are open. `patience` in ms, where it is not the default. */
  async begin(given: Record<Network, number> & { patience?: number }): Promise<void> {
    ports = given
    patience = given.patience ?? PATIENCE
    let number = 0
    const staying: Promise<void>[] = []
    for (const network of ['tcp', 'udp'] as const) {
      for (let i = 0; i < STEADY; i++) {
        staying.push(new Promise((resolve) => void stay(network, number++, resolve)))
      }
      for (let i = 0; i < CONNECTORS; i++) {
        for (const isFar of [false, true]) void visit(network, number++, isFar)
      }
    }
    await Promise.all(staying)
  },
  /** What is begun within so many ms, to its end. */
  async watch(time: number): Promise<GoodFigures> {
    const watched = (current = new While())
    await sleep(time)
    current = new While()
    while (watched.underWay > 0) await sleep(10)
    return watched.figures
  },
})
