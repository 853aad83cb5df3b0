import { byId, say } from '../../shared/dom.ts'
import { plainText } from '../../shared/plain-text.ts'

/** Older lines leave. */
const MOST_LINES = 200

/** A line that was said here. */
export interface OwnLine {
  /** The program of the other end has it. */
  delivered(): void
  /** It will not be known any more. */
  unknown(): void
}

/** What the two say. */
export class Chat {
  readonly #log = byId('chat-log')
  readonly #lines = this.#log.querySelector('ol')!
  readonly #text = byId<HTMLInputElement>('chat-text')
  readonly #form = byId('chat-form')
  readonly #fault = byId('chat-fault')

  /** @param onSay hands a line on; it rejects if there is no room for it or all is over */
  constructor(onSay: (text: string) => void) {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      const text = this.#text.value.trim()
      if (text === '') return
      this.#text.value = ''
      say(this.#fault, undefined)
      onSay(text)
    })
  }

  /** A conversation begins. */
  open(): void {
    this.#lines.replaceChildren()
    say(this.#fault, undefined)
    this.enable(true)
    this.#text.focus()
  }

  enable(enabled: boolean): void {
    this.#form.hidden = !enabled
  }

  addOwn(text: string): OwnLine {
    const state = document.createElement('small')
    const tell = (name: string, words: string) => {
      state.className = name
      state.textContent = words
    }
    tell('waits', 'on its way')
    this.#add('mine', text, state)
    return {
      delivered: () => tell('delivered', 'delivered'),
      unknown: () => tell('unknown', 'not confirmed'),
    }
  }

  /** @param text what the other one said: untrusted */
  addTheirs(text: string): void {
    this.#add('theirs', text)
  }

  /** Something that happened. */
  addNote(text: string): void {
    this.#add('note', text)
  }

  showFault(text: string): void {
    say(this.#fault, text)
  }

  #add(name: string, text: string, ...more: HTMLElement[]): void {
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40
    const line = document.createElement('li')
    line.className = name
    const what = document.createElement('p')
    // Each in its own direction, and none can turn what stands beside it.
    what.dir = 'auto'
    what.textContent = plainText(text)
    line.append(what, ...more)
    this.#lines.append(line)
    while (this.#lines.childElementCount > MOST_LINES) this.#lines.firstElementChild!.remove()
    if (atEnd || name === 'mine') this.#log.scrollTop = this.#log.scrollHeight
  }
}
