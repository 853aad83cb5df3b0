/** What somebody asks for: −1 to 1 of what the robot can do, forwards and to the left positive. */
export interface Ask {
  readonly forward: number
  readonly left: number
}

export const NOTHING: Ask = { forward: 0, left: 0 }

/** A stick that is moved by less than this share asks for nothing. */
const DEAD_ZONE = 0.12

/** A joystick under a finger, pen or mouse. Let go, it springs back and asks for nothing. */
export class Stick {
  readonly #base: HTMLElement
  readonly #knob: HTMLElement
  readonly #onAsk: (ask: Ask) => void
  #pointer: number | undefined

  constructor(base: HTMLElement, onAsk: (ask: Ask) => void) {
    this.#base = base
    this.#knob = base.querySelector<HTMLElement>('.knob')!
    this.#onAsk = onAsk
    base.addEventListener('pointerdown', (event) => this.#grab(event))
    base.addEventListener('pointermove', (event) => event.pointerId === this.#pointer && this.#move(event))
    for (const end of ['pointerup', 'pointercancel', 'lostpointercapture'] as const) {
      base.addEventListener(end, (event) => event.pointerId === this.#pointer && this.release())
    }
  }

  /** Whether somebody holds it. */
  get held(): boolean {
    return this.#pointer !== undefined
  }

  /** Springs back, also from under a finger that is still on it. */
  release(): void {
    const pointer = this.#pointer
    if (pointer === undefined) return
    this.#pointer = undefined
    if (this.#base.hasPointerCapture(pointer)) this.#base.releasePointerCapture(pointer)
    this.show(NOTHING)
    this.#onAsk(NOTHING)
  }

  /** Moves the knob to what was asked for elsewhere, by the keys. */
  show({ forward, left }: Ask): void {
    const reach = this.#reach
    this.#knob.style.transform = `translate(${-left * reach}px, ${-forward * reach}px)`
    this.#base.classList.toggle('held', this.held)
  }

  #grab(event: PointerEvent): void {
    if (this.#pointer !== undefined || event.button !== 0) return
    this.#pointer = event.pointerId
    this.#base.setPointerCapture(event.pointerId)
    this.#move(event)
  }

  #move({ clientX, clientY }: PointerEvent): void {
    const box = this.#base.getBoundingClientRect()
    const right = (clientX - box.left - box.width / 2) / this.#reach
    const up = -(clientY - box.top - box.height / 2) / this.#reach
    const distance = Math.hypot(right, up)
    const shorten = 1 / Math.max(1, distance)
    this.show({ forward: up * shorten, left: -right * shorten })
    const share = Math.max(0, Math.min(1, distance) - DEAD_ZONE) / (1 - DEAD_ZONE)
    // Behind the dead zone it begins at nothing, without a step.
    const scale = distance > 0 ? share / distance : 0
    this.#onAsk({ forward: up * scale, left: -right * scale })
  }

  /** How far the knob goes, CSS pixels. */
  get #reach(): number {
    return Math.max(1, (this.#base.clientWidth - this.#knob.offsetWidth) / 2)
  }
}
