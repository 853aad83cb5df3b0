import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Bundle, root } from './bundle.js'
import type { Growth } from './engine.js'
import type { About } from './list.js'
import { CURRENT_HEAD, type Task } from './task.js'

/** A run that takes longer is said to hang, ms. Any takes some ms. */
const HANG = 20_000

export interface RunOptions {
  readonly seed: number
  readonly ms: number
  readonly executions?: number
  /** Makes the corpus small at the end. */
  readonly minimise?: boolean
}

/** What is kept of a target between runs: an input a line, in base64. */
export class Corpus {
  readonly #grown: string
  readonly #crashes: string

  constructor(target: string) {
    this.#grown = join(root, `packages/fuzz/corpus/${target}.txt`)
    this.#crashes = join(root, `packages/fuzz/corpus/${target}.crashes.txt`)
  }

  /** What has broken a promise once, and what coverage has chosen. */
  read(): Uint8Array[] {
    return [...lines(this.#crashes), ...lines(this.#grown)].map((line) => new Uint8Array(Buffer.from(line, 'base64')))
  }

  /** Puts these in the place of what coverage had chosen. */
  replace(inputs: readonly Uint8Array[]): void {
    writeFileSync(this.#grown, inputs.map((input) => `${base64(input)}\n`).join(''))
  }

  /** Adds a crash. It is run first from now on. */
  add(input: Uint8Array): void {
    if (!lines(this.#crashes).includes(base64(input))) appendFileSync(this.#crashes, `${base64(input)}\n`)
  }
}

const base64 = (input: Uint8Array) => Buffer.from(input).toString('base64')

function lines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

/** Fuzzes one target, from its corpus on. A hang is a crash as well. */
export function fuzz(
  target: About,
  bundle: Bundle,
  start: readonly Uint8Array[],
  options: RunOptions,
): Promise<Growth> {
  const current = new Uint8Array(new SharedArrayBuffer(CURRENT_HEAD + target.maxLength))
  const task: Task = {
    target: target.name,
    maxLength: target.maxLength,
    points: bundle.points.length,
    current,
    start,
    seed: options.seed,
    executions: options.executions ?? Number.MAX_SAFE_INTEGER,
    ms: options.ms,
    minimise: options.minimise ?? false,
  }
  return new Promise((resolve, reject) => {
    const worker = new Worker(bundle.file, { workerData: task })
    const head = new Int32Array(current.buffer, 0, 2)
    let last = -1
    const watch = setInterval(() => {
      // Before the first run it prepares.
      if (head[0] === 0 || head[0] !== last) {
        last = head[0]!
        return
      }
      clearInterval(watch)
      const input = current.slice(CURRENT_HEAD, CURRENT_HEAD + head[1]!)
      void worker.terminate()
      resolve({ executions: last, time: 0, corpus: [], reached: new Set(), crash: { input, error: 'it hangs' } })
    }, HANG)
    worker.once('message', (growth: Growth) => {
      clearInterval(watch)
      resolve(growth)
    })
    worker.once('error', (error) => {
      clearInterval(watch)
      reject(error)
    })
  })
}
