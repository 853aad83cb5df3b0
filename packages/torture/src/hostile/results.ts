/** What good clients tried in a while, and how long it took. */
export interface Tally {
  readonly tried: number
  readonly served: number
  /** ms, of those that were served. */
  readonly p50: number
  readonly p99: number
  /** By network and error code. */
  readonly failures: Readonly<Record<string, number>>
}

/** What good clients saw in a while. */
export interface GoodFigures {
  /** New sessions, from a near client and from one with a round trip of 100 ms. */
  readonly connects: Tally
  readonly farConnects: Tally
  /** Messages there and back, in sessions that were open before. */
  readonly echoes: Tally
}

/** What the server says of itself. */
export interface ServerFigures {
  /** Resident memory, bytes: now, after a collection; and the most that was seen since the last time. */
  readonly resident: number
  readonly worst: number
  /** Objects and buffers of JavaScript after a collection, bytes. */
  readonly heap: number
  /** Events `refused`, `ended` (not a good end) and `warning` since the last time, by code. A log has a line for each. */
  readonly events: Readonly<Record<string, number>>
  /** Datagrams of nobody that were dropped since the last time, by code; a counter, no line. */
  readonly dropped: Readonly<Record<string, number>>
  /** What nobody caught, exceptions and rejections: without a listener the first one would have ended the process. */
  readonly uncaught: readonly string[]
}

/** What the attackers did. */
export interface Sent {
  readonly connections: number
  readonly packets: number
}

/** One attack, with what the good clients beside it, and the server, made of it. */
export interface Outcome {
  readonly attack: string
  readonly what: string
  readonly seconds: number
  readonly without: GoodFigures
  readonly under: GoodFigures
  readonly sent: Sent
  readonly before: ServerFigures
  readonly after: ServerFigures
  /** Whether the server closed when it was asked to at the end, among what the attackers left behind. */
  readonly closed: boolean
}

/** Lines that a log would have. */
export function lines({ events }: ServerFigures): number {
  return Object.values(events).reduce((sum, count) => sum + count, 0)
}
