import { type Clock, systemClock, type UsmpError } from '@usmp/core'
import { type Peer, RpcError, type RpcSession, reconnecting } from '@usmp/rpc'
import { gatewayApi } from '../device-api.js'
import { measure, type Place, unitsOf } from './climate.js'
import { sensorApi } from './sensor-api.js'

/** What the self test of a simulated sensor answers with. */
export const SELF_TEST_FAILED = 1001

/** What happens to a simulated sensor. */
export type SensorEvent =
  | { readonly type: 'online' }
  | { readonly type: 'offline'; readonly reason: UsmpError }
  /** A person asked it to blink for so many seconds. */
  | { readonly type: 'identify'; readonly seconds: number }
  | { readonly type: 'interval'; readonly seconds: number }

export interface SensorOptions {
  readonly deviceId: string
  readonly place: Place
  /** ms between two readings. */
  readonly interval: number
  /** Of the timers; default the platform's. */
  readonly clock?: Clock
  /** ms since 1970; default `Date.now`. */
  readonly wallTime?: () => number
  readonly onEvent?: (event: SensorEvent) => void
}

/**
 * A simulated sensor: it sends readings on each session that comes, and answers requests there. What the network does not take
 * at once is dropped, as old readings are worth nothing.
 * @param sessions one after another, as `sessions` of @usmp/node makes them; ended by their own signal
 * @returns why there are no more sessions: CLOSED after their signal
 */
export function runSensor(sessions: AsyncIterable<RpcSession>, options: SensorOptions): Promise<UsmpError> {
  return new Sensor(options).run(sessions)
}

class Sensor {
  readonly #options: SensorOptions
  readonly #clock: Clock
  readonly #wallTime: () => number
  /** ms; stays over sessions. */
  #interval: number
  #peer: Peer<typeof gatewayApi> | undefined
  #timer: unknown

  constructor(options: SensorOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#wallTime = options.wallTime ?? Date.now
    this.#interval = options.interval
  }

  run(sessions: AsyncIterable<RpcSession>): Promise<UsmpError> {
    const { closed } = reconnecting(sessions, {
      serves: sensorApi,
      calls: gatewayApi,
      clock: this.#clock,
      requests: {
        describe: () => this.#describe(),
        identify: ({ seconds }) => {
          this.#tell({ type: 'identify', seconds })
          return { blinking: seconds }
        },
        set_interval: ({ seconds }) => this.#setInterval(seconds),
        self_test: () => {
          throw new RpcError(SELF_TEST_FAILED, 'the self test failed: the heater of the sensor takes no current', {
            part: 'heater',
            current_mA: 0,
          })
        },
      },
      onPeer: (peer) => this.#onPeer(peer),
    })
    return closed
  }

  #onPeer(peer: Peer<typeof gatewayApi>): void {
    if (peer.ended) return
    this.#peer = peer
    this.#tell({ type: 'online' })
    this.#report()
    void peer.closed.then((reason) => {
      this.#peer = undefined
      this.#clock.clearTimer(this.#timer)
      this.#tell({ type: 'offline', reason })
    })
  }

  #report(): void {
    const { place, deviceId } = this.#options
    this.#peer?.tryNotify('telemetry', { values: measure(place, deviceId, this.#wallTime()) })
    this.#schedule()
  }

  #schedule(): void {
    this.#clock.clearTimer(this.#timer)
    if (this.#peer) this.#timer = this.#clock.setTimer(() => this.#report(), this.#interval)
  }

  #setInterval(seconds: number): { seconds: number } {
    this.#interval = seconds * 1000
    this.#schedule()
    this.#tell({ type: 'interval', seconds })
    return { seconds }
  }

  #describe() {
    const { place } = this.#options
    return {
      name: place,
      firmware: { product: 'usmp-sim-sensor', version: '1.0.0', chip: 'simulated' },
      units: unitsOf(place),
      methods: Object.keys(sensorApi.requests).filter((method) => method !== 'describe'),
    }
  }

  #tell(event: SensorEvent): void {
    this.#options.onEvent?.(event)
  }
}
