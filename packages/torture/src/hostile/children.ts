// Programs of a scene, and how they are told what to do: one command, one answer.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** This file runs from `src` in tests; the programs are always those that were built. */
const PROGRAMS = new URL(import.meta.url.replace(/^(.*)\/(?:src|dist)\/.*$/, '$1/dist/hostile/'))

export type ProgramName = 'scene' | 'server' | 'good' | 'attacker'

export function programPath(name: ProgramName): string {
  return fileURLToPath(new URL(`${name}.js`, PROGRAMS))
}

/** A process that does what it is told. */
export class Child {
  readonly #process: ChildProcess
  readonly #name: string

  constructor(process: ChildProcess, name: string) {
    this.#process = process
    this.#name = name
  }

  static start(name: ProgramName): Child {
    return new Child(fork(programPath(name), [], { execArgv: ['--expose-gc'] }), name)
  }

  /** One command at a time. Throws if the process ends, or fails at it. */
  async ask<T>(command: string, argument?: unknown): Promise<T> {
    const controller = new AbortController()
    const { signal } = controller
    try {
      this.#process.send({ command, argument })
      const gone = once(this.#process, 'exit', { signal }).then(([code, by]) => {
        throw new Error(`the ${this.#name} ended with ${code ?? by}`)
      })
      const [{ error, answer }] = await Promise.race([once(this.#process, 'message', { signal }), gone])
      if (error) throw new Error(`the ${this.#name}, ${command}: ${error}`)
      return answer
    } finally {
      controller.abort()
    }
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}

/** Obeys a parent's {@link Child.ask}; ends with the parent. */
export function obey(commands: Record<string, (argument: never) => unknown>): void {
  process.on('disconnect', () => process.exit())
  process.on('message', async ({ command, argument }: { command: string; argument: never }) => {
    try {
      process.send!({ answer: await commands[command]!(argument) })
    } catch (error) {
      process.send!({ error: String((error as Error).stack) })
    }
  })
}
