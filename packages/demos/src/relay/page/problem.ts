import type { UsmpError } from '@usmp/core'
import { byId, say } from '../../shared/dom.ts'

/** What went wrong, for people. */
export interface Problem {
  readonly title: string
  readonly text: string
  readonly advice: string
  /** What the page can do about it. */
  readonly act?: { readonly label: string; run(): void }
}

/** In a text of the page a name of somebody else keeps its direction to itself. */
export function isolated(name: string): string {
  return `\u2068${name}\u2069`
}

/** The problem behind an error of a pairing. */
export function problemOf(error: UsmpError): Problem {
  const { code, message, hint = '' } = error
  const text = `${message} (${code})`
  switch (code) {
    case 'PAIRING_FAILED':
      return {
        title: 'The code is burnt',
        text,
        advice:
          'A code is good for one attempt, right or wrong, so nobody can try words until they fit. Let one of you make a new code, and tell it to the other one alone.',
      }
    case 'RELAY_REFUSED':
      return { title: 'The relay refuses you', text, advice: hint }
    case 'REPLACED':
      return { title: 'Another program has taken your place', text, advice: hint }
    case 'UNREACHABLE':
    case 'TRANSPORT_FAILED':
      return { title: 'The relay is not reached', text, advice: hint }
    case 'INVALID_ARGUMENT':
      return { title: 'This cannot be right', text, advice: hint }
    default:
      return { title: 'It did not work', text, advice: hint }
  }
}

/** The panel on top of the page. */
export class ProblemPanel {
  readonly #panel = byId('problem')
  readonly #act = byId<HTMLButtonElement>('problem-act')
  #run: (() => void) | undefined

  constructor() {
    byId('problem-close').addEventListener('click', () => this.hide())
    this.#act.addEventListener('click', () => {
      const run = this.#run
      this.hide()
      run?.()
    })
  }

  show({ title, text, advice, act }: Problem): void {
    byId('problem-title').textContent = title
    byId('problem-text').textContent = text
    say(byId('problem-advice'), advice || undefined)
    say(this.#act, act?.label)
    this.#run = act?.run
    this.#panel.hidden = false
    this.#panel.scrollIntoView({ block: 'nearest' })
  }

  hide(): void {
    this.#panel.hidden = true
    this.#run = undefined
  }
}
