type MaybePromise<T> = T | Promise<T>

/** How long a look-up keeps its slot after its handshake is over, ms: some stores never answer. */
const ABANDONED_TIME = 10_000

/** For whom a key is looked up. */
export interface Requester {
  /** What counts as one address. */
  readonly source: string
  /** Aborts when the handshake is over and the answer is no longer needed. */
  readonly signal: AbortSignal
}

/** A look-up that waits for a slot. */
interface WaitingLookup {
  readonly pair: string
  readonly source: string
  start(): void
}

/**
 * Bounds the look-ups of keys that are under way: so many in all, and one for each pair of address and device id, as in the
 * lockout. The others wait. The address with the fewest look-ups under way is next, so that a flood from one address delays
 * mostly itself. A look-up keeps its slot until it settles, but not longer than 10 s after its handshake is over.
 */
export class KeyLookups {
  readonly #max: number
  readonly #pairs = new Set<string>()
  readonly #bySource = new Map<string, number>()
  readonly #waiting = new Set<WaitingLookup>()

  /** @param max look-ups under way at once */
  constructor(max: number) {
    this.#max = max
  }

  /**
   * Looks up when there is a slot for this device.
   * @throws what `lookUp` throws; the reason of the signal as soon as it aborts
   */
  run<T>(deviceId: string, { source, signal }: Requester, lookUp: () => MaybePromise<T>): MaybePromise<T> {
    const pair = `${source} ${deviceId}`
    if (this.#mayStart(pair)) return begin(this.#takeSlot(pair, source), signal, lookUp)
    return this.#acquireSlot(pair, source, signal).then((release) => begin(release, signal, lookUp))
  }

  #mayStart(pair: string): boolean {
    return this.#pairs.size < this.#max && !this.#pairs.has(pair)
  }

  /** @returns what gives the slot back; calling it again is harmless */
  #takeSlot(pair: string, source: string): () => void {
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
    let next: WaitingLookup | undefined
    for (const waiting of this.#waiting) {
      if (!this.#mayStart(waiting.pair)) continue
      if (!next || this.#load(waiting.source) < this.#load(next.source)) next = waiting
    }
    next?.start()
  }

  /** Waits for a slot, and takes it. */
  #acquireSlot(pair: string, source: string, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiting)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        leave()
        reject(signal.reason)
      }
      const start = () => {
        leave()
        resolve(this.#takeSlot(pair, source))
      }
      const waiting: WaitingLookup = { pair, source, start }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', onAbort)
    })
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
