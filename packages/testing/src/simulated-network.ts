import type { Network } from './pair.js'
import { randomNumbers } from './random-numbers.mjs'

/** What a network does to datagrams; shares from 0 to 1, times in ms. Everything left out is 0, so does not happen. */
export interface Conditions {
  /** One way. */
  readonly delay: number
  /** Up to so much more, evenly spread; by itself it reorders what is sent closer together. */
  readonly jitter?: number
  readonly loss?: number
  /** Datagrams that arrive twice, the second time after another `delay`. */
  readonly duplication?: number
  /** Datagrams that are held back by `reorderingDelay`, so that later ones overtake them. */
  readonly reordering?: number
  /** Default: as long as `delay`. */
  readonly reorderingDelay?: number
  /** Datagrams with one bit turned. */
  readonly corruption?: number
  /** Bytes a second in each direction; what comes too fast queues. */
  readonly rate?: number
  /** From when until when nothing passes. */
  readonly partitions?: readonly (readonly [number, number])[]
}

/** A network on simulated time that does the same on every run with one seed. */
export function simulatedNetwork(conditions: Conditions, seed: number): Network {
  const random = randomNumbers(seed)
  const { delay, jitter = 0, reorderingDelay = delay, rate = Number.POSITIVE_INFINITY, partitions = [] } = conditions
  const busyUntil = { client: 0, server: 0 }
  const happens = (share = 0) => random() < share

  return ({ from, bytes, now }) => {
    // Always the same number of draws, so that one condition does not change the dice of the others.
    const lost = happens(conditions.loss)
    const twice = happens(conditions.duplication)
    const late = happens(conditions.reordering)
    const corrupt = happens(conditions.corruption)
    const [jitterShare, bit] = [random(), random()]
    const leaves = Math.max(now, busyUntil[from]) + (bytes.length * 1000) / rate
    busyUntil[from] = leaves
    if (lost || partitions.some(([start, end]) => now >= start && now < end)) return []
    const arrives = leaves - now + delay + jitter * jitterShare + (late ? reorderingDelay : 0)
    const arriving = corrupt ? turnBit(bytes, Math.floor(bit * bytes.length * 8)) : bytes
    const copy = { bytes: arriving, delay: arrives }
    return twice ? [copy, { ...copy, delay: arrives + delay }] : [copy]
  }
}

function turnBit(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice()
  out[at >>> 3]! ^= 1 << (at & 7)
  return out
}
