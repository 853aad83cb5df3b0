import { randomBytes } from 'node:crypto'
import { type ErrorCode, UsmpError } from '@usmp/core'
import { expect } from 'vitest'

export const PSK = new Uint8Array(randomBytes(32))
export const OTHER_PSK = new Uint8Array(randomBytes(32))
export const DEVICE_ID = 'aa:bb:cc:dd:ee:ff'
export const DEVICE_ID_BYTES = Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff)

/** The n-th device of a fleet. */
export const deviceNumber = (n: number): string => `02:00:00:00:${hexByte(n >> 8)}:${hexByte(n & 0xff)}`
const hexByte = (value: number) => value.toString(16).padStart(2, '0')

/** `length` bytes that tell their position and their `seed`. */
export const pattern = (length: number, seed = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + seed)

/** Compares quickly; the slow comparison only makes the report. */
export function expectBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  if (!actual || Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected)
}

export const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)

/** What a promise fails with; fails the test if it does not fail, or not with a UsmpError. */
export async function failureOf(promise: Promise<unknown>): Promise<UsmpError> {
  const outcome = await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (outcome instanceof UsmpError) return outcome
  throw outcome
}

/** The code that a promise fails with. */
export const codeOf = async (promise: Promise<unknown>): Promise<ErrorCode> => (await failureOf(promise)).code

/** Waits until something is so, looking once every turn of the event loop; gives up after `patience` ms. */
export async function until(condition: () => boolean, what = condition.toString(), patience = 5_000): Promise<void> {
  const deadline = Date.now() + patience
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`it never came to: ${what}`)
    await turn()
  }
}

/** One turn of the event loop: everything that can happen at once has happened. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Some turns, for saying that something does not happen. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** Whether a promise settles in what can happen at once. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = () => {
    settled = true
  }
  promise.then(note, note)
  await turns()
  return settled
}

/** Every message until the end. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}
