import { crc32 } from 'node:zlib'
import { GatewayError } from '../errors.js'
import type { Database, Operation } from './database.js'
import type { MinuteOfReading, TelemetryStore } from './store.js'

/** Readings of a device that are stored; more are not. */
export const MAX_READINGS = 32
/** Bytes on the disk, about. When there is more, the oldest days go, however young they are. */
export const MAX_TELEMETRY_SIZE = 1024 ** 3
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const ROW_SIZE = 28
const PREFIX = 'minute!'
const END = 'minute"'

interface WrittenMinute {
  readonly history: string
  readonly reading: string
  readonly minute: MinuteOfReading
}

/** Minutes of readings in a LevelDB of their own: a row each, with a CRC, since LevelDB does not check what it reads. */
export class LevelTelemetry implements TelemetryStore {
  readonly #database: Database<Uint8Array>
  readonly #maxSize: number
  /** Prefixes of the series of each device that was written since the start. */
  readonly #series = new Map<string, Set<string>>()

  constructor(database: Database<Uint8Array>, maxSize: number = MAX_TELEMETRY_SIZE) {
    this.#database = database
    this.#maxSize = maxSize
  }

  async write(minutes: readonly WrittenMinute[]): Promise<void> {
    const operations: Operation<Uint8Array>[] = []
    for (const { history, reading, minute } of minutes) {
      const prefix = seriesPrefix(history, reading)
      if (!(await this.#admit(history, prefix))) continue
      operations.push({ type: 'put', key: prefix + minuteKey(minute.at), value: encode(minute) })
    }
    if (operations.length > 0) await this.#database.write(operations, { sync: false })
  }

  async read(history: string, reading: string, range: { from: number; to: number }): Promise<MinuteOfReading[]> {
    const prefix = seriesPrefix(history, reading)
    const minutes: MinuteOfReading[] = []
    // A minute that begins before `from` holds values after it.
    const keys = { gte: prefix + minuteKey(range.from), lt: prefix + minuteKey(range.to + MINUTE - 1) }
    for await (const [key, row] of this.#database.entries(keys)) {
      const minute = decode(Number(key.slice(prefix.length)) * MINUTE, row)
      // A damaged minute is a gap, and no wrong value.
      if (minute) minutes.push(minute)
    }
    return minutes
  }

  async remove(history: string): Promise<void> {
    this.#series.delete(history)
    await this.#database.clear(deviceRange(history))
  }

  async prune(before: number): Promise<void> {
    await this.#removeBefore(before)
    for (let at = before + DAY; at < before + 60 * DAY; at += DAY) {
      if ((await this.#database.size({ gte: PREFIX, lt: END })) <= this.#maxSize) return
      await this.#removeBefore(at)
      await this.#database.compact({ gte: PREFIX, lt: END })
    }
  }

  /** Whether a series may be written: it is known, or the device has not too many. */
  async #admit(history: string, prefix: string): Promise<boolean> {
    let series = this.#series.get(history)
    if (!series) {
      series = new Set()
      for await (const [first] of this.#firstRows(deviceRange(history))) series.add(first)
      this.#series.set(history, series)
    }
    if (series.has(prefix)) return true
    if (series.size >= MAX_READINGS) return false
    series.add(prefix)
    return true
  }

  async #removeBefore(before: number): Promise<void> {
    const end = minuteKey(before)
    for await (const [prefix, oldest] of this.#firstRows({ gte: PREFIX, lt: END })) {
      if (oldest < end) await this.#database.clear({ gte: prefix, lt: prefix + end })
    }
    // A series may be gone now and make room for another.
    this.#series.clear()
  }

  /** Prefix and oldest minute of each series. */
  async *#firstRows(range: { gte: string; lt: string }): AsyncGenerator<[prefix: string, minute: string]> {
    const prefixOf = (key: string) => key.slice(0, key.lastIndexOf('!') + 1)
    const behind = (key: string) => `${prefixOf(key).slice(0, -1)}"`
    for await (const key of this.#database.leaps(range, behind)) {
      const prefix = prefixOf(key)
      yield [prefix, key.slice(prefix.length)]
    }
  }
}

function deviceRange(history: string): { gte: string; lt: string } {
  if (!/^[0-9a-z:.-]{1,64}$/.test(history))
    throw new GatewayError('INVALID', 'the history of a device has a wrong name')
  return { gte: `${PREFIX}${history}!`, lt: `${PREFIX}${history}"` }
}

/** The name of a reading comes from a device, so it may hold anything. */
function seriesPrefix(history: string, reading: string): string {
  return `${deviceRange(history).gte}${Buffer.from(reading.slice(0, 64)).toString('base64url')}!`
}

function minuteKey(at: number): string {
  return String(Math.max(0, Math.floor(at / MINUTE))).padStart(10, '0')
}

/** Mean, least and most as float64, little-endian, then the CRC-32 of them. */
function encode({ mean, min, max }: MinuteOfReading): Uint8Array {
  const row = new DataView(new ArrayBuffer(ROW_SIZE))
  for (const [index, value] of [mean, min, max].entries()) {
    if (!Number.isFinite(value))
      throw new GatewayError('INVALID', 'a minute of a reading has a value that is no number')
    row.setFloat64(8 * index, value, true)
  }
  row.setUint32(24, crc32(new Uint8Array(row.buffer, 0, 24)), true)
  return new Uint8Array(row.buffer)
}

function decode(at: number, bytes: Uint8Array): MinuteOfReading | undefined {
  if (bytes.length !== ROW_SIZE) return undefined
  const row = new DataView(bytes.buffer, bytes.byteOffset, ROW_SIZE)
  if (row.getUint32(24, true) !== crc32(bytes.subarray(0, 24))) return undefined
  return { at, mean: row.getFloat64(0, true), min: row.getFloat64(8, true), max: row.getFloat64(16, true) }
}
