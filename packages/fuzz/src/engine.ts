import { Random } from '@usmp/testing'
import { mutate } from './mutate.js'
import type { Target } from './target.js'

/** Inputs of one target, and which points each of them was the first to come to. */
export interface Growth {
  executions: number
  /** ms */
  readonly time: number
  readonly corpus: readonly Uint8Array[]
  /** Points that were come to. */
  readonly reached: ReadonlySet<number>
  /** An input that breaks a promise, as small as it could be made. */
  readonly crash?: Crash
}

export interface Crash {
  readonly input: Uint8Array
  readonly error: string
}

/** A point counts again when it is come to more often: twice, four times, and so on. */
const bucketOf = Uint8Array.from({ length: 256 }, (_, hits) => (hits === 0 ? 0 : 1 << Math.floor(Math.log2(hits))))

/** Runs a target on changed inputs, and keeps those that come to a new point or to one more often. */
export class Engine {
  readonly #target: Target
  readonly #maxLength: number
  readonly #hits: Uint8Array
  readonly #words: Uint32Array
  readonly #seen: Uint8Array
  readonly #onInput: (input: Uint8Array) => void
  readonly #corpus: Uint8Array[] = []
  #executions = 0

  /**
   * @param hits what the instrumented code counts in; a multiple of 4 bytes
   * @param onInput hears of every run before it begins
   */
  constructor(target: Target, maxLength: number, hits: Uint8Array, onInput: (input: Uint8Array) => void) {
    this.#target = target
    this.#maxLength = maxLength
    this.#hits = hits
    this.#words = new Uint32Array(hits.buffer, hits.byteOffset, hits.length / 4)
    this.#seen = new Uint8Array(hits.length)
    this.#onInput = onInput
  }

  /**
   * @param start inputs to begin with, besides the target's own; each is run
   * @param until executions, or ms, whichever is first
   */
  async grow(start: readonly Uint8Array[], seed: number, until: { executions: number; ms: number }): Promise<Growth> {
    // Every fault of a peer makes an error; their stacks would take a third of the time.
    Error.stackTraceLimit = 0
    const begin = Date.now()
    const done = (crash?: Crash): Growth => ({
      executions: this.#executions,
      time: Date.now() - begin,
      corpus: this.#corpus,
      reached: this.#reached(),
      ...(crash ? { crash } : {}),
    })
    for (const input of [...this.#target.seeds(), ...start]) {
      const error = await this.#try(input)
      if (error !== undefined) return done(await this.#smaller({ input, error }))
    }
    const random = new Random(seed)
    const pick = () =>
      this.#corpus[
        this.#corpus.length - 1 - Math.floor((random.below(1024) * random.below(1024) * this.#corpus.length) / 2 ** 20)
      ]
    while (this.#executions < until.executions && Date.now() - begin < until.ms) {
      const input = mutate(pick() ?? new Uint8Array(0), pick() ?? new Uint8Array(0), this.#maxLength, random)
      const error = await this.#try(input)
      if (error !== undefined) return done(await this.#smaller({ input, error }))
    }
    return done()
  }

  /** The smallest inputs that together come to all that these do. */
  async minimise(inputs: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const sorted = inputs.toSorted((a, b) => a.length - b.length)
    const kept: Uint8Array[] = []
    this.#seen.fill(0)
    for (const input of sorted) {
      await this.#run(input)
      if (this.#learn()) kept.push(await this.#trim(input))
    }
    return kept
  }

  /** Leaves out what can be left out without a difference to the points that are come to. */
  async #trim(input: Uint8Array): Promise<Uint8Array> {
    await this.#run(input)
    const wanted = this.#mark()
    let best = input
    // Down to a sixteenth: all that are left out one by one would take longer than it took to find them.
    const least = Math.max(1, input.length >> 4)
    for (let size = best.length >> 1; size >= least; size >>= 1) {
      for (let at = 0; at + size <= best.length; ) {
        const shorter = without(best, at, size)
        await this.#run(shorter)
        if (this.#mark() === wanted) best = shorter
        else at += size
      }
    }
    return best
  }

  /** The error that the input causes; otherwise it is kept if it is good for something. */
  async #try(input: Uint8Array): Promise<string | undefined> {
    const error = await this.#run(input)
    if (error === undefined && this.#learn()) this.#corpus.push(input)
    return error
  }

  async #run(input: Uint8Array): Promise<string | undefined> {
    this.#hits.fill(0)
    this.#executions++
    this.#onInput(input)
    try {
      const running = this.#target.run(input)
      if (running) await running
      return undefined
    } catch (error) {
      return String(error)
    }
  }

  /** Whether the last run came to something new; from now on it is not. */
  #learn(): boolean {
    let news = false
    this.#eachHit((point, bucket) => {
      if (this.#seen[point]! & bucket) return
      this.#seen[point]! |= bucket
      news = true
    })
    return news
  }

  #mark(): string {
    let mark = ''
    this.#eachHit((point, bucket) => (mark += `${point}:${bucket} `))
    return mark
  }

  #eachHit(action: (point: number, bucket: number) => void): void {
    const [hits, words] = [this.#hits, this.#words]
    for (let word = 0; word < words.length; word++) {
      if (words[word] === 0) continue
      for (let point = 4 * word; point < 4 * word + 4; point++) {
        if (hits[point] !== 0) action(point, bucketOf[hits[point]!]!)
      }
    }
  }

  #reached(): Set<number> {
    const reached = new Set<number>()
    for (const [point, buckets] of this.#seen.entries()) if (buckets !== 0) reached.add(point)
    return reached
  }

  /** As small as it can be made, and told with the place in the code. */
  async #smaller(crash: Crash): Promise<Crash> {
    let best = crash
    for (let size = best.input.length; size > 0; size >>= 1) {
      for (let at = 0; at + size <= best.input.length; ) {
        const input = without(best.input, at, size)
        const error = await this.#run(input)
        if (error !== undefined && sameFault(error, best.error)) best = { input, error }
        else at += size
      }
    }
    return { input: best.input, error: await this.#explain(best) }
  }

  async #explain({ input, error }: Crash): Promise<string> {
    Error.stackTraceLimit = 20
    try {
      await this.#target.run(input)
    } catch (thrown) {
      return thrown instanceof Error ? (thrown.stack ?? error) : error
    }
    return `${error} (and not when it was run again)`
  }
}

function without(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const out = new Uint8Array(bytes.length - length)
  out.set(bytes.subarray(0, at))
  out.set(bytes.subarray(at + length), at)
  return out
}

/** Whether two errors begin with the same words. */
function sameFault(a: string, b: string): boolean {
  const words = (text: string) =>
    text
      .split('\n', 1)[0]!
      .replace(/[\d:]+/g, '')
      .slice(0, 40)
  return words(a) === words(b)
}
