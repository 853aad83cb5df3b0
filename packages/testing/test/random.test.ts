import { expect, test } from 'vitest'
import { pseudoRandom, Random } from '../src/random.ts'

const draws = (seed: number) => {
  const random = new Random(seed)
  return Array.from({ length: 200 }, () => random.between(3, 6))
}

test('the same seed gives the same numbers, its neighbour gives others', () => {
  expect(draws(1)).toEqual(draws(1))
  expect(draws(1)).not.toEqual(draws(2))
  expect(pseudoRandom(7)(32)).toEqual(pseudoRandom(7)(32))
  expect(pseudoRandom(0)(32)).not.toEqual(pseudoRandom(1)(32))
})

test('a source goes on: its next bytes are others', () => {
  const source = pseudoRandom(1)
  expect(source(32)).not.toEqual(source(32))
})

test('both ends of a range come, and nothing outside', () => {
  expect([...new Set(draws(1))].sort()).toEqual([3, 4, 5, 6])
})

test('every value of a byte comes', () => {
  expect(new Set(new Random(1).bytes(10_000)).size).toBe(256)
})
