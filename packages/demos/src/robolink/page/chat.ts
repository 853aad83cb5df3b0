import { byId, say } from '../../shared/dom.ts'

/** Older lines leave. */
const MOST_LINES = 200

/** What was said to the robots and by them. */
export class Chat {
  readonly #log = byId('chat-log')
  readonly #lines = this.#log.querySelector('ol')!
  readonly #text = byId<HTMLInputElement>('chat-text')
  readonly #fault = byId('chat-fault')

  /** @param to who is spoken to; @param onSend hands a line to the hub */
  constructor(to: () => string | undefined, onSend: (text: string) => Promise<void>) {
    byId('chat-form').addEventListener('submit', async (event) => {
      event.preventDefault()
      const text = this.#text.value.trim()
      if (text === '') return
      // At once: an answer can be here before the hub has told us that it was said.
      const line = this.add('you', to(), text, true)
      this.#text.value = ''
      say(this.#fault, undefined)
      try {
        await onSend(text)
      } catch (error) {
        line.remove()
        this.#text.value ||= text
        say(this.#fault, `Not said: ${(error as Error).message}`)
      }
    })
  }

  /** @param mine whether it was said here */
  add(from: string, to: string | undefined, text: string, mine: boolean): HTMLElement {
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 24
    const line = document.createElement('li')
    line.className = mine ? 'mine' : ''
    const who = document.createElement('small')
    who.textContent = to === undefined ? from : `${from} → ${to}`
    const what = document.createElement('p')
    what.textContent = text
    line.append(who, what)
    this.#lines.append(line)
    while (this.#lines.childElementCount > MOST_LINES) this.#lines.firstElementChild!.remove()
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight
    return line
  }
}
