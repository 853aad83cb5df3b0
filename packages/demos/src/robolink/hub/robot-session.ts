import { type Session, UsmpError } from '@usmp/core'
import { type Peer, RpcCode, RpcError, rpc } from '@usmp/rpc'
import { plainText } from '../../shared/plain-text.js'
import {
  type Description,
  DRIVE_TTL,
  RoboLinkError,
  type RobotInfo,
  robotApi,
  robotHubApi,
  type Telemetry,
  type Velocity,
  type Watched,
} from '../contract.js'
import { chatBudget, paced } from './budget.js'
import { ControlLease } from './control-lease.js'
import type { Known } from './keys.js'
import { Latest } from './latest.js'
import { RoundTrip } from './round-trip.js'

/** How long a robot may take for an answer, ms. Nobody steers by an answer that comes later. */
const PATIENCE = 1_000
/** The same for its description: it has just connected, and may be slow at first. */
const FIRST_PATIENCE = 5_000

const TRANSPORTS = { stream: 'tcp', datagram: 'udp', message: 'websocket', serial: 'serial' } as const

/** Who drives, as far as a robot is concerned. */
export interface Driver {
  readonly id: string
  readonly name: string
}

interface Line {
  readonly session: Session
  readonly peer: Peer<typeof robotApi>
  readonly roundTrip: RoundTrip
  /** Numbers of commands that were given in this session. */
  lastSeq: number
}

interface Events {
  /** Something in `info` is different. */
  changed(): void
  /** The robot says something to everybody. */
  chat(robot: RobotSession, text: string): void
  /** Whether somebody else has this name. */
  isTaken(robot: RobotSession, name: string): boolean
  fault(robot: RobotSession, fault: Error): void
}

/**
 * What the hub knows of one robot, whether it is there or not, and the way to it. The hub makes one for each robot of its keys, calls
 * `serve` with each session of the robot, and leads what operators ask for to `take`, `drive`, `stop` and `release`. It owns the control
 * lease, the fence and the numbers of commands. A command with an old fence must never reach the robot.
 */
export class RobotSession {
  readonly #known: Known
  readonly #events: Events
  readonly #lease = new ControlLease<Driver>()
  readonly #telemetry = new Latest<{ readonly at: number; readonly telemetry: Telemetry }>()
  #description: Description | undefined
  #line: Line | undefined
  /** What was sent before a stop ended, or before this session began, was sent with a lower one. */
  #fence = 0
  readonly #chat = chatBudget()
  #muted = false
  /** Stops that wait for the robot's answer. */
  #stopping = 0

  constructor(known: Known, events: Events) {
    this.#known = known
    this.#events = events
  }

  get id(): string {
    return this.#known.id
  }

  get name(): string {
    return this.#description?.name ?? this.#known.name
  }

  get info(): RobotInfo {
    const line = this.#line
    const { kind = null, maxV = null, maxW = null } = this.#description ?? {}
    return {
      id: this.id,
      name: this.name,
      kind,
      maxV,
      maxW,
      online: line !== undefined,
      driver: this.#lease.driver?.id ?? null,
      driverName: this.#lease.driver?.name ?? null,
      rtt: line?.roundTrip.latest ?? null,
      transport: line ? TRANSPORTS[line.session.transportKind] : null,
      fence: this.#fence,
    }
  }

  /** Serves the robot for one session, which takes the place of the one before; resolves with the reason of its end. */
  async serve(session: Session): Promise<UsmpError> {
    const peer = rpc(paced(session), {
      serves: robotHubApi,
      calls: robotApi,
      notifications: {
        // A session whose place another one took can still have something to say; it is not about the robot of now.
        telemetry: (telemetry) => {
          if (this.#line === line) this.#telemetry.set({ at: performance.now(), telemetry })
        },
        chat: ({ text }) => {
          if (this.#line === line) this.#say(text)
        },
      },
      onFault: (fault) => this.#events.fault(this, fault),
    })
    const line: Line = { session, peer, roundTrip: new RoundTrip(session, () => this.#events.changed()), lastSeq: 0 }
    this.#line = line
    this.#fence++
    this.#events.changed()
    void this.#describe(peer)
    const reason = await peer.closed
    if (this.#line === line) this.#line = undefined
    this.#events.changed()
    return reason
  }

  /** What is said too often nobody hears: it would push what others say off every screen. */
  #say(text: string): void {
    const tooMuch = this.#chat.take(performance.now()) > 0
    if (!tooMuch) this.#events.chat(this, text)
    else if (!this.#muted) this.#events.fault(this, new Error('it chats too much; some of its lines are dropped'))
    this.#muted = tooMuch
  }

  /** Takes the control lease for an operator. @returns the fence; @throws RpcError NOT_THE_DRIVER */
  take(driver: Driver, force: boolean): number {
    if (!this.#lease.take(driver, force, performance.now())) throw this.#notTheDriver()
    this.#events.changed()
    return this.#fence
  }

  release(driver: Driver): void {
    if (this.#lease.release(driver)) this.#events.changed()
  }

  /** An operator is gone: a robot that was theirs does not go on. */
  leave(driver: Driver): void {
    if (!this.#lease.release(driver)) return
    this.#events.changed()
    // If the robot cannot be told, its own dead man stops it.
    if (this.#line) this.#halt().catch(() => {})
  }

  /**
   * @param fence as the operator knew it when this was sent
   * @throws RpcError NOT_THE_DRIVER, FENCED, ROBOT_IS_GONE, or what the robot answers
   */
  async drive(driver: Driver, velocity: Velocity, fence: number, signal: AbortSignal): Promise<Velocity> {
    const before = this.#lease.driver
    if (before !== undefined && before !== driver) throw this.#notTheDriver()
    // Before it takes the lease: a command of the past does nothing at all.
    if (this.#stopping > 0 || fence !== this.#fence) throw this.#fenced()
    this.#lease.use(driver, performance.now())
    if (before !== driver) this.#events.changed()
    return this.#ask((line) =>
      line.peer.request('drive', { seq: ++line.lastSeq, ...velocity }, { timeout: PATIENCE, ttl: DRIVE_TTL, signal }),
    )
  }

  /**
   * Stops it for anybody. Who drove has lost the lease to the one who stopped: the next `drive` would undo the stop. So would
   * one that is under way to us, from anybody: until the robot has answered none is carried out, and then only what was sent
   * with the new fence.
   * @returns the new fence
   * @throws RpcError ROBOT_IS_GONE, or what the robot answers
   */
  async stop(by: Driver): Promise<number> {
    const { driver } = this.#lease
    if (driver && driver !== by) this.take(by, true)
    this.#stopping++
    try {
      await this.#halt()
    } finally {
      this.#stopping--
      this.#fence++
      this.#events.changed()
    }
    return this.#fence
  }

  /** @throws RpcError ROBOT_IS_GONE, or what the robot answers */
  async chat(from: string, text: string): Promise<void> {
    await this.#ask(({ peer }) => peer.request('chat', { from, text }, { timeout: PATIENCE }))
  }

  /** A request to the robot and back, ms. @throws RpcError ROBOT_IS_GONE, or what the robot answers */
  async measure(): Promise<number> {
    const start = performance.now()
    await this.#ask(({ peer }) => peer.request('describe', {}, { timeout: PATIENCE }))
    return performance.now() - start
  }

  /** The last telemetry there was, then all that comes, from whatever session. */
  async *watch(signal: AbortSignal): AsyncGenerator<Watched, void, undefined> {
    for await (const { at, telemetry } of this.#telemetry.follow(signal)) {
      yield { ...telemetry, age: Math.round(performance.now() - at) }
    }
  }

  /** Asks the robot over the session it has now, and no other: a command never waits for a robot to come back. */
  async #ask<T>(question: (line: Line) => Promise<T>): Promise<T> {
    const line = this.#line
    if (!line) throw this.#gone('it has no session')
    try {
      return await question(line)
    } catch (error) {
      // Shown to people, too.
      if (error instanceof RpcError) throw new RpcError(error.code, plainText(error.message))
      if (!(error instanceof UsmpError) || error.code === 'ABORTED') throw error
      if (error.code === 'QUEUE_FULL') throw new RpcError(RpcCode.BUSY, `too much is said to ${this.name} at once`)
      throw this.#gone(error.message)
    }
  }

  async #halt(): Promise<void> {
    await this.#ask((line) => line.peer.request('stop', { seq: ++line.lastSeq }, { timeout: PATIENCE }))
  }

  async #describe(peer: Peer<typeof robotApi>): Promise<void> {
    try {
      const description = await peer.request('describe', {}, { timeout: FIRST_PATIENCE })
      this.#description = { ...description, name: this.#nameFor(description.name) }
      this.#events.changed()
    } catch (error) {
      this.#events.fault(this, error as Error)
    }
  }

  /** The name that it says, unless people would take it for somebody else. */
  #nameFor(said: string): string {
    if (!this.#events.isTaken(this, said)) return plainText(said)
    this.#events.fault(this, new Error(`it says that its name is ${said}; somebody else has that name`))
    return this.#known.name
  }

  #notTheDriver(): RpcError {
    const { id, name } = this.#lease.driver!
    return new RpcError(RoboLinkError.NOT_THE_DRIVER, `${name} drives ${this.name}`, { driver: id })
  }

  #fenced(): RpcError {
    const why = this.#stopping > 0 ? 'is being stopped' : 'was stopped, or has a new session, since this was sent'
    return new RpcError(RoboLinkError.FENCED, `${this.name} ${why}`)
  }

  #gone(why: string): RpcError {
    return new RpcError(RoboLinkError.ROBOT_IS_GONE, `${this.name} is not there: ${why}`)
  }
}
