import type { Reading } from '../contract/device.js'
import type { Resolution, Series } from '../contract/telemetry.js'
import type { Counters, Limit } from '../counters.js'
import type { MinuteOfReading, TelemetryStore } from '../store/store.js'
import type { Cancel, GatewayTime } from '../time.js'
import { TokenBucket } from '../token-bucket.js'
import { MINUTE, MinuteSums } from './minutes.js'
import { PointBudget, Ring } from './ring.js'

/** Messages of one device: at once, and every second. */
const RATE = { burst: 50, perSecond: 10 } as const
/** Different readings of one device. */
const MAX_READINGS = 64
/** Fine values of all devices: 32 MB. */
const MAX_POINTS = 2_000_000
const FINE_SPAN = 15 * MINUTE
const MINUTES_SPAN = 7 * 24 * 60 * MINUTE
const PRUNE_PERIOD = 60 * MINUTE

/** What a device sent. */
export interface Sample {
  readonly values: Readonly<Record<string, Reading['value']>>
  /** ms since they were measured. */
  readonly age?: number | undefined
}

/** Whose values they are. */
interface Source {
  readonly id: string
  /** Under which minutes are stored, see the record of a device. */
  readonly history: string
  readonly units: Readonly<Record<string, string>>
}

/** A reading with the moment at which it was measured, by the clock that never jumps. */
interface Measured extends Omit<Reading, 'at'> {
  readonly moment: number
}

/** What is kept of one device. */
interface Sensor {
  readonly readings: Map<string, Measured>
  readonly rings: Map<string, Ring>
  readonly bucket: TokenBucket
}

interface TelemetryOptions {
  readonly store: TelemetryStore
  readonly time: GatewayTime
  readonly limits: Counters<Limit>
  /** New values of a device: the newest of each name. */
  readonly onReadings: (deviceId: string, changed: ReadonlyMap<string, Reading>) => void
}

/**
 * Values of devices: the newest of each name, the fine ones of 15 minutes in memory, and minutes in the store. Everything is bounded for
 * each device and in all. A failure of the store costs minutes, never a session.
 */
export class Telemetry {
  readonly #options: TelemetryOptions
  readonly #sensors = new Map<string, Sensor>()
  readonly #budget = new PointBudget(MAX_POINTS)
  readonly #minutes = new MinuteSums()
  readonly #cancels: readonly Cancel[]
  /** Minutes are written one after another. */
  #writing: Promise<void> = Promise.resolve()

  constructor(options: TelemetryOptions) {
    this.#options = options
    const { time } = options
    this.#cancels = [
      time.every(MINUTE, () => void this.#flush(false)),
      time.every(PRUNE_PERIOD, () => void this.#prune()),
    ]
    void this.#prune()
  }

  /** Takes what a device sent, as far as its limits allow. */
  take({ id, history, units }: Source, { values, age = 0 }: Sample): void {
    const { time, limits, onReadings } = this.#options
    const sensor = this.#sensorOf(id)
    if (!sensor.bucket.take(time.monotonic())) return limits.add('telemetry-rate')
    const moment = time.monotonic() - Math.min(age, MINUTES_SPAN)
    const at = time.dateOf(moment)
    const changed = new Map<string, Reading>()
    for (const [name, value] of Object.entries(values)) {
      if (!sensor.readings.has(name) && sensor.readings.size >= MAX_READINGS) {
        limits.add('telemetry-names')
        continue
      }
      const unit = Object.hasOwn(units, name) ? units[name]! : null
      if (moment >= (sensor.readings.get(name)?.moment ?? Number.NEGATIVE_INFINITY)) {
        sensor.readings.set(name, { value, unit, moment })
        changed.set(name, { value, unit, at })
      }
      if (typeof value !== 'number') continue
      if (!this.#ringOf(sensor, name).push(moment, value)) limits.add('telemetry-memory')
      this.#minutes.add(history, name, at, value)
    }
    if (changed.size > 0) onReadings(id, changed)
  }

  /** The newest value of each name. */
  readings(deviceId: string): Record<string, Reading> {
    const readings = [...(this.#sensors.get(deviceId)?.readings ?? [])]
    return Object.fromEntries(
      readings.map(([name, { value, unit, moment }]) => [name, { value, unit, at: this.#options.time.dateOf(moment) }]),
    )
  }

  /** A session has ended: until the next value there is a gap. */
  onSessionEnded(deviceId: string): void {
    const now = this.#options.time.monotonic()
    for (const ring of this.#sensors.get(deviceId)?.rings.values() ?? []) ring.gap(now)
  }

  /** The clock of the machine was set: open minutes belong to the date from before. */
  onClockJump(): void {
    void this.#flush(true)
  }

  /**
   * A curve.
   * @throws GatewayError STORE_FAILED
   */
  async series(
    { id, history }: Pick<Source, 'id' | 'history'>,
    reading: string,
    { resolution, from = 0, to = Number.MAX_SAFE_INTEGER }: { resolution: Resolution; from?: number; to?: number },
  ): Promise<Series> {
    const sensor = this.#sensors.get(id)
    const head = { id, reading, unit: sensor?.readings.get(reading)?.unit ?? null, resolution }
    const { time } = this.#options
    const oldest = time.now() - (resolution === 'fine' ? FINE_SPAN : MINUTES_SPAN)
    const begin = Math.max(from, oldest)
    if (resolution === 'fine') {
      const points = (sensor?.rings.get(reading)?.points ?? [])
        .map(([moment, value]) => [time.dateOf(moment), value] as const)
        .filter(([at]) => at >= begin && at <= to)
      return { ...head, at: points.map(([at]) => at), mean: points.map(([, value]) => value) }
    }
    await this.#writing
    const stored = await this.#options.store.read(history, reading, { from: begin, to })
    const newer = this.#minutes.waiting(history, reading).filter(({ at }) => at >= begin && at <= to)
    const older = stored.filter(({ at }) => newer.length === 0 || at < newer[0]!.at)
    return { ...head, ...columnsOf([...older, ...newer]) }
  }

  /** Values of `from` go on under the id `to`. */
  move(from: string, to: string): void {
    const sensor = this.#sensors.get(from)
    if (!sensor) return
    this.#sensors.delete(from)
    this.#sensors.set(to, sensor)
  }

  /** Forgets a device; with `history` also its stored minutes. @throws GatewayError STORE_FAILED */
  async remove(deviceId: string, history: string | undefined): Promise<void> {
    for (const ring of this.#sensors.get(deviceId)?.rings.values() ?? []) ring.clear()
    this.#sensors.delete(deviceId)
    if (history === undefined) return
    this.#minutes.remove(history)
    await this.#writing
    await this.#options.store.remove(history)
  }

  /** Writes what is open. */
  async close(): Promise<void> {
    for (const cancel of this.#cancels) cancel()
    await this.#flush(true)
  }

  #sensorOf(deviceId: string): Sensor {
    let sensor = this.#sensors.get(deviceId)
    if (!sensor) {
      const bucket = new TokenBucket(RATE, this.#options.time.monotonic())
      sensor = { readings: new Map(), rings: new Map(), bucket }
      this.#sensors.set(deviceId, sensor)
    }
    return sensor
  }

  #ringOf(sensor: Sensor, reading: string): Ring {
    let ring = sensor.rings.get(reading)
    if (!ring) {
      ring = new Ring(this.#budget)
      sensor.rings.set(reading, ring)
    }
    return ring
  }

  #flush(all: boolean): Promise<void> {
    const { store, time } = this.#options
    const minutes = this.#minutes.take(time.now(), all)
    if (minutes.length > 0) this.#writing = this.#writing.then(() => store.write(minutes)).catch(ignore)
    return this.#writing
  }

  #prune(): Promise<void> {
    const { store, time } = this.#options
    this.#writing = this.#writing.then(() => store.prune(time.now() - MINUTES_SPAN)).catch(ignore)
    return this.#writing
  }
}

/** The store tells of its failures by itself; minutes that could not be written are lost. */
function ignore(): void {}

/** Rows as columns, with a null where minutes are missing. */
function columnsOf(minutes: readonly MinuteOfReading[]): Pick<Series, 'at' | 'mean' | 'min' | 'max'> {
  const at: number[] = []
  const mean: (number | null)[] = []
  const min: (number | null)[] = []
  const max: (number | null)[] = []
  for (const minute of minutes) {
    const last = at.at(-1)
    if (last !== undefined && minute.at > last + MINUTE) {
      at.push(last + MINUTE)
      for (const column of [mean, min, max]) column.push(null)
    }
    at.push(minute.at)
    mean.push(minute.mean)
    min.push(minute.min)
    max.push(minute.max)
  }
  return { at, mean, min, max }
}
