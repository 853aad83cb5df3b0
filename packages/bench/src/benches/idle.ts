import { startChild } from '../children/start.js'
import type { Contestant } from '../interleave.js'
import type { Bench } from './bench.js'

const SESSIONS = 1000

/** What makes the code hot and grows the pools, before anything is counted. */
const WARM_UP_SESSIONS = 100

type Kind = 'tcp' | 'usmp'
type Side = 'server' | 'clients'
type Measure = 'resident' | 'heap'

const names: Record<Kind, string> = { tcp: 'TCP', usmp: 'USMP' }
const figures: readonly { side: Side; measure: Measure; name: string }[] = [
  { side: 'server', measure: 'resident', name: 'server, resident' },
  { side: 'server', measure: 'heap', name: 'server, objects and buffers' },
  { side: 'clients', measure: 'resident', name: 'client, resident' },
]

export const idleSessions: Bench = {
  id: 'idle-session',
  title: 'Memory of an idle session over TCP',
  unit: 'bytes',
  about:
    `What each of ${SESSIONS} open sessions adds to the memory of its process after a collection; server and clients in a ` +
    'process each. TCP is a bare socket of Node. The aim is 12 KB resident at the server.',
  rounds: 1,
  contestants: async (_atEnd, minimal) => {
    const sessions = minimal ? 10 : SESSIONS
    return figures.flatMap(({ side, measure, name }) =>
      (['tcp', 'usmp'] as const).map(
        (kind): Contestant => ({
          name: `${names[kind]}, ${name}`,
          measure: () => bytesPerSession(kind, side, measure, sessions),
        }),
      ),
    )
  },
}

/** Starts both processes, opens the sessions, and says what each costs one side. */
async function bytesPerSession(kind: Kind, side: Side, measure: Measure, sessions: number): Promise<number> {
  const server = startChild('idle-server', kind)
  const clients = startChild('idle-clients', kind, String(await server.ask('port')))
  try {
    const observed = { server, clients }[side]
    await clients.ask(`open ${Math.min(WARM_UP_SESSIONS, sessions)}`)
    await clients.ask('close')
    const before = (await observed.ask('memory')) as Record<Measure, number>
    await clients.ask(`open ${sessions}`)
    const after = (await observed.ask('memory')) as Record<Measure, number>
    return (after[measure] - before[measure]) / sessions
  } finally {
    await clients.end()
    await server.end()
  }
}
