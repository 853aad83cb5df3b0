// What loss does to sessions over datagrams, on simulated time.
import { nodeProvider } from '@usmp/node'
import { type Conditions, Pair, simulatedNetwork } from '@usmp/testing'
import { table } from '@usmp/testing/markdown'
import type { Torture } from './torture.js'

/** 50 ms there and back, and up to 2 ms more each way. */
const PATH: Conditions = { delay: 25, jitter: 2 }
const networks: [string, Conditions][] = [
  ['no loss', PATH],
  ['1 % loss', { ...PATH, loss: 0.01 }],
  ['5 % loss', { ...PATH, loss: 0.05 }],
  ['20 % loss', { ...PATH, loss: 0.2 }],
  ['5 % reordering', { ...PATH, reordering: 0.05 }],
]
const MESSAGES = 200
const MESSAGE = new Uint8Array(200).fill(7)
const cookie = new Uint8Array(16).fill(3)
const cookies = { issue: () => cookie, verify: (given: Uint8Array) => given[0] === 3 }

function pairOver(conditions: Conditions, seed: number, maxInFlight: number): Pair {
  const provider = nodeProvider
  return new Pair({
    kind: 'datagram',
    seed,
    network: simulatedNetwork(conditions, seed),
    client: { provider, datagram: { maxInFlight } },
    server: { provider, cookies },
  })
}

/** Runs the handshake to its end; whether it came to a session. */
function connects(pair: Pair): boolean {
  while (!pair.client.established && !pair.reason('client')) step(pair)
  return pair.client.established
}

/** Lets the next thing happen. */
function step(pair: Pair): void {
  pair.run(Math.max(pair.now, pair.nextAt ?? pair.now))
}

interface Outcome {
  readonly delivered: number
  /** ms from the first message to the last delivery. */
  readonly time: number
  /** ms; the longest time without a delivery. */
  readonly silence: number
  /** Whether the session was told to have failed before everything had arrived. */
  readonly failed: boolean
}

/** One session that sends as fast as it may. */
function transfer(pair: Pair): Outcome {
  const start = pair.now
  let [sent, delivered, lastAt, silence] = [0, 0, start, 0]
  while (delivered < MESSAGES && !pair.reason('client')) {
    while (sent < MESSAGES && !pair.client.full) {
      pair.send('client', MESSAGE)
      sent++
    }
    step(pair)
    const now = pair.messages('server').length
    if (now === delivered) continue
    delivered = now
    silence = Math.max(silence, pair.now - lastAt)
    lastAt = pair.now
  }
  return { delivered, time: lastAt - start, silence, failed: delivered < MESSAGES }
}

function measure([name, conditions]: [string, Conditions], runs: number, firstSeed: number): string[] {
  let connected = 0
  for (let run = 0; run < runs; run++) if (connects(pairOver(conditions, firstSeed + run, 8))) connected++
  const sessions = Math.ceil(runs / 10)
  const outcomes = (maxInFlight: number) => {
    const found: Outcome[] = []
    for (let seed = firstSeed; found.length < sessions; seed++) {
      const pair = pairOver(conditions, seed, maxInFlight)
      if (connects(pair)) found.push(transfer(pair))
    }
    return found
  }
  const several = outcomes(8)
  const one = outcomes(1)
  const sum = (list: readonly Outcome[], value: (outcome: Outcome) => number) =>
    list.reduce((total, outcome) => total + value(outcome), 0)
  const goodput = (list: readonly Outcome[]) =>
    (sum(list, ({ delivered }) => delivered) * MESSAGE.length) / sum(list, ({ time }) => time)
  const [fast, slow] = [goodput(several), goodput(one)]
  return [
    name,
    percent(connected / runs),
    percent(sum(several, ({ delivered }) => delivered) / (sessions * MESSAGES)),
    percent(several.filter(({ failed }) => failed).length / sessions),
    fast.toFixed(1),
    slow.toFixed(1),
    `${(fast / slow).toFixed(1)} ×`,
    (Math.max(...several.map(({ silence }) => silence)) / 1000).toFixed(2),
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

const header = [
  'network',
  'handshakes that succeed',
  'messages delivered',
  'sessions that end early, aloud',
  'goodput, kB/s',
  'stop and wait, kB/s',
  'gain',
  'longest silence, s',
]
export const loss: Torture = {
  name: 'loss',
  what: 'sessions over datagrams on a simulated bad network',
  async run({ short, seed, progress }) {
    const runs = short ? 20 : 1000
    const rows = networks.map((network) => {
      progress(network[0])
      return measure(network, runs, seed)
    })
    return `Seed ${seed}, ${runs} handshakes and ${Math.ceil(runs / 10)} sessions for each network.\n\n${table(header, rows)}`
  },
}
