import { byId } from '../../shared/dom.ts'
import { ago } from './numbers.ts'

/** What an emergency stop can do at this moment. */
export interface StopTarget {
  /** Name of the robot. */
  readonly name: string
  /** Who drives it, if that is somebody else; the stop takes the lease from them. */
  readonly otherDriver: string | undefined
  /** Resolves when the robot has answered. */
  stop(): Promise<unknown>
}

const NO_LINK =
  'Not sent: there is no link to the robot. If you drove it, it stops by itself within 0.6 s; if another does, it goes on. ' +
  'The stop is sent when the link is back.'

/** The button that stops the robot, no matter who drives it. */
export class EmergencyStop {
  readonly #outcome = byId('stop-outcome')
  readonly #target: () => StopTarget | undefined
  readonly #onPress: () => void
  /** Pressed, and nobody has confirmed it yet. */
  #owed = false

  /** @param target undefined while there is no link or no robot; @param onPress comes before all else */
  constructor(target: () => StopTarget | undefined, onPress: () => void) {
    this.#target = target
    this.#onPress = onPress
    byId('stop').addEventListener('click', () => this.press())
  }

  press(): void {
    this.#onPress()
    const target = this.#target()
    if (target) return void this.#stop(target)
    this.#owed = true
    this.#say('bad', NO_LINK)
  }

  /** The link, or the robot, may be back. */
  resume(): void {
    const target = this.#owed ? this.#target() : undefined
    if (!target) return
    this.#owed = false
    void this.#stop(target)
  }

  /** We drive again: what was said about a stop is over. */
  clear(): void {
    this.#owed = false
    this.#say('none', '')
  }

  async #stop({ name, stop, otherDriver }: StopTarget): Promise<void> {
    this.#say('under-way', `Stopping ${name} …`)
    const begin = performance.now()
    try {
      await stop()
      const lease = otherDriver === undefined ? '' : ` ${otherDriver} has lost the wheel: it is yours.`
      this.#say('good', `${name} stopped; it answered in ${ago(performance.now() - begin)}.${lease}`)
    } catch (error) {
      this.#owed = true
      this.#say(
        'bad',
        `${name} did not confirm the stop: ${(error as Error).message}. It is sent again when ${name} is back.`,
      )
    }
  }

  #say(state: string, text: string): void {
    this.#outcome.dataset.state = state
    this.#outcome.textContent = text
  }
}
