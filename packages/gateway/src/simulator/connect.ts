import type { UsmpError } from '@usmp/core'
import { sessions } from '@usmp/node'
import type { FleetOptions } from './fleet.js'
import { patient, REFUSALS_BEFORE_FRESH_START } from './patient.js'

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
    patient(
      () =>
        sessions(url, {
          ...rest,
          deviceId,
          psk,
          signal,
          maxRefusals: REFUSALS_BEFORE_FRESH_START,
          ...(onRetry ? { onRetry: (reason: UsmpError, pause: number) => onRetry(deviceId, reason, pause) } : {}),
        }),
      signal,
    )
}
