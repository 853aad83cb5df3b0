import { assertInteger } from './bytes.js'
import { CipherSuite, EXTENSION_FIRST, EXTENSION_LAST } from './constants.js'
import { UsmpError } from './errors.js'

/** The longest time that a timer of every platform can wait, ms: almost 25 days. */
const MAX_TIME = 2 ** 31 - 1

/** @throws UsmpError INVALID_ARGUMENT if `value` is given and no time in ms */
export function assertTime(name: string, value: number | undefined): void {
  if (value === undefined || (value >= 0 && value <= MAX_TIME)) return
  throw new UsmpError('INVALID_ARGUMENT', `${name} must be a number of ms from 0 to ${MAX_TIME}, not ${value}`)
}

/** @throws UsmpError INVALID_ARGUMENT */
export function assertSuite(suite: CipherSuite | undefined): void {
  if (suite !== undefined) assertKnownSuite(suite)
}

/**
 * For crypto providers: nothing stands in for a suite that they do not know.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function assertKnownSuite(suite: CipherSuite): void {
  if (Object.values(CipherSuite).includes(suite)) return
  throw new UsmpError('INVALID_ARGUMENT', `suite must be a CipherSuite, not ${suite}`)
}

/** @throws UsmpError INVALID_ARGUMENT */
export function assertExtensions(types: readonly number[] = []): void {
  for (const type of types) assertInteger('extension packet type', type, EXTENSION_FIRST, EXTENSION_LAST)
}
