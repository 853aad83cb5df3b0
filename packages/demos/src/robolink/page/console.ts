import type { Session } from '@usmp/browser'
import { type Peer, rpc } from '@usmp/rpc'
import { byId, say } from '../../shared/dom.ts'
import { plainText } from '../../shared/plain-text.ts'
import {
  DRIVE_TTL,
  operatorApi,
  operatorHubApi,
  RoboLinkError,
  type RobotInfo,
  type Said,
  type Velocity,
  type Watched,
} from '../contract.ts'
import { TimeChart } from './chart.ts'
import { Chat } from './chat.ts'
import { Driving } from './driving.ts'
import { EmergencyStop } from './emergency-stop.ts'
import { History } from './history.ts'
import { Keys } from './keys.ts'
import { fixed } from './numbers.ts'
import { PoseMap } from './pose-map.ts'
import { Readings, STALE_AFTER } from './readings.ts'
import { driverOf, RobotList } from './robot-list.ts'
import { RoundTrips } from './round-trips.ts'
import { NOTHING, Stick } from './stick.ts'

/** What a chart shows, s. */
const MINUTE = 60
const BATTERY_SPAN = 600
/** Charts are drawn this often, ms; the map as often as the screen. */
const CHART_INTERVAL = 250
/** A request that the hub does not answer for so long has failed, ms. */
const PATIENCE = 2_000
/** Until a robot says what it can do: m/s, rad/s. */
const CAUTIOUS: Velocity = { v: 0.2, w: 1 }
const CHOSEN = 'robolink-robot'

type Hub = Peer<typeof operatorHubApi>
/** An RpcError of the hub, or a UsmpError. */
type Fault = Error & { code?: unknown }

/** Everything that a signed-in operator sees and does. */
export class Console {
  readonly roundTrips = new RoundTrips()
  readonly #onGoodbye: (code: string, message: string) => void
  #me: string | undefined
  #hub: Hub | undefined
  #robots: readonly RobotInfo[] = []
  #chosen = sessionStorage.getItem(CHOSEN) ?? undefined
  #watching = new AbortController()
  #latest: { readonly item: Watched; readonly since: number } | undefined

  readonly #motion = new History(MINUTE * 1000, 2, STALE_AFTER)
  readonly #battery = new History(BATTERY_SPAN * 1000, 1, STALE_AFTER)
  readonly #velocityChart = new TimeChart(
    byId('velocity'),
    MINUTE,
    [
      { colour: '--speed', scale: 'v', digits: 1 },
      { colour: '--turn', scale: 'w', digits: 1 },
    ],
    { v: (low, high) => symmetric(low, high, 0.2), w: (low, high) => symmetric(low, high, 1) },
  )
  readonly #batteryChart = new TimeChart(
    byId('battery'),
    BATTERY_SPAN,
    [{ colour: '--charge', scale: '%', digits: 0, fill: true }],
    { '%': () => [0, 100] },
  )
  readonly #roundTripChart = new TimeChart(
    byId('round-trip'),
    MINUTE,
    [
      { colour: '--dim', scale: 'ms', digits: 0 },
      { colour: '--trip', scale: 'ms', digits: 0, fill: true },
    ],
    { ms: (_, high) => [0, Math.max(4, high * 1.15)] },
  )
  readonly #map = new PoseMap(byId<HTMLCanvasElement>('pose'))
  readonly #readings = new Readings()
  readonly #list = new RobotList((id) => this.#choose(id))
  readonly #chat = new Chat(
    () => this.#robot?.name,
    (text) => this.#say(text),
  )
  readonly #stick = new Stick(byId('stick'), (ask) => this.#driving.ask(ask))
  readonly #keys = new Keys({
    ask: (ask) => {
      if (this.#stick.held) return
      this.#stick.show(ask)
      this.#driving.ask(ask)
    },
    stop: () => this.#halt(),
    emergencyStop: () => isShown() && this.#emergency.press(),
    enabled: () => byId<HTMLInputElement>('keys').checked && isShown(),
  })
  readonly #driving: Driving = new Driving(
    () => ({
      commands: this.#commands,
      limits: this.#limits,
      ours: this.#robot?.driver === this.#me,
      fence: this.#stopping > 0 ? undefined : this.#robot?.fence,
    }),
    () => this.#emergency.clear(),
    (fault) => this.#tellFault(fault),
  )
  readonly #emergency = new EmergencyStop(
    () => this.#stopTarget,
    () => this.#letGo(),
  )
  #chartsAt = 0
  #fault: Fault | undefined
  /** Stops of ours that wait for an answer. */
  #stopping = 0
  /** Lines of ours that we have not heard yet. */
  readonly #said = new Set<string>()

  /** @param onGoodbye the hub says that coming back is useless */
  constructor(onGoodbye: (code: string, message: string) => void) {
    this.#onGoodbye = onGoodbye
    byId('take').addEventListener('click', () => void this.#takeOrRelease())
    byId('clear-trail').addEventListener('click', () => this.#map.clearTrail())
    for (const mode of document.querySelectorAll<HTMLInputElement>('[name=map-mode]')) {
      mode.addEventListener('change', () => (this.#map.follow = mode.value === 'follow'))
    }
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#map.redraw())
    // Anyone who looks elsewhere does not drive.
    addEventListener('blur', () => this.#letGo())
    addEventListener('pagehide', () => this.#letGo())
    document.addEventListener('visibilitychange', () => document.hidden && this.#letGo())
    byId('keys').addEventListener('change', () => this.#keys.release())
  }

  /** Talks to the hub over a new session, until that ends. */
  async open(session: Session): Promise<void> {
    const hub = rpc(session, {
      serves: operatorApi,
      calls: operatorHubApi,
      notifications: {
        robots: ({ robots }) => this.#show(robots),
        chat: (said) => this.#heard(said),
        goodbye: ({ code, message }) => this.#onGoodbye(code, message),
      },
    })
    this.#hub = hub
    this.#me = session.deviceId
    void this.roundTrips.measure(session, () => this.#askRobot())
    try {
      const { robots } = await hub.request('robots', {}, { timeout: PATIENCE })
      this.#show(robots)
      this.#watch()
    } catch (error) {
      // A hub that does not say which robots it has is of no use; what broke shows in the link.
      if (!session.signal.aborted) await session.close()
      console.warn('The hub did not list its robots:', error)
    }
    await hub.closed
    if (this.#hub !== hub) return
    this.#hub = undefined
    this.#letGo()
    this.#show(this.#robots)
  }

  /** Draws what there is. @param now ms on the clock of `performance.now()` */
  draw(now: number): void {
    const { item, since = now } = this.#latest ?? {}
    const age = Math.max(0, now - since)
    this.#readings.show(item, age, now)
    this.#map.stale = item === undefined || age > STALE_AFTER
    this.#map.draw(now)
    const { v, w } = this.#driving.wanted
    byId('wanted').textContent = `${fixed(v, 2)} m/s\u2002${fixed(w, 2)} rad/s`
    byId('wanted').classList.toggle('moving', v !== 0 || w !== 0)
    if (now - this.#chartsAt < CHART_INTERVAL) return
    this.#chartsAt = now
    this.#velocityChart.draw(this.#motion.table(now))
    this.#batteryChart.draw(this.#battery.table(now))
    this.#roundTripChart.draw(this.roundTrips.history.table(now))
    this.#showLegends(item)
  }

  // ─── the robot that is shown ───

  get #robot(): RobotInfo | undefined {
    return this.#robots.find(({ id }) => id === this.#chosen)
  }

  get #limits(): Velocity {
    const { maxV, maxW } = this.#robot ?? {}
    return { v: maxV ?? CAUTIOUS.v, w: maxW ?? CAUTIOUS.w }
  }

  get #commands() {
    const [hub, robot] = [this.#hub, this.#robot]
    if (!hub || !robot?.online) return undefined
    const { id } = robot
    return {
      drive: (velocity: Velocity, fence: number) =>
        hub.request('drive', { robot: id, fence, ...velocity }, { timeout: PATIENCE, ttl: DRIVE_TTL }),
      stop: () => this.#stop(hub, id),
    }
  }

  async #stop(hub: Hub, id: string): Promise<void> {
    this.#stopping++
    try {
      const { fence } = await hub.request('stop', { robot: id }, { timeout: PATIENCE })
      this.#know(id, fence)
    } finally {
      this.#stopping--
    }
  }

  /** Commands from now on carry this fence. */
  #know(id: string, fence: number): void {
    this.#robots = this.#robots.map((robot) => (robot.id === id ? { ...robot, fence } : robot))
  }

  get #stopTarget() {
    const [hub, robot] = [this.#hub, this.#robot]
    if (!hub || !robot) return undefined
    return {
      name: robot.name,
      stop: () => this.#stop(hub, robot.id),
      otherDriver: robot.driver === null || robot.driver === this.#me ? undefined : driverOf(robot),
    }
  }

  #choose(id: string): void {
    if (id === this.#chosen) return
    this.#letGo()
    this.#chosen = id
    sessionStorage.setItem(CHOSEN, id)
    this.#latest = undefined
    this.#map.clear()
    this.#motion.clear()
    this.#battery.clear()
    this.roundTrips.clear()
    this.#emergency.clear()
    this.#tellFault(undefined)
    this.#show(this.#robots)
    this.#watch()
  }

  #watch(): void {
    this.#watching.abort()
    const [hub, robot] = [this.#hub, this.#robot]
    if (!hub || !robot) return
    this.#watching = new AbortController()
    const { signal } = this.#watching
    void (async () => {
      for await (const item of hub.stream('watch', { robot: robot.id }, { signal })) this.#take(item)
    })().catch((error) => {
      if (!signal.aborted && this.#hub === hub) this.#tellFault(error)
    })
  }

  #take(item: Watched): void {
    const now = performance.now()
    const since = now - item.age
    this.#latest = { item, since }
    this.#map.add(item, now)
    if (item.age > STALE_AFTER) return
    this.#motion.add(since, item.v, item.w)
    this.#battery.add(since, item.battery * 100)
  }

  // ─── driving ───

  async #takeOrRelease(): Promise<void> {
    const [hub, robot] = [this.#hub, this.#robot]
    if (!hub || !robot) return
    const ours = robot.driver === this.#me
    try {
      if (ours) await hub.request('release', { robot: robot.id }, { timeout: PATIENCE })
      else {
        const params = { robot: robot.id, force: robot.driver !== null }
        this.#know(robot.id, (await hub.request('take', params, { timeout: PATIENCE })).fence)
      }
      this.#tellFault(undefined)
    } catch (error) {
      this.#tellFault(error)
    }
  }

  #halt(): void {
    this.#letGo()
    this.#commands?.stop().catch((fault) => this.#tellFault(fault))
  }

  /** What was asked for counts no more: keys and stick have to be pressed again. A robot that was driven is stopped. */
  #letGo(): void {
    this.#keys.release()
    this.#stick.release()
    this.#driving.ask(NOTHING)
  }

  #tellFault(fault: unknown): void {
    this.#fault = fault as Fault | undefined
    this.#showFault()
  }

  /** Again when the robots have changed: who drives is part of the advice. */
  #showFault(): void {
    say(byId('drive-fault'), this.#fault && adviceFor(this.#fault, this.#robot))
  }

  #askRobot(): Promise<unknown> | undefined {
    const [hub, robot] = [this.#hub, this.#robot]
    return robot?.online ? hub?.request('rtt', { robot: robot.id }, { timeout: PATIENCE }) : undefined
  }

  // ─── what is said ───

  async #say(text: string): Promise<void> {
    const [hub, robot] = [this.#hub, this.#robot]
    if (!hub) throw new Error('there is no link to the hub')
    if (!robot) throw new Error('there is no robot to talk to')
    // As the hub will hand it on.
    const said = `${robot.id} ${plainText(text)}`
    this.#said.add(said)
    // The hub lets all operators hear it, us too.
    await hub.request('chat', { robot: robot.id, text }, { timeout: PATIENCE }).finally(() => this.#said.delete(said))
  }

  #heard({ robot, from, role, text }: Said): void {
    if (role === 'robot') return void this.#chat.add(`${from} (robot)`, undefined, text, false)
    const name = this.#robots.find(({ id }) => id === robot)?.name ?? robot
    if (!this.#said.delete(`${robot} ${text}`)) this.#chat.add(from, name, text, false)
  }

  // ─── what is shown ───

  #show(robots: readonly RobotInfo[]): void {
    const before = this.#robot
    this.#robots = robots
    if (!this.#robot) {
      const first = robots.find(({ online }) => online) ?? robots[0]
      if (first && !before) return this.#choose(first.id)
    }
    const robot = this.#robot
    this.#list.show(robots, this.#chosen, this.#me, this.#hub !== undefined)
    byId('robot-name').textContent = robot?.name ?? 'No robot'
    byId('chat-with').textContent = robot ? `with ${robot.name}` : ''
    byId('stop-robot').textContent = robot?.name ?? ''
    byId('driver').textContent = robot?.driver === this.#me ? 'you' : robot ? driverOf(robot) : 'nobody'
    const take = byId<HTMLButtonElement>('take')
    take.textContent =
      robot?.driver === this.#me ? 'Release' : !robot || robot.driver === null ? 'Take the wheel' : 'Take over'
    take.disabled = !this.#hub || !robot?.online
    byId('stick').classList.toggle('off', take.disabled)
    if (this.#isOver(before, robot)) this.#fault = undefined
    this.#showFault()
    if (this.#hub && robot?.online) this.#emergency.resume()
  }

  /** Whether what changed about the robot ends the reason of the fault. */
  #isOver(before: RobotInfo | undefined, now: RobotInfo | undefined): boolean {
    const back = before?.online === false && now?.online === true
    const driver = now?.driver ?? null
    const freed = driver !== before?.driver && (driver === null || driver === this.#me)
    return back || (freed && this.#fault?.code === RoboLinkError.NOT_THE_DRIVER)
  }

  #showLegends(item: Watched | undefined): void {
    const { median, p95 } = this.roundTrips.toRobot
    const ms = (value: number | undefined) => (value === undefined ? '–' : fixed(value, 1))
    legend(
      'velocity-legend',
      ['speed', item ? fixed(item.v, 2) : '–', ' m/s'],
      ['turn', item ? fixed(item.w, 2) : '–', ' rad/s'],
    )
    legend('battery-legend', ['charge', item ? fixed(item.battery * 100, 1) : '–', ' %'])
    legend('round-trip-legend', ['trip', ms(median), ' median'], ['trip', ms(p95), ' ms p95'])
  }
}

/** Whether the console is in front, and not the form for the key. */
function isShown(): boolean {
  return !byId('console').hidden
}

/** Each entry: a class with its colour, the figure, and what stands behind it. */
function legend(id: string, ...entries: readonly (readonly [string, string, string])[]): void {
  const text = entries.map(([, figure, unit]) => figure + unit).join()
  const element = byId(id)
  if (element.textContent === text) return
  element.replaceChildren(
    ...entries.flatMap(([name, figure, unit], index) => {
      const value = document.createElement('b')
      value.className = name
      value.textContent = figure
      return [...(index > 0 ? ['\u2002'] : []), value, unit]
    }),
  )
}

/** Around zero, and not narrower than `least`. */
function symmetric(low: number, high: number, least: number): [number, number] {
  const reach = Math.max(least, Math.abs(low), Math.abs(high)) * 1.1
  return [-reach, reach]
}

function adviceFor(fault: Fault, robot: RobotInfo | undefined): string {
  switch (fault.code) {
    case RoboLinkError.TOO_OLD:
      return 'A command came too late and was not carried out: the line is slow.'
    case RoboLinkError.NOT_THE_DRIVER:
      return `${robot ? driverOf(robot) : 'Somebody else'} drives. Take over to drive.`
    case RoboLinkError.FENCED:
      return 'The robot was stopped, or has just come back. Let go, then drive again.'
    case RoboLinkError.NO_SUCH_ROBOT:
      return 'The hub does not know this robot any more.'
    case RoboLinkError.ROBOT_IS_GONE:
      return 'The robot has no link to the hub. It stops by itself, and may come back.'
    default:
      return `A command failed: ${fault.message}`
  }
}
