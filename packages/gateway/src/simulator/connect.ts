import { reconnecting, systemClock, type UsmpError } from '@usmp/core'
import { connect, type SearchOptions } from '@usmp/discovery'
import { BrokerConnection, type BrokerOptions, mqttSessions } from '@usmp/mqtt'
import type { FleetOptions } from './fleet.js'

/**
 * The longest pause of a sensor that is refused, ms. It waits until a person approves it, and that person has opened the join window just
 * now, so it knocks more often than a fleet of real devices would.
 */
const LONGEST_REFUSAL_PAUSE = 10_000

/** The way of simulated sensors to their gateway. */
export interface SensorConnector {
  /** For {@link FleetOptions}. */
  readonly connect: FleetOptions['connect']
  /** Ends what the sensors share, once they have ended. */
  close(): Promise<void>
}

interface RetryOption {
  /** Told before each pause of a sensor: why it has no session, and how long the pause is in ms. */
  readonly onRetry?: (deviceId: string, reason: UsmpError, pause: number) => void
}

export interface DirectOptions extends RetryOption {
  /** For `wss`: certificates of the authorities to trust instead of the well-known ones, in PEM. */
  readonly ca?: string
  /** For `usmp+mdns:` addresses: where to search. */
  readonly search?: SearchOptions
}

/** Sensors that connect over TCP, UDP, WebSocket or a serial line, by a URL as `connect` of @usmp/discovery takes it. */
export function connectDirectly(url: string, { onRetry, ...options }: DirectOptions = {}): SensorConnector {
  return {
    connect: ({ deviceId, psk }, signal) =>
      reconnecting(() => connect(url, { ...options, deviceId, psk, signal }), {
        clock: systemClock,
        jitter: Math.random,
        signal,
        longestRefusalPause: LONGEST_REFUSAL_PAUSE,
        onRetry: (reason, pause) => onRetry?.(deviceId, reason, pause),
      }),
    close: async () => {},
  }
}

export interface OverMqttOptions extends RetryOption {
  readonly broker: BrokerOptions
  /** As the gateway has it. */
  readonly site: string
  /** One MQTT connection for all sensors, which needs a broker that allows it; default: each has its own, as devices do. */
  readonly shared?: boolean
}

/** Sensors that reach their gateway over an MQTT broker. */
export function connectOverMqtt({ broker, site, shared = false, onRetry }: OverMqttOptions): SensorConnector {
  const connection = shared ? new BrokerConnection(broker, { name: 'sensors' }) : undefined
  return {
    connect: ({ deviceId, psk }, signal) =>
      mqttSessions({
        broker: connection ?? broker,
        site,
        deviceId,
        psk,
        signal,
        longestRefusalPause: LONGEST_REFUSAL_PAUSE,
        onRetry: (reason, pause) => onRetry?.(deviceId, reason, pause),
      }),
    close: async () => connection?.close(),
  }
}
