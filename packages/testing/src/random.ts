import type { RandomSource } from '@usmp/core'
import { randomNumbers } from './random-numbers.mjs'

/** Random choices that are the same for the same seed. For tests alone: nothing secret may come from here. */
export class Random {
  readonly #next: () => number

  /** @param seed a whole number; neighbours have nothing in common */
  constructor(seed: number) {
    this.#next = randomNumbers(seed)
  }

  /** From 0 up to, and not including, 1. */
  share(): number {
    return this.#next()
  }

  /** A whole number from 0 up to, and not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  /** One item of a list, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** `length` bytes. */
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }
}

/** A random source for connections that gives the same bytes on every run with one seed. */
export function pseudoRandom(seed: number): RandomSource {
  const random = new Random(seed)
  return (length) => random.bytes(length)
}
