import { RoboLinkError, type Velocity } from '../contract.ts'
import { type Ask, NOTHING } from './stick.ts'

/** Between two commands, ms: 12.5 in a second. */
const INTERVAL = 80
/** While nothing is asked for, this often the robot is held still, ms: a lease that nobody uses may be taken. */
const HOLD_INTERVAL = 1_000
/** More unanswered commands than these, and the next one is left out: on a slow line old ones help nobody. */
const MOST_UNANSWERED = 4

/** Where commands go. Each resolves when the robot has answered. */
export interface Commands {
  drive(velocity: Velocity, fence: number): Promise<Velocity>
  stop(): Promise<unknown>
}

/** What driving needs to know of the moment. */
export interface Moment {
  /** Where commands go; undefined while there is no robot to command. */
  readonly commands: Commands | undefined
  /** What the robot can do. */
  readonly limits: Velocity
  /** Whether the control lease is ours, so that it is worth holding. */
  readonly ours: boolean
  /** What a command carries; undefined while a stop of ours is under way, which nothing may pass. */
  readonly fence: number | undefined
}

/** Turns what is asked for into commands, at a bounded rate, and into a stop when nothing is asked for any more. */
export class Driving {
  readonly #moment: () => Moment
  readonly #onFault: (fault: unknown) => void
  readonly #onApplied: (applied: Velocity) => void
  #ask = NOTHING
  #timer: ReturnType<typeof setInterval> | undefined
  #sentAt = Number.NEGATIVE_INFINITY
  #unanswered = 0
  /** After a refusal: only who lets go first may drive again. */
  #locked = false
  /** As it was at the first command since something was asked for: who holds on does not drive past a stop. */
  #fence: number | undefined

  /** @param onFault a command that was refused or lost; undefined when all is well again */
  constructor(moment: () => Moment, onApplied: (applied: Velocity) => void, onFault: (fault: unknown) => void) {
    this.#moment = moment
    this.#onApplied = onApplied
    this.#onFault = onFault
    setInterval(() => this.#hold(), HOLD_INTERVAL)
  }

  /** What is wanted of the robot now, m/s and rad/s. */
  get wanted(): Velocity {
    const { limits } = this.#moment()
    if (this.#locked) return { v: 0, w: 0 }
    return { v: this.#ask.forward * limits.v, w: this.#ask.left * limits.w }
  }

  ask(ask: Ask): void {
    const wasMoving = isMoving(this.#ask) && !this.#locked
    this.#ask = ask
    if (isMoving(ask)) {
      if (!this.#locked) this.#run()
    } else {
      this.#locked = false
      this.#fence = undefined
      clearInterval(this.#timer)
      this.#timer = undefined
      if (wasMoving) this.#stop()
    }
  }

  /** Nothing goes out until everything was let go. */
  #lock(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#locked = isMoving(this.#ask)
  }

  #run(): void {
    this.#timer ??= setInterval(() => this.#drive(), INTERVAL)
    if (performance.now() - this.#sentAt >= INTERVAL) this.#drive()
  }

  #drive(): void {
    const { commands, fence } = this.#moment()
    if (!commands || fence === undefined || this.#unanswered >= MOST_UNANSWERED) return
    this.#fence ??= fence
    this.#sentAt = performance.now()
    this.#unanswered++
    // Those that were sent before a refusal may be answered after it; then the refusal is what counts.
    commands
      .drive(this.wanted, this.#fence)
      .then(
        (applied) => this.#locked || this.#applied(applied),
        (fault) => this.#locked || this.#failed(fault),
      )
      .finally(() => this.#unanswered--)
  }

  #applied(velocity: Velocity): void {
    this.#onApplied(velocity)
    this.#onFault(undefined)
  }

  #failed(fault: { code?: unknown }): void {
    // A newer one of ours was carried out before it.
    if (fault.code === RoboLinkError.OVERTAKEN) return
    if (isRefusal(fault)) this.#lock()
    this.#onFault(fault)
  }

  #stop(): void {
    this.#moment()
      .commands?.stop()
      .then(
        () => this.#onFault(undefined),
        (fault) => this.#onFault(fault),
      )
  }

  #hold(): void {
    const { commands, ours, fence } = this.#moment()
    if (!commands || !ours || fence === undefined || document.hidden || this.#timer !== undefined) return
    // Nobody asked for this one; who drives is shown anyway, and the next one follows.
    commands.drive({ v: 0, w: 0 }, fence).catch(() => {})
  }
}

/** Whether repeating a command is useless. One that was late, overtaken or lost is followed by the next. */
function isRefusal(fault: { code?: unknown }): boolean {
  const { NOT_THE_DRIVER, FENCED, NO_SUCH_ROBOT, ROBOT_IS_GONE } = RoboLinkError
  return [NOT_THE_DRIVER, FENCED, NO_SUCH_ROBOT, ROBOT_IS_GONE].some((code) => code === fault.code)
}

function isMoving({ forward, left }: Ask): boolean {
  return forward !== 0 || left !== 0
}
