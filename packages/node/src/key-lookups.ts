type MaybePromise<T> = T | Promise<T>

/** How long a look-up that nobody waits for any more keeps its place, ms: some stores never answer. */
const ABANDONED_TIME = 10_000

/** For whom a key is looked up. */
export interface Requester {
  /** The address as limits count it. */
  readonly host: string
  /** Aborts when the handshake is over and nobody needs the answer any more. */
  readonly signal: AbortSignal
}

/** A look-up whose turn has not come. */
interface WaitingLookup {
  readonly pair: string
  readonly host: string
  start(): void
}

/**
 * Bounds the look-ups of keys that are under way: so many in all, and one for each pair of address and device id, as in the
 * lockout. The others wait for their turn. The address with the fewest look-ups under way is next, so that a flood from one
 * address delays mostly itself. A look-up keeps its place until it settles, also when its handshake is over before, but not
 * longer than a minute after that.
 */
export class KeyLookups {
  readonly #max: number
  readonly #pairs = new Set<string>()
  readonly #byHost = new Map<string, number>()
  readonly #waiting = new Set<WaitingLookup>()

  /** @param max look-ups under way at once */
  constructor(max: number) {
    this.#max = max
  }

  /**
   * Looks up when it is the turn of this device.
   * @throws what `lookUp` throws; the reason of the signal as soon as it aborts
   */
  run<T>(deviceId: string, { host, signal }: Requester, lookUp: () => MaybePromise<T>): MaybePromise<T> {
    const pair = `${host} ${deviceId}`
    if (this.#mayStart(pair)) return begin(this.#takeSlot(pair, host), signal, lookUp)
    return this.#acquireSlot(pair, host, signal).then((release) => begin(release, signal, lookUp))
  }

  #mayStart(pair: string): boolean {
    return this.#pairs.size < this.#max && !this.#pairs.has(pair)
  }

  /** @returns what gives the place back; calling it again is harmless */
  #takeSlot(pair: string, host: string): () => void {
    this.#pairs.add(pair)
    this.#byHost.set(host, this.#load(host) + 1)
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      this.#pairs.delete(pair)
      const load = this.#load(host) - 1
      if (load > 0) this.#byHost.set(host, load)
      else this.#byHost.delete(host)
      this.#startNext()
    }
  }

  #load(host: string): number {
    return this.#byHost.get(host) ?? 0
  }

  #startNext(): void {
    let next: WaitingLookup | undefined
    for (const waiting of this.#waiting) {
      if (!this.#mayStart(waiting.pair)) continue
      if (!next || this.#load(waiting.host) < this.#load(next.host)) next = waiting
    }
    next?.start()
  }

  /** Waits for the turn, and takes the place. */
  #acquireSlot(pair: string, host: string, signal: AbortSignal): Promise<() => void> {
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
        resolve(this.#takeSlot(pair, host))
      }
      const waiting: WaitingLookup = { pair, host, start }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', onAbort)
    })
  }
}

/** Looks up; the place is given back when that has settled. */
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
