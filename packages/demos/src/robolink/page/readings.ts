import { byId, say } from '../../shared/dom.ts'
import type { Watched } from '../contract.ts'
import { ago, degrees, fixed } from './numbers.ts'

/** Telemetry that is older than this is shown as what it is: old, ms. */
export const STALE_AFTER = 500
/** The pose is told to those who cannot see the map this often, ms. */
const TELL_INTERVAL = 2_000

const STATES: Readonly<Record<Watched['state'], string>> = {
  idle: 'stands',
  driving: 'drives',
  deadman: 'stopped by itself',
}

/** The figures of the robot that is shown, and how old they are. */
export class Readings {
  readonly #panel = byId('readings')
  readonly #state = byId('robot-state')
  readonly #stale = byId('stale')
  readonly #pose = byId('pose')
  readonly #poseText = byId('pose-text')
  #toldAt = Number.NEGATIVE_INFINITY

  /** @param item undefined before there was any; @param age of it, ms; @param now ms */
  show(item: Watched | undefined, age: number, now: number): void {
    const stale = item !== undefined && age > STALE_AFTER
    this.#panel.classList.toggle('old', stale)
    byId('map').classList.toggle('old', stale)
    say(this.#stale, stale ? `Stale: the last telemetry is ${ago(age)} old` : undefined)
    this.#state.dataset.state = stale ? 'stale' : (item?.state ?? 'none')
    setText(this.#state, item ? (stale ? 'unknown' : STATES[item.state]) : 'no telemetry')
    figure('r-age', item && Math.round(age).toString())
    figure('r-v', item && fixed(item.v, 2))
    figure('r-w', item && fixed(item.w, 2))
    figure('r-left', item && fixed(item.left, 2))
    figure('r-right', item && fixed(item.right, 2))
    figure('r-battery', item && fixed(item.battery * 100, 1))
    figure('r-temperature', item && fixed(item.temperature, 1))
    figure('r-n', item && `#${item.n}`)
    const pose = item
      ? `x ${fixed(item.x, 2)} m   y ${fixed(item.y, 2)} m   ${fixed(degrees(item.theta), 0)}°`
      : 'no telemetry yet'
    setText(this.#poseText, pose)
    if (now - this.#toldAt < TELL_INTERVAL) return
    this.#toldAt = now
    this.#pose.setAttribute('aria-label', stale ? `Old pose, ${ago(age)}: ${pose}` : pose)
  }
}

function figure(id: string, text: string | undefined): void {
  setText(byId(id), text ?? '–')
}

function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
