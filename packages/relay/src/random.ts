import { type RandomSource, UsmpError } from '@usmp/core'

/** An array for a secret, outside of V8's heap: there small arrays are moved, and leave copies behind that nobody wipes. */
export const secretBytes = (length: number): Uint8Array => new Uint8Array(new ArrayBuffer(length))

/** Random bytes of the platform: Web Crypto is there in Node, in pages and in workers. */
export const platformRandom: RandomSource = (length) => crypto.getRandomValues(new Uint8Array(new ArrayBuffer(length)))

/**
 * Random bytes of a source that the application gave.
 * @throws UsmpError RANDOM_FAILED if it throws, or gives anything but `length` bytes
 */
export function drawBytes(random: RandomSource, length: number): Uint8Array {
  const bytes = draw(random, length)
  if (!(bytes instanceof Uint8Array) || bytes.length !== length) {
    throw new UsmpError('RANDOM_FAILED', `it did not give the ${length} bytes that it was asked for`)
  }
  return bytes
}

function draw(random: RandomSource, length: number): unknown {
  try {
    return random(length)
  } catch (error) {
    throw new UsmpError('RANDOM_FAILED', undefined, { cause: error })
  }
}
