import { DEAD_MAN, type Telemetry, type Velocity } from '../contract.js'

/** m/s and rad/s that the robot is capable of. */
export const MAX_V = 0.5
export const MAX_W = 2
/** m/s² and rad/s² when it is told to drive. */
const ACCELERATION: Velocity = { v: 1, w: 6 }
/** The same when it stops: from full speed within 50 ms. */
const BRAKE: Velocity = { v: 10, w: 40 }
/** Between the wheels, m. */
const WHEEL_BASE = 0.2
/** The steps in which motion is computed, ms. */
const TICK = 10
const SECONDS = TICK / 1000
/** No motion goes on for longer without a command, ms: after a longer gap there is nothing to compute. */
const LONGEST_MOTION = 2_000

/** °C of the air. */
const AIR = 25
/** °C above the air that driving at 1 m/s ends in, and how fast it gets there, s. */
const HEAT = 40
const WARM_UP = 30
/** Of the battery: a second, and a metre. */
const DRAIN_STILL = 1e-5
const DRAIN_MOVING = 2e-3

/**
 * A robot on two wheels: where it is, how fast it goes, and when it must stop. Only arithmetic: time is an argument, in ms
 * of a clock that never steps. The robot in C (`firmware-c/examples/robot`) computes the same.
 */
export class DriveBase {
  #x = 0
  #y = 0
  #theta = 0
  #now: Velocity = { v: 0, w: 0 }
  #target: Velocity = { v: 0, w: 0 }
  #battery = 1
  #temperature = AIR
  #state: Telemetry['state'] = 'idle'
  #braking = false
  /** Up to here it was computed. */
  #at: number
  #drivenAt: number

  constructor(now: number) {
    this.#at = now
    this.#drivenAt = now
  }

  /**
   * Drives on at these speeds.
   * @returns them, cut to what the robot is capable of
   */
  drive({ v, w }: Velocity, now: number): Velocity {
    this.advance(now)
    this.#target = { v: limit(v, MAX_V), w: limit(w, MAX_W) }
    this.#drivenAt = now
    this.#braking = false
    this.#state = this.#moves ? 'driving' : 'idle'
    return this.#target
  }

  stop(now: number): void {
    this.advance(now)
    this.#brake('idle')
  }

  /** There is nobody who could command it: a moving robot stops at once. */
  abandon(now: number): void {
    this.advance(now)
    if (this.#moves && !this.#braking) this.#brake('deadman')
  }

  /** Brings it up to `now`. */
  advance(now: number): void {
    if (now - this.#at > LONGEST_MOTION) this.#at = now - LONGEST_MOTION
    while (now - this.#at >= TICK) this.#tick()
  }

  /** What it reports; counter and time are the caller's. */
  report(n: number, t: number): Telemetry {
    const { v, w } = this.#now
    return {
      n,
      t: Math.round(t),
      x: round(this.#x),
      y: round(this.#y),
      theta: round(this.#theta),
      v: round(v),
      w: round(w),
      left: round(v - (w * WHEEL_BASE) / 2),
      right: round(v + (w * WHEEL_BASE) / 2),
      battery: round(this.#battery),
      temperature: round(this.#temperature),
      state: this.#state,
    }
  }

  get #moves(): boolean {
    return this.#target.v !== 0 || this.#target.w !== 0 || this.#now.v !== 0 || this.#now.w !== 0
  }

  #brake(state: Telemetry['state']): void {
    this.#target = { v: 0, w: 0 }
    this.#braking = true
    this.#state = state
  }

  #tick(): void {
    if (this.#at - this.#drivenAt >= DEAD_MAN && !this.#braking && this.#moves) this.#brake('deadman')
    const gain = this.#braking ? BRAKE : ACCELERATION
    const v = this.#now.v + limit(this.#target.v - this.#now.v, gain.v * SECONDS)
    const w = this.#now.w + limit(this.#target.w - this.#now.w, gain.w * SECONDS)
    this.#now = { v, w }
    // Along the chord of the arc that is driven in this tick.
    const heading = this.#theta + (w * SECONDS) / 2
    this.#x += v * SECONDS * Math.cos(heading)
    this.#y += v * SECONDS * Math.sin(heading)
    this.#theta = wrap(this.#theta + w * SECONDS)
    this.#wear(Math.abs(v) + (Math.abs(w) * WHEEL_BASE) / 2)
    if (this.#state === 'driving' && !this.#moves) this.#state = 'idle'
    this.#at += TICK
  }

  /** @param work how fast the wheels turn, m/s */
  #wear(work: number): void {
    this.#battery = Math.max(0, this.#battery - SECONDS * (DRAIN_STILL + DRAIN_MOVING * work))
    this.#temperature += (SECONDS / WARM_UP) * (AIR + HEAT * work - this.#temperature)
  }
}

function limit(value: number, most: number): number {
  return Math.min(most, Math.max(-most, value))
}

/** An angle in (-π, π]. */
function wrap(angle: number): number {
  if (angle > Math.PI) return angle - 2 * Math.PI
  return angle <= -Math.PI ? angle + 2 * Math.PI : angle
}

/** Four digits behind the point, and no minus in front of a zero: tenths of a millimetre are enough. */
function round(value: number): number {
  return Math.round(value * 1e4) / 1e4 + 0
}
