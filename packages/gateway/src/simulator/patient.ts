import type { UsmpError } from '@usmp/core'
import type { RpcSession } from '@usmp/rpc'

/** After so many refusals in a row the pauses begin with the shortest one again: they have grown to some 8 s by then. */
export const REFUSALS_BEFORE_FRESH_START = 5

/**
 * Sessions of a device that waits until a person has approved it. `sessions` lets the pauses after refusals grow to five minutes,
 * which is right for thousands of devices, and too long for somebody who has just opened the join window.
 * @param begin makes sessions that end with an error after {@link REFUSALS_BEFORE_FRESH_START} refusals (`maxRefusals`)
 * @throws UsmpError what repeating does not help with: wrong usage, a failure of the platform
 */
export async function* patient(
  begin: () => AsyncIterable<RpcSession>,
  signal: AbortSignal,
): AsyncGenerator<RpcSession, void, undefined> {
  while (!signal.aborted) {
    try {
      return yield* begin()
    } catch (error) {
      const { family, retryable } = error as UsmpError
      if (!retryable && (family === 'usage' || family === 'platform' || family === undefined)) throw error
    }
  }
}
