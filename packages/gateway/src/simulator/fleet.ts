import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RpcSession } from '@usmp/rpc'
import { type Place, placeNames } from './climate.js'
import type { SensorUpdates } from './firmware.js'
import { runSensor, type SensorEvent } from './sensor.js'

/** Sensors begin one after another, so that they do not all knock, and later report, in the same moment; ms. */
const STAGGER = 10
/** Until all have begun it takes no longer than so many ms, however many there are. */
const LONGEST_STAGGER = 10_000

/** A sensor of a fleet. */
export interface FleetSensor {
  readonly deviceId: string
  readonly psk: Uint8Array
  /** Default: the places in turn. */
  readonly place?: Place
}

/** What happens to a sensor of a fleet; `failed`: it gave up for a fault of this program or its surroundings. */
export type FleetEvent = { readonly deviceId: string } & (
  | SensorEvent
  | { readonly type: 'failed'; readonly error: unknown }
)

export interface FleetOptions {
  readonly sensors: readonly FleetSensor[]
  /** ms between two readings; default 5000. */
  readonly interval?: number
  /** The sessions of a sensor, one after another until `signal` aborts; as `sessions` of @usmp/node or `mqttSessions` of @usmp/mqtt. */
  readonly connect: (sensor: FleetSensor, signal: AbortSignal) => AsyncIterable<RpcSession>
  /** Left out: the sensors take no updates. */
  readonly updates?: SensorUpdates
  readonly onEvent?: (event: FleetEvent) => void
  /** Ends the fleet. */
  readonly signal: AbortSignal
}

/** Simulated sensors that run. */
export interface Fleet {
  /** How many have a session now. */
  readonly online: number
  /** Resolves when every sensor has ended. */
  readonly ended: Promise<void>
}

/** Starts simulated sensors; each goes on until `signal` aborts. */
export function startFleet(options: FleetOptions): Fleet {
  const { sensors, interval = 5000, updates, signal, onEvent } = options
  const online = new Set<string>()
  // Every sensor listens to it.
  setMaxListeners(0, signal)
  const step = Math.min(STAGGER, LONGEST_STAGGER / Math.max(1, sensors.length))

  const run = async (sensor: FleetSensor, index: number): Promise<void> => {
    const { deviceId, place = placeNames[index % placeNames.length]! } = sensor
    const tell = (event: SensorEvent) => {
      if (event.type === 'online') online.add(deviceId)
      if (event.type === 'offline') online.delete(deviceId)
      onEvent?.({ deviceId, ...event })
    }
    try {
      await sleep(index * step, undefined, { signal })
      const end = await runSensor(options.connect(sensor, signal), {
        deviceId,
        place,
        interval,
        signal,
        onEvent: tell,
        ...(updates ? { updates } : {}),
      })
      if (!signal.aborted) onEvent?.({ deviceId, type: 'failed', error: end })
    } catch (error) {
      if (!signal.aborted) onEvent?.({ deviceId, type: 'failed', error })
    }
  }

  const ended = Promise.all(sensors.map(run)).then(() => {})
  return {
    ended,
    get online() {
      return online.size
    },
  }
}
