import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** This file runs from `src` in tests; the programs are always those that were built. */
const PROGRAMS = import.meta.url.replace(/^(.*)\/(?:src|dist)\/.*$/, '$1/dist/children/')
/** Sockets that a process may have, where the system lets it. */
const DESCRIPTORS = 65_536
/** A child that answers nothing for so long has hung, ms. */
const PATIENCE = 240_000

/** What a child says by itself: an object with its `event`. */
export interface Said {
  readonly event: string
  readonly [field: string]: unknown
}

interface Waiting {
  resolve(answer: unknown): void
  reject(error: unknown): void
}

export interface ChildOptions {
  readonly args?: readonly string[]
  /** A command that runs the child, by the words that follow it. */
  readonly under?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A process of its own that does what it is told, a line of JSON each, and may say what happens (`control-channel.ts` is its end). */
export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  readonly #waiting: Waiting[] = []
  readonly #listeners = new Set<(said: Said) => void>()
  readonly #ended: Promise<unknown>

  /** @param program a file of `children/`, as it was built */
  constructor(program: string, { args = [], under = [], env = {} }: ChildOptions = {}) {
    this.#name = program
    const path = fileURLToPath(new URL(`${program}.js`, PROGRAMS))
    // A shell raises the limit of open sockets, as far as it may; Node has no call for it.
    const raise = `ulimit -n ${DESCRIPTORS} 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"`
    const [first, ...rest] = [...under, 'sh', '-c', raise, process.execPath, '--expose-gc', path, ...args]
    this.#process = spawn(first!, rest, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } })
    this.#process.stdin!.on('error', () => {})
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#hear(line))
    this.#ended = once(this.#process, 'close').then(() => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${program} has ended`))
    })
  }

  /** Tells of everything that the child says by itself, from now on. */
  onSaid(listener: (said: Said) => void): void {
    this.#listeners.add(listener)
  }

  /** Gives a command; resolves with what answers it. */
  async ask<T>(command: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#process.exitCode !== null) throw new Error(`${this.#name} has ended`)
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#process.stdin!.write(`${JSON.stringify([command, ...args])}\n`)
    const timer = setTimeout(() => this.kill(), PATIENCE)
    try {
      return (await answer) as T
    } finally {
      clearTimeout(timer)
    }
  }

  /** Lets it end by itself. */
  async end(): Promise<void> {
    this.#process.stdin!.end()
    await this.#ended
  }

  /** Ends it as a power cut would: it can do nothing any more. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    this.#process.kill('SIGCONT')
    await this.#ended
  }

  /** Holds it up, or lets it go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(name)
  }

  /** How large any file may get that it writes, bytes; `unlimited` as before. Beyond it a write fails, as on a full disk. */
  limitFiles(size: string): void {
    execFileSync('prlimit', ['--pid', String(this.#process.pid), `--fsize=${size}:`])
  }

  #hear(line: string): void {
    const said = JSON.parse(line) as Said | { readonly answer?: unknown; readonly error?: string }
    if ('event' in said) {
      for (const listener of this.#listeners) listener(said as Said)
      return
    }
    const waiting = this.#waiting.shift()
    if (said.error === undefined) waiting?.resolve(said.answer)
    else waiting?.reject(new Error(`${this.#name}: ${said.error}`))
  }
}
