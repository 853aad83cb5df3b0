/**
 * Smooth noise: a curve between -1 and 1 that wanders about once in `period`, and is the same whenever the same moment is asked
 * for. So a sensor that was started again goes on where it was, and a test can name what it expects.
 */
export function smoothNoise(seed: number, at: number, period: number): number {
  const position = at / period
  const left = Math.floor(position)
  const part = position - left
  // Without corners where two pieces meet.
  const eased = part * part * (3 - 2 * part)
  return noise(seed, left) * (1 - eased) + noise(seed, left + 1) * eased
}

/** A number from -1 to 1 that seems to be drawn at random, for each pair of a seed and a step. */
export function noise(seed: number, step: number): number {
  return mix(mix(seed ^ (step | 0)) ^ Math.floor(step / 2 ** 32)) / 2 ** 31 - 1
}

/** A seed from a text. */
export function seedOf(text: string): number {
  let seed = 0
  for (const letter of text) seed = mix(seed ^ letter.codePointAt(0)!)
  return seed
}

/** Spreads 32 bits: each bit that goes in changes about half of those that come out. */
function mix(value: number): number {
  let bits = value + 0x9e3779b9
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad)
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97)
  return (bits ^ (bits >>> 15)) >>> 0
}
