import { learn, type Sample } from './adaboost.js'

/** Standard deviations of a two-sided interval of 99.9 %. */
const Z = 3.2905
/** Of the Kolmogorov–Smirnov test at the level 0.001. */
const KS_LEVEL = 1.9495

/** How often a classifier is right, with the interval of 99.9 % (Wilson's). */
export interface Accuracy {
  readonly n: number
  readonly share: number
  readonly low: number
  readonly high: number
}

/**
 * Learns from each half and tests with the other one. The halves are the first and the second one in time.
 * Both kinds have to be equally many, or guessing is better than one in two.
 */
export function classify(samples: readonly Sample[]): Accuracy {
  const half = samples.length >> 1
  const [first, second] = [samples.slice(0, half), samples.slice(half)]
  const right = countRight(first, second) + countRight(second, first)
  return intervalOf(right, samples.length)
}

function countRight(train: readonly Sample[], test: readonly Sample[]): number {
  const guess = learn(train)
  return test.filter(({ features, label }) => guess(features) === label).length
}

function intervalOf(right: number, n: number): Accuracy {
  const share = right / n
  const center = (share + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n)
  const half = (Z / (1 + Z ** 2 / n)) * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2))
  return { n, share, low: center - half, high: center + half }
}

/** As many samples of the one label as of the other, in their order. */
export function balance(samples: readonly Sample[]): Sample[] {
  const count = Math.min(samples.filter(({ label }) => label).length, samples.filter(({ label }) => !label).length)
  const left = { true: count, false: count }
  return samples.filter(({ label }) => left[`${label}`]-- > 0)
}

/** Whether two lists may come from one distribution: the largest distance of their shares, and what it may be at the level 0.001. */
export function compareDistributions(
  one: readonly number[],
  other: readonly number[],
): { distance: number; limit: number } {
  const [a, b] = [Float64Array.from(one).sort(), Float64Array.from(other).sort()]
  let [i, j, distance] = [0, 0, 0]
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i]!, b[j]!)
    while (i < a.length && a[i]! <= value) i++
    while (j < b.length && b[j]! <= value) j++
    distance = Math.max(distance, Math.abs(i / a.length - j / b.length))
  }
  return { distance, limit: KS_LEVEL * Math.sqrt((a.length + b.length) / (a.length * b.length)) }
}
