import { takesText } from '../../shared/dom.ts'
import type { Ask } from './stick.ts'

/** Keys by their place on the board, so that W, A, S and D are where they are on any layout. */
const DIRECTIONS: Readonly<Record<string, Ask>> = {
  KeyW: { forward: 1, left: 0 },
  ArrowUp: { forward: 1, left: 0 },
  KeyS: { forward: -1, left: 0 },
  ArrowDown: { forward: -1, left: 0 },
  KeyA: { forward: 0, left: 1 },
  ArrowLeft: { forward: 0, left: 1 },
  KeyD: { forward: 0, left: -1 },
  ArrowRight: { forward: 0, left: -1 },
}
/** Share of what the robot can do, without and with Shift. */
const CALM = 0.5
const FAST = 1

/** What the keyboard is told to do with. */
export interface KeyActions {
  /** What the keys that are down ask for together. */
  ask(ask: Ask): void
  /** The space bar. */
  stop(): void
  /** Escape, from anywhere. */
  emergencyStop(): unknown
  /** Whether keys may drive now. */
  readonly enabled: () => boolean
}

/** Drives by W, A, S, D and the arrows, except while somebody types. */
export class Keys {
  readonly #actions: KeyActions
  readonly #down = new Set<string>()
  #fast = false

  constructor(actions: KeyActions) {
    this.#actions = actions
    // Before anything else on the page sees it: nothing may keep Escape from stopping.
    addEventListener('keydown', (event) => this.#press(event), { capture: true })
    addEventListener('keyup', (event) => this.#lift(event), { capture: true })
  }

  /** Forgets what is down; a key counts again when it is pressed again. */
  release(): void {
    if (this.#down.size === 0) return
    this.#down.clear()
    this.#ask()
  }

  #press(event: KeyboardEvent): void {
    if (event.key === 'Escape') return void (event.repeat || this.#actions.emergencyStop())
    if (takesText(event.target) || event.ctrlKey || event.altKey || event.metaKey || !this.#actions.enabled()) return
    this.#fast = event.shiftKey
    if (event.code === 'Space') return this.#stop(event)
    // Arrows choose within a group of choices, and scroll messages.
    if (event.target instanceof Element && event.target.closest('[type=radio], [role=log]')) return
    if (event.code in DIRECTIONS) {
      event.preventDefault()
      if (event.repeat) return
      this.#down.add(event.code)
    }
    if (this.#down.size > 0) this.#ask()
  }

  #stop(event: KeyboardEvent): void {
    // On a button the space bar presses it too; the page must not scroll.
    if (!(event.target instanceof HTMLButtonElement) && !(event.target instanceof HTMLInputElement))
      event.preventDefault()
    this.#down.clear()
    this.#actions.stop()
  }

  #lift(event: KeyboardEvent): void {
    this.#fast = event.shiftKey
    if (this.#down.delete(event.code) || (this.#down.size > 0 && event.key === 'Shift')) this.#ask()
  }

  #ask(): void {
    let [forward, left] = [0, 0]
    for (const code of this.#down) {
      forward += DIRECTIONS[code]!.forward
      left += DIRECTIONS[code]!.left
    }
    const share = this.#fast ? FAST : CALM
    this.#actions.ask({ forward: Math.sign(forward) * share, left: Math.sign(left) * share })
  }
}
