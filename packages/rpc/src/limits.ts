import { UsmpError } from '@usmp/core'

/** What one session may take up. */
export interface Limits {
  /** Requests of this end that wait for their answer; default 256. */
  readonly asked: number
  /** Requests of the peer that are worked on, and as many notifications; default 64. More requests are answered as BUSY. */
  readonly served: number
  /** Streams, in each direction; default 32. */
  readonly streams: number
  /** Bytes of JSON in one message, in each direction; default 262144. Four may be put together at a time. */
  readonly message: number
}

const defaults: Limits = { asked: 256, served: 64, streams: 32, message: 256 * 1024 }

/** @throws UsmpError INVALID_ARGUMENT */
export function completeLimits(limits: Partial<Limits> = {}): Limits {
  const complete = { ...defaults, ...limits }
  for (const [name, value] of Object.entries(complete)) {
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 31 - 1) {
      throw new UsmpError('INVALID_ARGUMENT', `limits.${name} must be a whole number over 0, not ${value}`)
    }
  }
  return complete
}
