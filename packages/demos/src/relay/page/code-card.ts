import type { PairingCode } from '@usmp/relay'
import { byId } from '../../shared/dom.ts'
import type { RelayChoice } from './relay-options.ts'

/** Shows a code large, and what the other one does with it. */
export class CodeCard {
  readonly #left = byId('code-left')
  readonly #command = byId('command')
  readonly #copy = byId<HTMLButtonElement>('copy')
  #code: PairingCode | undefined

  constructor(onCancel: () => void) {
    byId('code-cancel').addEventListener('click', onCancel)
    this.#copy.addEventListener('click', () => void this.#copyCommand())
  }

  show(code: PairingCode, choice: RelayChoice): void {
    this.#code = code
    byId('code').replaceChildren(...code.toString().split(/(-)/).map(partOf))
    this.#command.textContent = commandFor(code, choice)
    this.#copy.textContent = 'Copy the command'
    this.draw()
  }

  draw(): void {
    const seconds = Math.ceil((this.#code?.remaining ?? 0) / 1000)
    const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} left`
    if (this.#left.textContent !== text) this.#left.textContent = text
  }

  async #copyCommand(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#command.textContent)
      this.#copy.textContent = 'Copied'
    } catch {
      // A page that came without TLS from another machine may not; then it is marked, so that a key copies it.
      getSelection()?.selectAllChildren(this.#command)
      this.#copy.textContent = 'Marked: copy it now'
    }
  }
}

/** A word of a code, or the dash behind it, where the line may break. */
function partOf(part: string): Node {
  if (part !== '-') return document.createTextNode(part)
  const dash = document.createElement('span')
  dash.append('-', document.createElement('wbr'))
  return dash
}

/** What the other one types: with the packages from the registry, so that nothing has to be installed before. */
function commandFor(code: PairingCode, { relay, token }: RelayChoice): string {
  const address = relay.href.replace(/\/$/, '')
  const secret = token ? ' --token-file FILE' : ''
  return `npx -p @usmp/cli -p @usmp/relay usmp relay peer --relay ${quoted(address)}${secret} --code ${code}`
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w./:@[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
