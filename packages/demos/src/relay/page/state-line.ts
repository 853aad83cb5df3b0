import type { RelayStatus } from '@usmp/relay'
import { byId } from '../../shared/dom.ts'

/** Of the line: also that of a page that does nothing, and of one that the relay turns away. */
export type LineState = RelayStatus['state'] | 'idle' | 'refused'

const TEXTS: Readonly<Record<LineState, string>> = {
  idle: 'Not connected',
  connecting: 'Connecting to the relay',
  waiting: 'Waiting for the other one',
  handshaking: 'Somebody is here: checking who',
  online: 'Connected end to end',
  away: 'The relay is not reached',
  refused: 'The relay refuses',
  ended: 'The conversation has ended',
}

/** Where we are, in the bar of the page. */
export class StateLine {
  readonly #line = byId('state')
  readonly #text = byId('state-text')
  readonly #detail = byId('state-detail')
  /** ms of `performance.now` of the next attempt. */
  #nextAt: number | undefined

  /** @param pause ms until the next attempt */
  show(state: LineState, pause?: number): void {
    this.#line.dataset.state = state
    this.#text.textContent = TEXTS[state]
    this.#nextAt = pause === undefined ? undefined : performance.now() + pause
    this.draw(performance.now())
  }

  /** @param now ms of `performance.now` */
  draw(now: number): void {
    const left = this.#nextAt === undefined ? undefined : Math.max(0, Math.ceil((this.#nextAt - now) / 1000))
    const text = left === undefined ? '' : left === 0 ? 'trying' : `trying again in ${left} s`
    if (this.#detail.textContent !== text) this.#detail.textContent = text
  }
}
