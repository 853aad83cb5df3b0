import { type Clock, systemClock, type UsmpError } from '@usmp/core'
import { otaGatewayApi } from '@usmp/ota'
import { contract, type Peer, RpcError, type RpcSession, reconnecting } from '@usmp/rpc'
import { gatewayApi } from '../device-api.js'
import { measure, type Place, unitsOf } from './climate.js'
import { type SensorUpdates, SIM_CHIP, SIM_PRODUCT, SimulatedFirmware, updatableSensorApi } from './firmware.js'
import { sensorApi } from './sensor-api.js'

/** What the self test of a simulated sensor answers with. */
export const SELF_TEST_FAILED = 1001

/** The version of a sensor that takes no updates. */
const VERSION = '1.0.0'

/** What a gateway takes, as a sensor with updates uses it. */
const gatewayWithUpdates = contract({
  notifications: { ...gatewayApi.notifications, ...otaGatewayApi.notifications },
})

/** What happens to a simulated sensor. */
export type SensorEvent =
  | { readonly type: 'online' }
  | { readonly type: 'offline'; readonly reason: UsmpError }
  /** A person asked it to blink for so many seconds. */
  | { readonly type: 'identify'; readonly seconds: number }
  | { readonly type: 'interval'; readonly seconds: number }
  /** It goes down, for an update or to go back from one. */
  | { readonly type: 'restart' }
  /** A program runs; only of sensors that take updates. `onTrial`: it has to confirm itself. */
  | { readonly type: 'started'; readonly version: string; readonly onTrial: boolean }

export interface SensorOptions {
  readonly deviceId: string
  readonly place: Place
  /** ms between two readings. */
  readonly interval: number
  /** Left out: it takes no updates. */
  readonly updates?: SensorUpdates
  /** As the sessions have it; only needed with `updates`, where a sensor may wait without asking for a session. */
  readonly signal?: AbortSignal
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

/** What a sensor needs of a gateway. */
type SensorPeer = Pick<Peer<typeof gatewayApi>, 'tryNotify' | 'ended' | 'closed'>

class Sensor {
  readonly #options: SensorOptions
  readonly #clock: Clock
  readonly #wallTime: () => number
  /** ms; stays over sessions. */
  #interval: number
  #peer: SensorPeer | undefined
  #timer: unknown

  constructor(options: SensorOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#wallTime = options.wallTime ?? Date.now
    this.#interval = options.interval
  }

  run(sessions: AsyncIterable<RpcSession>): Promise<UsmpError> {
    const { updates } = this.#options
    return updates ? this.#runWithUpdates(sessions, updates) : this.#run(sessions)
  }

  #run(sessions: AsyncIterable<RpcSession>): Promise<UsmpError> {
    return reconnecting(sessions, {
      serves: sensorApi,
      calls: gatewayApi,
      clock: this.#clock,
      requests: this.#requests(VERSION),
      onPeer: (peer) => this.#onPeer(peer),
    }).closed
  }

  async #runWithUpdates(sessions: AsyncIterable<RpcSession>, updates: SensorUpdates): Promise<UsmpError> {
    let session: RpcSession | undefined
    const firmware = new SimulatedFirmware({
      ...updates,
      clock: this.#clock,
      onRestart: () => {
        this.#tell({ type: 'restart' })
        void session?.close()
      },
      onStart: (version, onTrial) => this.#tell({ type: 'started', version, onTrial }),
    })
    const whileOnline = onlyWhenOnline(sessions, firmware, this.#options.signal, (next) => {
      session = next
    })
    await firmware.start()
    try {
      return await reconnecting(whileOnline, {
        serves: updatableSensorApi,
        calls: gatewayWithUpdates,
        clock: this.#clock,
        requests: { ...this.#requests(() => firmware.version), ...firmware.requests },
        onBinary: (message) => firmware.device.onBinary(message),
        onPeer: (peer) => {
          this.#onPeer(peer)
          firmware.device.onPeer(peer)
        },
      }).closed
    } finally {
      firmware.end()
    }
  }

  #requests(version: string | (() => string)) {
    return {
      describe: () => this.#describe(typeof version === 'string' ? version : version()),
      identify: ({ seconds }: { seconds: number }) => {
        this.#tell({ type: 'identify', seconds })
        return { blinking: seconds }
      },
      set_interval: ({ seconds }: { seconds: number }) => this.#setInterval(seconds),
      self_test: () => {
        throw new RpcError(SELF_TEST_FAILED, 'the self test failed: the heater of the sensor takes no current', {
          part: 'heater',
          current_mA: 0,
        })
      },
    }
  }

  #onPeer(peer: SensorPeer): void {
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

  #describe(version: string) {
    const { place } = this.#options
    return {
      name: place,
      firmware: { product: SIM_PRODUCT, version, chip: SIM_CHIP },
      units: unitsOf(place),
      methods: Object.keys(sensorApi.requests).filter((method) => method !== 'describe'),
    }
  }

  #tell(event: SensorEvent): void {
    this.#options.onEvent?.(event)
  }
}

/** The next session is asked for when the program that runs can make one. */
async function* onlyWhenOnline(
  sessions: AsyncIterable<RpcSession>,
  firmware: SimulatedFirmware,
  signal: AbortSignal | undefined,
  onSession: (session: RpcSession) => void,
): AsyncGenerator<RpcSession, void, undefined> {
  const source = sessions[Symbol.asyncIterator]()
  try {
    for (;;) {
      await firmware.online(signal)
      const { restarts } = firmware
      const { done, value } = await source.next()
      if (done) return
      if (firmware.restarts !== restarts) {
        // The program that asked for it is gone.
        await value.close()
        continue
      }
      onSession(value)
      yield value
    }
  } catch (error) {
    if (!signal?.aborted) throw error
  } finally {
    await source.return?.()
  }
}
