import { setTimeout } from 'node:timers/promises'
import { UsmpError } from '@usmp/core'
import { RpcError } from '@usmp/rpc'
import { DRIVE_TTL, RoboLinkError, type RobotInfo, type Velocity, type Watched } from '../contract.js'
import { type Command, HELP } from './commands.js'
import type { CsvLog } from './csv.js'
import type { HubPeer } from './hub-link.js'
import { summarize } from './round-trips.js'

/** A drive is said again so often, ms: the robot stops by itself without it. */
const DRIVE_INTERVAL = 150
/** How long an answer may take, ms. */
const PATIENCE = 2_000
/** Between two measurements of the round trip, ms. */
const MEASURE_INTERVAL = 10

/** Shows a line, or several, to people; or its fields as JSON. */
export type Print = (text: string | readonly string[], fields: Readonly<Record<string, unknown>>) => void

/** Carries out an operator's commands, over whatever session there is at the moment. */
export class Console {
  readonly #print: Print
  readonly #csv: CsvLog | undefined
  #peer: HubPeer | undefined
  #robot: string | undefined
  /** The id that the hub has confirmed. */
  #checked: string | undefined
  #shows = false
  #following: AbortController | undefined
  #followed: string | undefined
  #driving: AbortController | undefined
  /** Of each robot, as the hub said last: a command carries it, and with one of before a stop it is not carried out. */
  readonly #fences = new Map<string, number>()

  /** @param robot the one that is meant; without it the first one that is there */
  constructor(print: Print, robot: string | undefined, csv: CsvLog | undefined) {
    this.#print = print
    this.#robot = robot
    this.#csv = csv
  }

  /** There is a session with the hub. What was watched is watched again; what was driven is not driven again. */
  async connected(peer: HubPeer): Promise<void> {
    this.#peer = peer
    this.#checked = undefined
    if (this.#shows || this.#csv) this.#follow(peer, await this.#chosen(peer))
  }

  /** How the robots are, as the hub tells when something changed. */
  see(robots: readonly RobotInfo[]): void {
    for (const { id, fence } of robots) this.#fences.set(id, fence)
  }

  disconnected(): void {
    this.#peer = undefined
    this.#following?.abort()
    this.#driving?.abort()
  }

  /** @throws RpcError, UsmpError */
  async run(command: Exclude<Command, { name: 'quit' }>): Promise<void> {
    const peer = this.#peer
    if (command.name === 'help') return this.#print(HELP.split('\n'), { event: 'help', text: HELP })
    if (command.name === 'wait') return setTimeout(command.seconds * 1000)
    if (!peer) {
      throw new UsmpError('NOT_CONNECTED', 'the hub is not there at the moment', { hint: 'Nothing is kept for later.' })
    }
    switch (command.name) {
      case 'robots':
        return this.#showRobots(await this.#robots(peer))
      case 'watch':
        return this.#runWatch(peer, command)
      case 'drive':
        return this.#drive(peer, { v: command.v, w: command.w })
      case 'stop':
        return this.#stop(peer)
      case 'chat':
        await peer.request('chat', { robot: await this.#chosen(peer), text: command.text }, { timeout: PATIENCE })
        return
      case 'rtt':
        return this.#measure(peer, command.count)
      case 'take':
        await this.#take(peer, command.force)
        return this.#print('the wheel is yours', { event: 'taken' })
      case 'release':
        this.#driving?.abort()
        await peer.request('release', { robot: await this.#chosen(peer) }, { timeout: PATIENCE })
        return this.#print('the wheel is free', { event: 'released' })
      default:
        command satisfies never
    }
  }

  /** Leaves no robot driving. */
  async end(): Promise<void> {
    this.#following?.abort()
    if (this.#driving && !this.#driving.signal.aborted && this.#peer) await this.#stop(this.#peer).catch(() => {})
  }

  async #robots(peer: HubPeer): Promise<RobotInfo[]> {
    const { robots } = await peer.request('robots', {}, { timeout: PATIENCE })
    this.see(robots)
    return robots
  }

  async #take(peer: HubPeer, force: boolean): Promise<void> {
    const robot = await this.#chosen(peer)
    const { fence } = await peer.request('take', { robot, force }, { timeout: PATIENCE })
    this.#fences.set(robot, fence)
  }

  #showRobots(robots: readonly RobotInfo[]): void {
    for (const robot of robots) this.#print(robotLine(robot), { event: 'robot', ...robot })
  }

  /** The robot that is meant: checked once, so that one that nobody knows is told at once. */
  async #chosen(peer: HubPeer, wanted = this.#robot): Promise<string> {
    if (wanted !== undefined && wanted === this.#checked) return wanted
    const robots = await this.#robots(peer)
    const robot =
      wanted === undefined ? (robots.find(({ online }) => online) ?? robots[0]) : robots.find(({ id }) => id === wanted)
    if (!robot) throw new RpcError(RoboLinkError.NO_SUCH_ROBOT, `this hub knows no robot${wanted ? ` ${wanted}` : ''}`)
    this.#robot = robot.id
    this.#checked = robot.id
    return robot.id
  }

  async #runWatch(peer: HubPeer, { robot, off }: { robot: string | undefined; off: boolean }): Promise<void> {
    const chosen = off ? undefined : await this.#chosen(peer, robot)
    this.#shows = chosen !== undefined
    if (chosen) this.#follow(peer, chosen)
    else if (!this.#csv) this.#following?.abort()
  }

  #follow(peer: HubPeer, robot: string): void {
    if (this.#followed === robot && !this.#following?.signal.aborted) return
    this.#following?.abort()
    this.#following = new AbortController()
    this.#followed = robot
    void this.#receive(peer, robot, this.#following.signal)
  }

  async #receive(peer: HubPeer, robot: string, signal: AbortSignal): Promise<void> {
    try {
      for await (const telemetry of peer.stream('watch', { robot }, { signal })) {
        this.#csv?.add(robot, telemetry)
        if (this.#shows) this.#print(telemetryLine(telemetry), { event: 'telemetry', robot, ...telemetry })
      }
    } catch (error) {
      // The end of the session is told by the caller that waits for the next one.
      if (error instanceof RpcError)
        this.#print(`watch ended: ${error.message}`, { event: 'watch-ended', code: error.code })
    } finally {
      if (this.#following?.signal === signal) this.#followed = undefined
    }
  }

  async #drive(peer: HubPeer, velocity: Velocity): Promise<void> {
    const robot = await this.#chosen(peer)
    this.#driving?.abort()
    const driving = new AbortController()
    this.#driving = driving
    // The same until the next command of the person: after somebody's stop it is not driven on.
    const fence = this.#fences.get(robot)!
    const start = performance.now()
    const applied = await peer.request('drive', { robot, fence, ...velocity }, { timeout: PATIENCE, ttl: DRIVE_TTL })
    const ms = hundredths(performance.now() - start)
    const line = `drives at ${applied.v} m/s, ${applied.w} rad/s; answered in ${ms} ms`
    this.#print(line, { event: 'driving', robot, ...applied, ms })
    if (velocity.v === 0 && velocity.w === 0) return driving.abort()
    void this.#driveOn(peer, { robot, fence, ...velocity }, driving)
  }

  async #driveOn(
    peer: HubPeer,
    params: Velocity & { robot: string; fence: number },
    driving: AbortController,
  ): Promise<void> {
    const { signal } = driving
    try {
      for (;;) {
        await setTimeout(DRIVE_INTERVAL, undefined, { signal })
        await peer.request('drive', params, { timeout: PATIENCE, ttl: DRIVE_TTL, signal })
      }
    } catch (error) {
      if (signal.aborted) return
      driving.abort()
      this.#print(`no longer driving: ${(error as Error).message}`, {
        event: 'not-driving',
        message: (error as Error).message,
      })
    }
  }

  async #stop(peer: HubPeer): Promise<void> {
    this.#driving?.abort()
    const robot = await this.#chosen(peer)
    const { fence } = await peer.request('stop', { robot }, { timeout: PATIENCE })
    this.#fences.set(robot, fence)
    this.#print('stopped', { event: 'stopped' })
  }

  async #measure(peer: HubPeer, count: number): Promise<void> {
    const robot = await this.#chosen(peer)
    const [whole, beyond]: [number[], number[]] = [[], []]
    for (let i = 0; i < count; i++) {
      if (i > 0) await setTimeout(MEASURE_INTERVAL)
      const start = performance.now()
      const answer = await peer.request('rtt', { robot }, { timeout: PATIENCE })
      whole.push(performance.now() - start)
      beyond.push(answer.robot)
    }
    const { median, p95 } = summarize(whole)
    const robotMedian = summarize(beyond).median
    const [m, p, r] = [hundredths(median), hundredths(p95), hundredths(robotMedian)]
    this.#print(`round trip to the robot: median ${m} ms, p95 ${p} ms of ${count}; ${r} ms of it beyond the hub`, {
      event: 'rtt',
      robot,
      count,
      median: m,
      p95: p,
      hub_robot_median: r,
    })
  }
}

function robotLine({ id, name, kind, online, transport, rtt, driver, driverName }: RobotInfo): string {
  if (!online) return `${id}  ${name}  not there`
  const who = driver ? `${driverName ?? driver} drives` : 'nobody drives'
  return `${id}  ${name}  ${kind ?? '?'} over ${transport}  ${rtt ?? '?'} ms  ${who}`
}

/** In 80 columns: only one robot is watched at a time, so its id is not in it. */
export function telemetryLine({ n, x, y, theta, v, w, battery, temperature, state, age }: Watched): string {
  const pose = `x ${x.toFixed(2)} y ${y.toFixed(2)} θ ${theta.toFixed(2)}  v ${v.toFixed(2)} w ${w.toFixed(2)}`
  const rest = age > 500 ? `${Math.round(age)} ms old` : `${temperature.toFixed(1)} °C`
  return `#${n}  ${pose}  ${Math.round(battery * 100)} %  ${rest}  ${state}`
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100
}
