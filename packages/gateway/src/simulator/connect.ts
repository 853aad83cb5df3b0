import { reconnecting, systemClock, type UsmpError } from '@usmp/core'
import { connect } from '@usmp/node'
import type { FleetOptions } from './fleet.js'

/**
 * The longest pause of a sensor that is refused, ms. It waits until a person approves it, and that person has opened the join window just
 * now, so it knocks more often than a fleet of real devices would.
 */
const LONGEST_REFUSAL_PAUSE = 10_000

export interface SensorConnectOptions {
  /** For `wss`: certificates of the authorities to trust instead of the well-known ones, in PEM. */
  readonly ca?: string
  /** Told before each pause of a sensor: why it has no session, and how long the pause is in ms. */
  readonly onRetry?: (deviceId: string, reason: UsmpError, pause: number) => void
}

/** Sensors that connect to a gateway over TCP, UDP, WebSocket or a serial line, by a URL as `connect` of @usmp/node takes it. */
export function sensorsAt(url: string, options: SensorConnectOptions = {}): FleetOptions['connect'] {
  const { onRetry, ...rest } = options
  return ({ deviceId, psk }, signal) =>
    reconnecting(() => connect(url, { ...rest, deviceId, psk, signal }), {
      clock: systemClock,
      jitter: Math.random,
      signal,
      longestRefusalPause: LONGEST_REFUSAL_PAUSE,
      onRetry: (reason, pause) => onRetry?.(deviceId, reason, pause),
    })
}
