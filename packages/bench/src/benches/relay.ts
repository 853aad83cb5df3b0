import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild, startForeignChild } from '../children/start.js'
import type { Contestant } from '../interleave.js'
import type { Bench } from './bench.js'

/** Messages of one turn. */
const FRAMES = 200_000
const ROUNDS = 5
/** As many as there can be with 20,000 descriptors, where a system gives no more to a process. */
const CIRCUITS = 9_900
/** What makes the code hot and grows the pools, before anything is counted. */
const WARM_UP_CIRCUITS = 200
const MINIMAL_CIRCUITS = 10

type Kind = 'usmp' | 'naive' | 'splice' | 'bun'

const names: Readonly<Record<Kind, string>> = {
  naive: 'ws, as it is written first',
  usmp: 'USMP relay',
  bun: 'the WebSocket server of Bun',
  splice: 'TCP splice',
}

/** Where the program `bun` is, if it is in PATH. */
export function findBun(): string | undefined {
  const folders = (process.env.PATH ?? '').split(':')
  return folders.map((folder) => join(folder, 'bun')).find(existsSync)
}

function startRelayChild(kind: Kind): Child {
  return kind === 'bun' ? startForeignChild(findBun()!, 'relay-bun') : startChild('relay-server', kind)
}

async function startPeers(kind: Kind, relay: Child, size: number): Promise<Child> {
  return startChild(
    'relay-clients',
    kind === 'splice' ? 'tcp' : 'websocket',
    String(await relay.ask('port')),
    String(size),
  )
}

/** Messages of one size, one way through one circuit, as fast as they go. */
function forwarding(size: number): Bench {
  return {
    id: `relay-forward-${size}`,
    title: `Passing on a message of ${size} bytes`,
    unit: 'µs',
    about:
      `Processor time of the relay’s process for each of ${FRAMES.toLocaleString('en')} messages, one way through one circuit; the peers are ` +
      'in another process and send frames that were made before. “As it is written first” hands every message to `send` of the other ' +
      'socket; a splice copies bytes and knows nothing of messages. Per second is what one core could do. Aimed at: 1.8 times the naive ' +
      'one, 0.7 of Bun, 0.2 of the splice, at 492 bytes.',
    rounds: ROUNDS,
    contestants: async (atEnd, minimal) => {
      const kinds: Kind[] = ['naive', 'usmp', ...(findBun() ? (['bun'] as const) : []), 'splice']
      const frames = minimal ? 100 : FRAMES
      return Promise.all(
        kinds.map(async (kind): Promise<Contestant> => {
          const relay = startRelayChild(kind)
          const peers = await startPeers(kind, relay, size)
          atEnd(async () => {
            await peers.end()
            await relay.end()
          })
          await peers.ask('open 1')
          const measure = async () => {
            const before = Number(await relay.ask('cpu'))
            await peers.ask(`flood ${frames}`)
            return (Number(await relay.ask('cpu')) - before) / frames
          }
          const name = names[kind]
          if (kind === 'naive') return { name, measure }
          return { name, limit: names.naive, ...(kind === 'usmp' && size === 492 ? { target: 1.8 } : {}), measure }
        }),
      )
    },
  }
}

/** What a circuit that is silent takes from the relay. */
async function bytesPerCircuit(kind: Kind, measure: 'resident' | 'heap', count: number): Promise<number> {
  const relay = startRelayChild(kind)
  const peers = await startPeers(kind, relay, 1)
  try {
    await peers.ask(`open ${Math.min(WARM_UP_CIRCUITS, count)}`)
    await peers.ask('close')
    const before = (await relay.ask('memory')) as Record<string, number>
    await peers.ask(`open ${count}`)
    const after = (await relay.ask('memory')) as Record<string, number>
    return (after[measure]! - before[measure]!) / count
  } finally {
    await peers.end()
    await relay.end()
  }
}

const idleCircuits: Bench = {
  id: 'relay-idle',
  title: `Memory of an idle circuit, ${CIRCUITS.toLocaleString('en')} of them`,
  unit: 'bytes',
  about:
    'What each circuit, which is two WebSockets without TLS, adds to the memory of the relay’s process after a collection. The aim is ' +
    '20 kB resident.',
  rounds: 1,
  contestants: async (_atEnd, minimal) =>
    (['naive', 'usmp'] as const).flatMap((kind) =>
      (['resident', 'heap'] as const).map(
        (measure): Contestant => ({
          name: `${names[kind]}, ${measure === 'resident' ? 'resident' : 'objects and buffers'}`,
          measure: () => bytesPerCircuit(kind, measure, minimal ? MINIMAL_CIRCUITS : CIRCUITS),
        }),
      ),
    ),
}

export const relayBenches: readonly Bench[] = [forwarding(100), forwarding(492), idleCircuits]
