import { byId, say } from './dom.ts'

/** Older lines leave. */
const MOST_LINES = 200

/** What was said to the robots and by them. */
export class Chat {
  readonly #log = byId('chat-log')
  readonly #text = byId<HTMLInputElement>('chat-text')
  readonly #fault = byId('chat-fault')

  /** @param onSend hands a line to the hub */
  constructor(onSend: (text: string) => Promise<void>) {
    byId('chat-form').addEventListener('submit', async (event) => {
      event.preventDefault()
      const text = this.#text.value.trim()
      if (text === '') return
      try {
        await onSend(text)
        say(this.#fault, undefined)
        if (this.#text.value.trim() === text) this.#text.value = ''
      } catch (error) {
        say(this.#fault, `Not said: ${(error as Error).message}`)
      }
    })
  }

  /** @param mine whether it was said here */
  add(from: string, to: string | undefined, text: string, mine: boolean): void {
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 24
    const line = document.createElement('li')
    line.className = mine ? 'mine' : ''
    const who = document.createElement('small')
    who.textContent = to === undefined ? from : `${from} → ${to}`
    const what = document.createElement('p')
    what.textContent = text
    line.append(who, what)
    this.#log.append(line)
    while (this.#log.childElementCount > MOST_LINES) this.#log.firstElementChild!.remove()
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight
  }
}
