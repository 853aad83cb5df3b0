// Real sessions and channels through a relay that is a process of its own, in real time.
import { setTimeout as sleep } from 'node:timers/promises'
import { Session, type Transport } from '@usmp/core'
import { nodeProvider, nodeRandom } from '@usmp/node'
import { Channel, type Cover, openCircuit, sessionTiming } from '@usmp/relay'
import { nodeDial } from '@usmp/relay/node'
import { DEVICE_ID_BYTES, PSK, Random, type SeenFrame } from '@usmp/testing'
import { Child } from '../children.js'
import { LOOPBACK } from '../fleet.js'
import type { LabelledFrame } from './observation.js'

const CELL = 492
/** What is under way has arrived after this, ms. */
const SETTLING = 500

/** A relay that notes what it sees, and the circuits through it. */
export class RealRelay {
  readonly #child = new Child('cover-relay')
  #url: URL | undefined
  #circuits = 0

  async start(): Promise<void> {
    this.#url = new URL(`ws://${LOOPBACK}:${await this.#child.ask<number>('port')}`)
  }

  seen(circuit: number): Promise<readonly SeenFrame[]> {
    return this.#child.ask('seen', circuit)
  }

  end(): Promise<void> {
    return this.#child.end()
  }

  /** @param onCell told each cell that leaves an end */
  async meet(cover: Cover, onCell: (side: 0 | 1) => void): Promise<RealMeeting> {
    const circuit = ++this.#circuits
    const route = new Uint8Array(16)
    new DataView(route.buffer).setUint32(0, circuit)
    const open = async (side: 0 | 1) => {
      const join = { route, side, pairing: false, token: new Uint8Array(0) }
      return tapped(await openCircuit({ url: this.#url!, dial: nodeDial(), join }), () => onCell(side))
    }
    const [server, client] = await Promise.all([open(0), open(1)])
    const common = { random: nodeRandom, provider: nodeProvider, ...sessionTiming(cover) }
    const sessions = await Promise.all([
      Session.accept(server, { ...common, authorize: () => ({ psk: PSK }) }),
      Session.connect(client, { ...common, psk: PSK, deviceId: DEVICE_ID_BYTES }),
    ])
    const channels = [new Channel({ cover }), new Channel({ cover })] as const
    for (const [side, channel] of channels.entries()) void channel.attach(sessions[side]!)
    return { circuit, channels, end: async () => void (await Promise.all(sessions.map((session) => session.close()))) }
  }
}

export interface RealMeeting {
  readonly circuit: number
  readonly channels: readonly [Channel, Channel]
  end(): Promise<void>
}

/** The same transport; tells of each cell when all that made it leave is done. */
function tapped(transport: Transport, onCell: () => void): Transport {
  return {
    kind: transport.kind,
    address: transport.address,
    open: (sink) => transport.open(sink),
    write: (frames) => {
      for (const { length } of frames) if (length === CELL) queueMicrotask(onCell)
      return transport.write(frames)
    },
    pause: () => transport.pause(),
    resume: () => transport.resume(),
    close: (reason) => transport.close(reason),
    abort: (reason) => transport.abort(reason),
  }
}

async function takeAll(channel: Channel, onMessage: () => void = () => {}): Promise<void> {
  for await (const _ of channel) onMessage()
}

/** T1 as in the simulation, for some circuits at once; each circuit by itself. */
export async function watchRealCells(
  relay: RealRelay,
  cover: Cover,
  circuits: number,
  time: number,
  seed: number,
): Promise<LabelledFrame[][]> {
  const coins = new Random(seed)
  const until = performance.now() + time
  return Promise.all(
    Array.from({ length: circuits }, async () => {
      const labels: (boolean | undefined)[][] = [[], []]
      const next: (boolean | undefined)[] = [undefined, undefined]
      let channels: readonly Channel[] = []
      const meeting = await relay.meet(cover, (side) => {
        labels[side]!.push(next[side])
        const coin = channels[side] ? coins.share() < 0.5 : undefined
        next[side] = coin
        if (coin) channels[side]!.trySend(coins.bytes(coins.between(0, 425)))
      })
      channels = meeting.channels
      for (const channel of channels) void takeAll(channel).catch(() => {})
      await sleep(until - performance.now())
      channels = []
      await meeting.end()
      await sleep(SETTLING)
      const frames = (await relay.seen(meeting.circuit)).filter(({ size }) => size === CELL)
      const count = [0, 0]
      return frames.map((frame) => ({ ...frame, label: labels[frame.from]![count[frame.from]!++] }))
    }),
  )
}

/** T2: one session, as in the simulation. */
export async function watchRealSession(relay: RealRelay, cover: Cover, meanGap: number, gaps: number, coins: Random) {
  const busy = [coins.share() < 0.5, coins.share() < 0.5] as const
  const meeting = await relay.meet(cover, () => {})
  let over = false
  for (const [side, channel] of meeting.channels.entries()) {
    const answer = () => void (busy[side] && channel.trySend('an answer'))
    void takeAll(channel, answer).catch(() => {})
    if (!busy[side]) continue
    const say = () => {
      if (over) return
      channel.trySend(coins.bytes(coins.between(0, 1000)))
      setTimeout(say, -Math.log(1 - coins.share()) * 2 * meanGap)
    }
    setTimeout(say, coins.share() * meanGap)
  }
  await sleep(gaps * meanGap)
  over = true
  await meeting.end()
  await sleep(SETTLING)
  return { frames: await relay.seen(meeting.circuit), busy }
}
