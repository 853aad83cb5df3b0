import { startChild } from '../children/start.js'
import { type Contestant, spread } from '../interleave.js'
import type { Bench } from './bench.js'

const COUNTS = [1, 100, 1_000, 10_000]
/** How long every session says something, s. */
const TALK = 5
const STORM = 1_000
/** Sessions that make the code hot before anything is counted. */
const WARM_UP = 200

type Child = ReturnType<typeof startChild>

/** Runs with a server and clients in a process each. */
async function withChildren<T>(work: (server: Child, clients: Child) => Promise<T>): Promise<T> {
  const server = startChild('idle-server', 'usmp')
  const clients = startChild('idle-clients', 'usmp', String(await server.ask('port')))
  try {
    return await work(server, clients)
  } finally {
    await clients.end()
    await server.end()
  }
}

const name = (sessions: number) => `USMP, ${sessions.toLocaleString('en')} sessions`
const countsFor = (minimal: boolean) => (minimal ? [1, 5] : COUNTS)

async function resident(child: Child): Promise<number> {
  return ((await child.ask('memory')) as { resident: number }).resident
}

export const scaleMemory: Bench = {
  id: 'scale-memory',
  title: 'Memory of the server by number of sessions',
  unit: 'bytes',
  about:
    'Resident, for each idle TCP session, over what the process has without any. Part of it is what Node itself grows ' +
    'by when it first has work (its young generation, up to some 16 MB), whatever the number; the last line is without ' +
    'that: what each session adds on the way from a tenth of the most to the most. The aim is 12 KB.',
  rounds: 1,
  contestants: async (_atEnd, minimal) => {
    const counts = countsFor(minimal)
    const [most, tenth] = [counts.at(-1)!, Math.ceil(counts.at(-1)! / 10)]
    const measured = new Map<number, Promise<number>>()
    return [
      ...counts.map(
        (sessions): Contestant => ({
          name: name(sessions),
          measure: () =>
            withChildren(async (server, clients) => {
              const before = await resident(server)
              await clients.ask(`open ${sessions}`)
              return ((await resident(server)) - before) / sessions
            }),
        }),
      ),
      {
        name: 'USMP, each further session',
        // The same for every call, as the warm-up is one already.
        measure() {
          const known = measured.get(most)
          if (known) return known
          const result = withChildren(async (server, clients) => {
            await clients.ask(`open ${tenth}`)
            const before = await resident(server)
            await clients.ask(`open ${most - tenth}`)
            return ((await resident(server)) - before) / (most - tenth)
          })
          measured.set(most, result)
          return result
        },
      },
    ]
  },
}

export const scaleCost: Bench = {
  id: 'scale-cost',
  title: 'Processor time of the server for a message, by number of sessions',
  unit: 'µs',
  about:
    `Every session sends 64 bytes once a second, for ${TALK} s; what the process of the server used meanwhile, by the number ` +
    'of messages. Few sessions wake the process for each message by itself. Flat is 100 % of what it is with a tenth of ' +
    'the sessions.',
  rounds: 1,
  contestants: async (_atEnd, minimal) =>
    countsFor(minimal).map((sessions, i, counts): Contestant => {
      const measure = () =>
        withChildren(async (server, clients) => {
          await clients.ask(`open ${sessions}`)
          const before = Number(await server.ask('cpu'))
          const sent = Number(await clients.ask(`talk ${minimal ? 0.2 : TALK}`))
          return (Number(await server.ask('cpu')) - before) / sent
        })
      return i === 0
        ? { name: name(sessions), measure }
        : { name: name(sessions), limit: name(counts[i - 1]!), measure }
    }),
}

export const storm: Bench = {
  id: 'storm',
  title: `A storm of ${STORM.toLocaleString('en')} handshakes at once`,
  unit: 'ms',
  about:
    'All clients of one process connect in the same moment to a server in another; from then on until they are served.',
  rounds: 1,
  contestants: async (_atEnd, minimal) => {
    const count = minimal ? 5 : STORM
    const run = () =>
      withChildren(async (_server, clients) => {
        await clients.ask(`open ${Math.min(WARM_UP, count)}`)
        return (await clients.ask(`storm ${count}`)) as number[]
      })
    return [
      { name: 'USMP, half of them', measure: async () => spread(await run()).median },
      { name: 'USMP, 99 of 100', measure: async () => (await run())[Math.ceil(count * 0.99) - 1]! },
      { name: 'USMP, all', measure: async () => spread(await run()).max },
    ]
  },
}
