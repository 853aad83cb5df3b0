// Real sessions and channels on a simulated circuit and simulated time; what the circuit carries is what a relay sees.
import { Session } from '@usmp/core'
import { nodeProvider } from '@usmp/node'
import { Channel, type Cover, sessionTiming } from '@usmp/relay'
import {
  DEVICE_ID_BYTES,
  PSK,
  pseudoRandom,
  Random,
  type SeenFrame,
  SimulatedCircuit,
  SimulatedTime,
  turn,
} from '@usmp/testing'
import type { LabelledFrame } from './observation.js'

const LATENCY = 10
const CELL = 492

class VirtualClock extends SimulatedTime {
  defer(callback: () => void): void {
    queueMicrotask(callback)
  }

  yieldToEventLoop(callback: () => void): void {
    queueMicrotask(callback)
  }

  async pass(ms: number): Promise<void> {
    const end = this.now() + ms
    await turn()
    while (this.step(end)) await turn()
  }
}

/** Two sessions on one circuit, whose frames are noted. */
export class Meeting {
  readonly clock = new VirtualClock()
  readonly frames: SeenFrame[] = []
  readonly random: Random
  readonly circuit: SimulatedCircuit
  sessions!: readonly [Session, Session]
  /** Told each frame behind the handshake, when all that caused it is done. */
  onFrame: (frame: SeenFrame) => void = () => {}

  private constructor(seed: number) {
    this.random = new Random(seed)
    this.circuit = new SimulatedCircuit(this.clock, {
      latency: LATENCY,
      onFrame: (frame) => {
        this.frames.push(frame)
        queueMicrotask(() => this.onFrame(frame))
      },
    })
  }

  static async start(cover: Cover, seed: number): Promise<Meeting> {
    const meeting = new Meeting(seed)
    const { clock, circuit } = meeting
    const common = { clock, provider: nodeProvider, ...sessionTiming(cover) }
    const both = Promise.all([
      Session.accept(circuit.ends[0], { ...common, random: pseudoRandom(seed + 1), authorize: () => ({ psk: PSK }) }),
      Session.connect(circuit.ends[1], {
        ...common,
        random: pseudoRandom(seed + 2),
        psk: PSK,
        deviceId: DEVICE_ID_BYTES,
      }),
    ])
    await clock.pass(5 * LATENCY)
    meeting.sessions = await both
    return meeting
  }

  /** A channel over each session; everything that comes is taken. */
  channels(cover: Cover, onMessage: (channel: Channel) => void = () => {}): readonly [Channel, Channel] {
    const { clock, random } = this
    const make = (session: Session) => {
      const channel = new Channel({ clock, cover, random: (length) => random.bytes(length) })
      void channel.attach(session)
      void (async () => {
        for (let message = await channel.receive(); message; message = await channel.receive()) onMessage(channel)
      })()
      return channel
    }
    return [make(this.sessions[0]), make(this.sessions[1])]
  }
}

export interface Watched {
  readonly frames: readonly LabelledFrame[]
  /** Messages that arrived, and that had to. */
  readonly arrived: number
  readonly sent: number
}

/**
 * T1: a coin behind each cell decides whether the next one carries a message. What is to be guessed is the coin.
 * @param cells of both directions
 */
export async function watchCells(cover: Cover, cells: number, seed: number): Promise<Watched> {
  const meeting = await Meeting.start(cover, seed)
  let [arrived, sent] = [0, 0]
  const channels = meeting.channels(cover, () => arrived++)
  // The coins must not use the dice of the schedule.
  const coins = new Random(seed + 3)
  const frames: LabelledFrame[] = []
  const next: (boolean | undefined)[] = [undefined, undefined]
  meeting.onFrame = ({ from, at, size }) => {
    if (size !== CELL) return
    frames.push({ from, at, size, label: next[from] })
    const coin = coins.share() < 0.5
    next[from] = coin
    if (!coin) return
    channels[from].trySend(coins.bytes(coins.between(0, 425)))
    sent++
  }
  while (frames.length < cells) await meeting.clock.pass(1000)
  // What left in the last tick is still under way.
  const last = next.filter((coin) => coin).length
  await meeting.clock.pass(2 * LATENCY)
  meeting.circuit.cut()
  return { frames, arrived: arrived + last, sent }
}

export interface WatchedSession {
  readonly frames: readonly SeenFrame[]
  /** Whether each end said something. */
  readonly busy: readonly [boolean, boolean]
}

/** T2: one session, in which a coin for each end has decided whether it says something. `gaps` mean gaps long. */
export async function watchSession(cover: Cover, meanGap: number, gaps: number, seed: number): Promise<WatchedSession> {
  const meeting = await Meeting.start(cover, seed)
  const coins = new Random(seed + 3)
  const busy = [coins.share() < 0.5, coins.share() < 0.5] as const
  // Who is busy also answers.
  const channels = meeting.channels(cover, (channel) => {
    if (busy[channels.indexOf(channel)]) channel.trySend('an answer')
  })
  for (const [side, channel] of channels.entries()) if (busy[side]) talk(meeting, channel, meanGap, coins)
  await meeting.clock.pass(gaps * meanGap)
  const frames = [...meeting.frames]
  meeting.circuit.cut()
  await turn()
  return { frames, busy }
}

/** Says things at random times, of random lengths, of which some take several cells. */
function talk({ clock }: Meeting, channel: Channel, meanGap: number, random: Random): void {
  const say = () => {
    channel.trySend(random.bytes(random.between(0, 1000)))
    clock.setTimer(say, -Math.log(1 - random.share()) * 2 * meanGap)
  }
  clock.setTimer(say, random.share() * meanGap)
}

/** T0: like the original. Messages leave at once in their own size, dummies of one text at random times. */
export async function watchOriginal(meanGap: number, frames: number, seed: number): Promise<LabelledFrame[]> {
  const meeting = await Meeting.start({ mode: 'off' }, seed)
  const { clock, random } = meeting
  const seen: LabelledFrame[] = []
  let label = false
  meeting.onFrame = (frame) => seen.push({ ...frame, label })
  const dummy = new Uint8Array(62)
  const repeat = (wait: () => number, send: () => void) => {
    const next = () => clock.setTimer(fire, wait())
    const fire = () => {
      send()
      next()
    }
    next()
  }
  for (const session of meeting.sessions) {
    repeat(
      () => meanGap * (0.5 + random.share()),
      () => {
        label = false
        session.trySend(dummy)
      },
    )
    repeat(
      () => -Math.log(1 - random.share()) * meanGap,
      () => {
        label = true
        session.trySend(random.bytes(random.between(1, 200)))
      },
    )
  }
  while (seen.length < frames) await clock.pass(10 * meanGap)
  meeting.circuit.cut()
  return seen
}

/** The cover `noise`: which of the cells are empty? Acknowledgements are seen, and not asked about. */
export async function watchNoise(frames: number, seed: number): Promise<LabelledFrame[]> {
  const cover: Cover = { mode: 'noise' }
  const meeting = await Meeting.start(cover, seed)
  const { clock } = meeting
  const coins = new Random(seed + 3)
  const channels = meeting.channels(cover)
  await clock.pass(1000)
  const seen: LabelledFrame[] = []
  const said = [Number.NaN, Number.NaN]
  const heard = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  meeting.onFrame = (frame) => {
    const { from, at } = frame
    const isMessage = at === said[from]
    const isAck = at - heard[1 - from]! <= 100
    if (isMessage) heard[from] = at
    seen.push({ ...frame, label: isMessage ? true : isAck ? undefined : false })
  }
  for (const [side, channel] of channels.entries()) {
    const say = () => {
      said[side] = clock.now()
      channel.trySend('a message')
      clock.setTimer(say, -Math.log(1 - coins.share()) * 60_000)
    }
    clock.setTimer(say, 10_000)
  }
  while (seen.length < frames) await clock.pass(60_000)
  meeting.circuit.cut()
  return seen
}
