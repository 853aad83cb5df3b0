import type { InferOutput } from 'valibot'
import type * as commands from '../contract/commands.js'
import type { Cancel, GatewayTime } from '../time.js'

const MINUTE = 60_000
/** Whatever is asked for, ms. */
const LONGEST = 60 * MINUTE

interface Open {
  /** ms of the clock that never jumps. */
  readonly deadline: number
  /** The same as a date. */
  readonly until: number
  readonly suffix: string | null
  readonly by: string
  /** Devices that may still join; null: any number. */
  left: number | null
  cancel: Cancel
}

/**
 * Whether devices that nobody knows may ask to join. The gateway's clocks alone say when it closes: the one that never jumps, and the date
 * too, as the first stands still while a machine sleeps. It is never open for ever, and a restart closes it.
 */
export class JoinWindow {
  readonly #time: GatewayTime
  readonly #onChange: () => void
  #open: Open | undefined
  #overflow = 0

  constructor(time: GatewayTime, onChange: () => void) {
    this.#time = time
    this.#onChange = onChange
  }

  /** Opens it, or begins again with other limits. */
  open({ minutes, count, suffix }: InferOutput<typeof commands.openJoin>, by: string): void {
    this.#open?.cancel()
    const span = Math.min(LONGEST, Math.round(minutes * MINUTE))
    this.#overflow = 0
    this.#open = {
      deadline: this.#time.monotonic() + span,
      until: this.#time.now() + span,
      suffix: suffix ?? null,
      by,
      left: count ?? null,
      cancel: this.#time.after(span, () => this.close()),
    }
    this.#onChange()
  }

  close(): void {
    if (!this.#open) return
    this.#open.cancel()
    this.#open = undefined
    this.#onChange()
  }

  /** Closes it if its time is over, which has to be looked at now and then: a timer stands still while a machine sleeps. */
  closeIfOver(): void {
    if (this.remaining === 0) this.close()
  }

  /** ms until it closes; 0 while it is closed. */
  get remaining(): number {
    if (!this.#open) return 0
    const { deadline, until } = this.#open
    return Math.max(0, Math.min(deadline - this.#time.monotonic(), until - this.#time.now()))
  }

  /** Whether a device may ask to join now. */
  admits(deviceId: string): boolean {
    // A timer may be late, the deadline is not.
    if (this.remaining === 0) return false
    const suffix = this.#open?.suffix
    return !suffix || deviceId.replaceAll(':', '').endsWith(suffix)
  }

  /** A device was let in. */
  onJoined(): void {
    if (this.#open?.left == null) return
    this.#open.left--
    if (this.#open.left <= 0) this.close()
    else this.#onChange()
  }

  /** A device knocked while the list was full. */
  onOverflow(): void {
    this.#overflow++
    this.#onChange()
  }

  view(): commands.JoinWindow {
    const open = this.remaining > 0 ? this.#open : undefined
    const none = { open: false, until: null, remaining: null, left: null, suffix: null, openedBy: null }
    if (!open) return { ...none, overflow: this.#overflow }
    const remaining = Math.round(this.remaining)
    const until = this.#time.now() + remaining
    const { left, suffix, by } = open
    return { open: true, until, remaining, left, suffix, openedBy: by, overflow: this.#overflow }
  }
}
