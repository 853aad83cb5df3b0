import { type Waiter, WaitQueue } from '@usmp/core'

type MaybePromise<T> = T | Promise<T>

/** How long a look-up that nobody waits for any more keeps its slot, ms: some stores never answer. */
const ABANDONED_TIME = 10_000

/** For whom a key is looked up. */
export interface Requester {
  /** The address as limits count it. */
  readonly source: string
  /** Aborts when the handshake is over and nobody needs the answer any more. */
  readonly signal: AbortSignal
}

/** A look-up that waits for a slot. */
interface Waiting {
  readonly pair: string
  readonly source: string
}

/** Gives a slot back; calling it again is harmless. */
type Release = () => void

/**
 * Bounds the look-ups of keys that are under way: so many in all, and one for each pair of address and device id, as in the
 * lockout. The others wait for a slot. The address with the fewest look-ups under way is next, so that a flood from one
 * address delays mostly itself. A look-up keeps its slot until it settles, also when its handshake ends earlier, but not
 * longer than 10 s after that.
 */
export class KeyLookups {
  readonly #max: number
  readonly #pairs = new Set<string>()
  readonly #bySource = new Map<string, number>()
  readonly #waiting = new WaitQueue<Release, Waiting>()

  /** @param max look-ups under way at once */
  constructor(max: number) {
    this.#max = max
  }

  /**
   * Looks up as soon as there is a slot for this device.
   * @throws what `lookUp` throws; the reason of the signal as soon as it aborts
   */
  run<T>(deviceId: string, { source, signal }: Requester, lookUp: () => MaybePromise<T>): MaybePromise<T> {
    const pair = `${source} ${deviceId}`
    if (this.#mayStart(pair)) return begin(this.#take(pair, source), signal, lookUp)
    return this.#acquireSlot(pair, source, signal).then((release) => begin(release, signal, lookUp))
  }

  #mayStart(pair: string): boolean {
    return this.#pairs.size < this.#max && !this.#pairs.has(pair)
  }

  #take(pair: string, source: string): Release {
    this.#pairs.add(pair)
    this.#bySource.set(source, this.#load(source) + 1)
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      this.#pairs.delete(pair)
      const load = this.#load(source) - 1
      if (load > 0) this.#bySource.set(source, load)
      else this.#bySource.delete(source)
      this.#startNext()
    }
  }

  #load(source: string): number {
    return this.#bySource.get(source) ?? 0
  }

  #startNext(): void {
    let next: Waiter<Release, Waiting> | undefined
    for (const waiter of this.#waiting.waiters) {
      if (!this.#mayStart(waiter.data.pair)) continue
      if (!next || this.#load(waiter.data.source) < this.#load(next.data.source)) next = waiter
    }
    if (!next) return
    this.#waiting.remove(next)
    next.resolve(this.#take(next.data.pair, next.data.source))
  }

  /** @throws the reason of the signal as soon as it aborts */
  async #acquireSlot(pair: string, source: string, signal: AbortSignal): Promise<Release> {
    try {
      return await this.#waiting.wait(signal, { pair, source })
    } catch {
      throw signal.reason
    }
  }
}

/** Looks up; the slot is given back when that has settled. */
function begin<T>(release: () => void, signal: AbortSignal, lookUp: () => MaybePromise<T>): MaybePromise<T> {
  let isUnderWay = false
  try {
    signal.throwIfAborted()
    const answer = lookUp()
    isUnderWay = isThenable(answer)
    return isUnderWay ? untilAborted(Promise.resolve(answer), release, signal) : answer
  } finally {
    if (!isUnderWay) release()
  }
}

async function untilAborted<T>(answer: Promise<T>, release: () => void, signal: AbortSignal): Promise<T> {
  let onAbort = () => {}
  let abandoned: NodeJS.Timeout | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      abandoned = setTimeout(release, ABANDONED_TIME).unref()
      reject(signal.reason)
    }
  })
  signal.addEventListener('abort', onAbort)
  const settled = () => {
    signal.removeEventListener('abort', onAbort)
    clearTimeout(abandoned)
    release()
  }
  answer.then(settled, settled)
  return Promise.race([answer, aborted])
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
