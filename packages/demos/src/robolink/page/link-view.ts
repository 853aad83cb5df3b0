import type { UsmpError } from '@usmp/core'
import { byId, say } from '../../shared/dom.ts'
import type { LinkState } from './link.ts'
import { ago, fixed } from './numbers.ts'

/** A PING that is unanswered for so long, ms, means that the hub is silent. */
const SILENT_AFTER = 1_500

/** The line in the header that says how things are with the hub. */
export class LinkView {
  readonly #line = byId('link')
  readonly #text = byId('link-text')
  readonly #detail = byId('link-detail')
  readonly #retry = byId('retry')
  readonly #reload = byId('reload')

  constructor(onRetry: () => void) {
    this.#retry.addEventListener('click', onRetry)
    this.#reload.addEventListener('click', () => location.reload())
  }

  /**
   * @param now ms
   * @param ping the last answered PING, ms, and since when, on the same clock, one is unanswered
   */
  show(state: LinkState, now: number, ping: { last: number | undefined; unansweredSince: number | undefined }): void {
    const silence = now - (ping.unansweredSince ?? now)
    const silent = state.kind === 'open' && silence > SILENT_AFTER
    this.#line.dataset.state = silent ? 'silent' : state.kind
    this.#retry.hidden = state.kind !== 'waiting' && state.kind !== 'dismissed'
    this.#reload.hidden = !(state.kind === 'waiting' && state.reason.code === 'UNREACHABLE')
    const set = (text: string, detail = '') => {
      // Announced when it changes; figures that change all the time are beside it.
      if (this.#text.textContent !== text) this.#text.textContent = text
      say(this.#detail, detail || undefined)
    }
    switch (state.kind) {
      case 'connecting':
        return set('Connecting to the hub')
      case 'open':
        if (silent) return set('The hub is silent', `for ${ago(silence)}`)
        return set('Encrypted link', ping.last === undefined ? '' : `${fixed(ping.last, 1)} ms`)
      case 'waiting':
        return set(whyWaiting(state.reason), `again in ${Math.max(0, (state.until - now) / 1000).toFixed(0)} s`)
      case 'refused':
        return set('Refused by the hub')
      case 'dismissed':
        return set(
          state.code === 'REPLACED' ? 'Another page has taken this operator’s seat' : `Sent away: ${state.message}`,
        )
    }
  }
}

function whyWaiting(reason: UsmpError): string {
  switch (reason.code) {
    case 'UNREACHABLE':
      return 'The hub does not answer. If it runs, its certificate may be new: reload, and accept it'
    case 'HANDSHAKE_REFUSED':
      return 'The hub turned us away; its log says why'
    case 'SHUTDOWN':
    case 'CLOSED':
      return 'The hub said goodbye; reconnecting'
    case 'IDLE_TIMEOUT':
      return 'The hub fell silent; reconnecting'
    default:
      return `The link broke (${reason.code}); reconnecting`
  }
}
