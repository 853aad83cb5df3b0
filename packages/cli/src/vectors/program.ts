import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { UsmpError } from '@usmp/core'
import type { Fields } from './calls.js'

const HINT =
  'Each line on its stdin is one call; it answers each by one line of JSON on stdout, and writes nothing else there.'

/** A program under test: one line in, one line out. */
export class Program {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #name: string
  readonly #answerTimeout: number

  /**
   * @param command a shell command
   * @param answerTimeout how long to wait for one answer, ms
   */
  constructor(command: string, answerTimeout: number) {
    this.#name = command
    this.#answerTimeout = answerTimeout
    this.#child = spawn(command, {
      shell: true,
      detached: process.platform !== 'win32',
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdin!.on('error', () => {})
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  /** Puts a question; its answer comes when those of the questions before it have come. */
  ask(request: Fields): void {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`)
  }

  /** The next answer. Throws a UsmpError when there is none, or none that is JSON. */
  async answer(request: Fields): Promise<Fields> {
    let timer: NodeJS.Timeout | undefined
    const tooLate = new Promise<never>((_, reject) => {
      const late = () => reject(this.#fault(`did not answer within ${this.#answerTimeout / 1000} s`, request))
      timer = setTimeout(late, this.#answerTimeout)
    })
    try {
      const line = await Promise.race([this.#lines.next(), tooLate])
      if (line.done) throw this.#fault('ended before it answered', request)
      return this.#parse(line.value, request)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends its input, and then the program if it does not go. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const timer = setTimeout(() => this.#kill(), 1_000)
    await once(this.#child, 'close')
    clearTimeout(timer)
  }

  #kill(): void {
    try {
      if (process.platform === 'win32') this.#child.kill('SIGKILL')
      else process.kill(-this.#child.pid!, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }

  #parse(line: string, request: Fields): Fields {
    try {
      const answer = JSON.parse(line)
      if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) return answer as Fields
    } catch {
      // Told below.
    }
    throw this.#fault('answered with something that is no JSON object', request)
  }

  #fault(what: string, { call }: Fields): UsmpError {
    return new UsmpError('INVALID_ARGUMENT', `\`${this.#name}\` ${what} (call "${String(call)}")`, { hint: HINT })
  }
}
