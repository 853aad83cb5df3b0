import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const WAIT = 20_000

/** A program that says lines, each with a word in front. It owns the process; call {@link Program.stop} in every case. */
export class Program {
  /** What it has said so far, for failures; that of the standard error too. */
  log = ''
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  #wake: (() => void) | undefined

  constructor(path: string, args: readonly string[]) {
    this.#child = spawn(path, args)
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.log += `${line}\n`
      this.#lines.push(line)
      this.#wake?.()
    })
    this.#child.stderr!.on('data', (chunk) => (this.log += chunk))
    this.#child.on('close', () => this.#wake?.())
  }

  /** What follows `word` on the next line that begins with it; lines before it are skipped. */
  async says(word: string): Promise<string> {
    const deadline = Date.now() + WAIT
    for (;;) {
      const index = this.#lines.findIndex((line) => line === word || line.startsWith(`${word} `))
      if (index >= 0)
        return this.#lines
          .splice(0, index + 1)
          .at(-1)!
          .slice(word.length + 1)
      if (this.#hasEnded || Date.now() > deadline) throw new Error(`it never said "${word}"; it said:\n${this.log}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Closes its input, and waits for its end. */
  async endInput(): Promise<number | null> {
    this.#child.stdin!.end()
    if (!this.#hasEnded) await once(this.#child, 'close')
    return this.#child.exitCode
  }

  /** It vanishes without a word, as without power. */
  async vanish(): Promise<void> {
    if (this.#hasEnded) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await closed
  }

  /** Ends it. */
  stop(): Promise<void> {
    return this.vanish()
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}
