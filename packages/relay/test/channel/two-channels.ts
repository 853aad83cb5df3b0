import { Session, type UsmpError } from '@usmp/core'
import { nodeProvider } from '@usmp/node'
import {
  type CircuitOptions,
  DEVICE_ID_BYTES,
  PSK,
  pseudoRandom,
  type SeenFrame,
  SimulatedCircuit,
  SimulatedTime,
  turn,
} from '@usmp/testing'
import { Channel, type ChannelOptions } from '../../src/channel.ts'
import { type Cover, sessionTiming } from '../../src/cover.ts'

/** Time that a test moves; nothing waits for the event loop. */
export class VirtualClock extends SimulatedTime {
  defer(callback: () => void): void {
    queueMicrotask(callback)
  }

  yieldToEventLoop(callback: () => void): void {
    queueMicrotask(callback)
  }

  /** Lets `ms` pass; after each timer all that follows from it happens. */
  async pass(ms: number): Promise<void> {
    const end = this.now() + ms
    await turn()
    while (this.step(end)) await turn()
    await turn()
  }
}

/** Of a circuit, ms: a handshake takes four times as long. */
const LONGEST_LATENCY = 60
const OFF: Cover = { mode: 'off' }

/** Two sessions on one circuit. */
export async function sessionsOn(
  circuit: SimulatedCircuit,
  clock: VirtualClock,
  covers: readonly [Cover, Cover] = [OFF, OFF],
): Promise<[Session, Session]> {
  const common = { clock, provider: nodeProvider }
  const [server, client] = circuit.ends
  const both = Promise.all([
    Session.accept(server, {
      ...common,
      ...sessionTiming(covers[0]),
      random: pseudoRandom(1),
      authorize: () => ({ psk: PSK }),
    }),
    Session.connect(client, {
      ...common,
      ...sessionTiming(covers[1]),
      random: pseudoRandom(2),
      psk: PSK,
      deviceId: DEVICE_ID_BYTES,
    }),
  ])
  await clock.pass(4 * LONGEST_LATENCY)
  return both
}

/** Two channels, and the circuits on which they meet, one after another. The test owns the time. */
export class TwoChannels {
  readonly clock = new VirtualClock()
  /** What the wall clocks show more than the clock. */
  readonly wall = [0, 0]
  readonly channels: [Channel, Channel]
  readonly frames: SeenFrame[] = []
  circuit: SimulatedCircuit | undefined
  /** Why each session has ended. */
  readonly reasons: UsmpError[] = []
  readonly #options: readonly [ChannelOptions, ChannelOptions]
  readonly #circuitOptions: CircuitOptions
  #seed = 10

  /** @param other options of side 1, if they differ */
  constructor(options: ChannelOptions = {}, circuitOptions: CircuitOptions = {}, other = options) {
    this.#options = [options, other]
    this.#circuitOptions = circuitOptions
    this.channels = [this.#make(0), this.#make(1)]
  }

  #make(side: 0 | 1): Channel {
    const { clock } = this
    const now = () => clock.now() + this.wall[side]!
    return new Channel({ clock, now, random: pseudoRandom(this.#seed++), ...this.#options[side] })
  }

  /** The process of a side is gone, with all that it knew; the circuit ends with it. */
  restart(side: 0 | 1): Channel {
    this.cut()
    return (this.channels[side] = this.#make(side))
  }

  async connect(): Promise<[Session, Session]> {
    this.cut()
    const onFrame = (frame: SeenFrame) => this.frames.push(frame)
    const circuit = new SimulatedCircuit(this.clock, { onFrame, ...this.#circuitOptions })
    this.circuit = circuit
    await turn()
    const sessions = await sessionsOn(circuit, this.clock, [
      this.#options[0].cover ?? OFF,
      this.#options[1].cover ?? OFF,
    ])
    for (const [side, session] of sessions.entries()) {
      void this.channels[side]!.attach(session).then((reason) => this.reasons.push(reason))
    }
    await turn()
    return sessions
  }

  cut(): void {
    this.circuit?.cut()
    this.circuit = undefined
  }

  async pass(ms: number): Promise<void> {
    await this.clock.pass(ms)
  }
}

/** Notes every message of a channel; how it ended stands in `reason`. */
export class Reader {
  readonly got: Uint8Array[] = []
  reason: unknown = 'none'

  constructor(channel: Channel) {
    void this.#read(channel)
  }

  async #read(channel: Channel): Promise<void> {
    try {
      for (let message = await channel.receive(); message; message = await channel.receive()) this.got.push(message)
      this.reason = undefined
    } catch (error) {
      this.reason = error
    }
  }

  get texts(): string[] {
    return this.got.map((message) => new TextDecoder().decode(message))
  }
}

/** The texts that a channel has told about in its events of one type. */
export function told(channel: Channel, type: 'expired' | 'unconfirmed'): string[] {
  const texts: string[] = []
  channel.addEventListener(type, ({ data }) => texts.push(new TextDecoder().decode(data)))
  return texts
}
