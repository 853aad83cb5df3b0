import type { Velocity } from '../contract.js'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Pose extends Point {
  readonly theta: number
}

/** It aims at a point on the path that is so far ahead, m. */
const LOOKAHEAD = 0.15
/** A waypoint is reached from so near, m. */
const REACHED = 0.06
/** Cruising, m/s, and how fast at most for the distance that is left, 1/s. */
const CRUISE = 0.3
const APPROACH = 1.2
/** It turns on the spot if the aim is further aside than this, rad, as fast as this for every rad. */
const TURN_FROM = 0.6
const TURN_GAIN = 3

/** Follows straight lines from one waypoint to the next, round and round, by where the robot says it is. */
export class Pursuit {
  readonly #waypoints: readonly Point[]
  /** Where the line begins: the waypoint before, at first where the robot stood. */
  #from: Point | undefined
  #next = 0
  #reached = 0
  #squares = 0
  #samples = 0
  #worst = 0

  /** @param waypoints at least one */
  constructor(waypoints: readonly Point[]) {
    this.#waypoints = waypoints
  }

  /** Waypoints that were reached so far. */
  get reached(): number {
    return this.#reached
  }

  /** The waypoint it is on its way to. */
  get target(): Point {
    return this.#waypoints[this.#next]!
  }

  /** How far beside the line it was: root of the mean square, and at worst, m. */
  get error(): { readonly rms: number; readonly worst: number } {
    return { rms: Math.sqrt(this.#squares / Math.max(1, this.#samples)), worst: this.#worst }
  }

  /** It was moved by somebody else: the line begins again where it is. */
  restart(): void {
    this.#from = undefined
  }

  /** The speeds for a robot that is here. */
  steer(pose: Pose): Velocity {
    this.#from ??= { x: pose.x, y: pose.y }
    if (distance(pose, this.target) < REACHED) this.#advance()
    const line = lineTo(this.#from, this.target)
    const { along, beside } = line.project(pose)
    this.#measure(Math.abs(beside))
    const left = line.length - along
    const aim = line.at(Math.min(line.length, Math.max(0, along) + LOOKAHEAD))
    const angle = wrap(Math.atan2(aim.y - pose.y, aim.x - pose.x) - pose.theta)
    if (Math.abs(angle) > TURN_FROM) return { v: 0, w: TURN_GAIN * angle }
    const v = Math.min(CRUISE, APPROACH * Math.max(left, REACHED))
    // The arc through the aim.
    return { v, w: (2 * v * Math.sin(angle)) / Math.max(LOOKAHEAD / 2, distance(pose, aim)) }
  }

  #advance(): void {
    this.#from = this.target
    this.#next = (this.#next + 1) % this.#waypoints.length
    this.#reached++
  }

  #measure(beside: number): void {
    this.#squares += beside ** 2
    this.#samples++
    this.#worst = Math.max(this.#worst, beside)
  }
}

/** The straight line between two points. */
function lineTo(from: Point, to: Point) {
  const length = distance(from, to)
  const [ux, uy] = length > 0 ? [(to.x - from.x) / length, (to.y - from.y) / length] : [1, 0]
  return {
    length,
    at: (along: number): Point => ({ x: from.x + ux * along, y: from.y + uy * along }),
    /** How far along the line a point is, and how far to the left of it. */
    project: ({ x, y }: Point) => {
      const [dx, dy] = [x - from.x, y - from.y]
      return { along: dx * ux + dy * uy, beside: ux * dy - uy * dx }
    },
  }
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y)
}

/** An angle in (-π, π]. */
function wrap(angle: number): number {
  return Math.atan2(Math.sin(angle), Math.cos(angle))
}
