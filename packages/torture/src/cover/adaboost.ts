// A small AdaBoost on decision stumps: what looks for a difference that one feature, or a sum of a few, can tell.

/** What is known of one thing, and whether it is of the one kind or the other. */
export interface Sample {
  readonly features: readonly number[]
  readonly label: boolean
}

/** One question: is this feature over the threshold? */
interface Stump {
  readonly feature: number
  readonly threshold: number
  /** Its say; negative if it is right the other way round. */
  readonly weight: number
}

const ROUNDS = 40
/** Thresholds that are tried of each feature, at even shares of the samples. */
const THRESHOLDS = 24

/** Learns from some samples; the function tells the label of others. */
export function learn(samples: readonly Sample[]): (features: readonly number[]) => boolean {
  const columns = samples[0]!.features.map((_, feature) => samples.map(({ features }) => features[feature]!))
  const thresholds = columns.map((values) => {
    const sorted = Float64Array.from(values).sort()
    return [
      ...new Set(Array.from({ length: THRESHOLDS }, (_, i) => sorted[Math.floor((i * sorted.length) / THRESHOLDS)]!)),
    ]
  })
  const signs = samples.map(({ label }) => (label ? 1 : -1))
  let weights = samples.map(() => 1 / samples.length)
  const stumps: Stump[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const stump = bestStump(columns, thresholds, signs, weights)
    stumps.push(stump)
    const values = columns[stump.feature]!
    const next = weights.map((weight, at) => weight * Math.exp(-stump.weight * signs[at]! * answer(values[at]!, stump)))
    const sum = next.reduce((total, weight) => total + weight, 0)
    weights = next.map((weight) => weight / sum)
  }
  return (features) =>
    stumps.reduce((sum, stump) => sum + stump.weight * answer(features[stump.feature]!, stump), 0) > 0
}

const answer = (value: number, { threshold }: Pick<Stump, 'threshold'>) => (value > threshold ? 1 : -1)

function bestStump(
  columns: readonly (readonly number[])[],
  thresholds: readonly (readonly number[])[],
  signs: readonly number[],
  weights: readonly number[],
): Stump {
  let best: Stump = { feature: 0, threshold: 0, weight: 0 }
  for (const [feature, values] of columns.entries()) {
    for (const threshold of thresholds[feature]!) {
      const error = errorOf(values, threshold, signs, weights)
      const clamped = Math.min(1 - 1e-9, Math.max(1e-9, error))
      const weight = Math.log((1 - clamped) / clamped) / 2
      if (Math.abs(weight) > Math.abs(best.weight)) best = { feature, threshold, weight }
    }
  }
  return best
}

function errorOf(
  values: readonly number[],
  threshold: number,
  signs: readonly number[],
  weights: readonly number[],
): number {
  let error = 0
  for (let at = 0; at < values.length; at++) if (values[at]! > threshold !== signs[at]! > 0) error += weights[at]!
  return error
}
