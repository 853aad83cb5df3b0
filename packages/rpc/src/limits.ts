/** What one session may take up. */
export interface Limits {
  /** Requests of this end that wait for their answer; default 256. */
  readonly outgoingRequests: number
  /** Requests of the peer that are worked on, and as many notifications; default 64. More requests are answered as BUSY. */
  readonly incomingRequests: number
  /** Streams, in each direction; default 32. */
  readonly streams: number
  /** Bytes of JSON in one message, in each direction; default 262144. Four may be put together at a time. */
  readonly message: number
}

const defaults: Limits = { outgoingRequests: 256, incomingRequests: 64, streams: 32, message: 256 * 1024 }

/** With the defaults where a limit is left out. */
export function completeLimits(limits: Partial<Limits> = {}): Limits {
  const given = Object.entries(limits).filter(([, value]) => value !== undefined)
  return { ...defaults, ...Object.fromEntries(given) }
}
