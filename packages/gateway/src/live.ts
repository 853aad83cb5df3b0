import type { RequestOutcome } from './contract/commands.js'
import type { Reading } from './contract/device.js'
import type { LiveMessage } from './contract/live.js'
import type { Rollout, RolloutDevice } from './contract/rollouts.js'
import type { Cancel, GatewayTime } from './time.js'

/** Between two batches, ms: four a second. */
const BATCH_PERIOD = 250
/** Messages that wait for one reader; above it the reader gets a new snapshot in their place. */
const MAX_WAITING = 4_096

type Snapshot = Extract<LiveMessage, { type: 'snapshot' }>
type Topic = 'join' | 'broker' | 'store' | 'knocks' | 'rollouts' | 'images'

/** What there is to say about each topic now. */
export type LiveTopics = { readonly [T in Topic]: () => Extract<LiveMessage, { type: T }> }

interface LiveOptions {
  readonly time: GatewayTime
  readonly topics: LiveTopics
  readonly snapshot: () => Snapshot
  /** The device as it is now; `removed` if there is none. */
  readonly describe: (deviceId: string) => Extract<LiveMessage, { type: 'device' | 'removed' }>
  /** The roll-out as it is now; undefined if there is none. */
  readonly rollout: (id: string) => Rollout | undefined
  /** Devices of a roll-out as they are now. */
  readonly rolloutDevices: (id: string, deviceIds: readonly string[]) => readonly RolloutDevice[]
}

/**
 * Tells readers what changes. Changes are put together for a quarter of a second, so whatever changes often costs a reader four messages
 * a second. Nothing is made while nobody reads.
 */
export class LiveFeed {
  readonly #options: LiveOptions
  readonly #readers = new Set<Reader>()
  readonly #devices = new Set<string>()
  readonly #topics = new Set<Topic>()
  readonly #rollouts = new Set<string>()
  /** By roll-out. */
  #rolloutDevices = new Map<string, Set<string>>()
  #requests: Extract<LiveMessage, { type: 'request' }>[] = []
  /** By device and name. */
  #readings = new Map<string, Map<string, Reading>>()
  #cancel: Cancel | undefined

  constructor(options: LiveOptions) {
    this.#options = options
  }

  /** Something about a device has changed. */
  onDevice(deviceId: string): void {
    if (this.#readers.size === 0) return
    this.#devices.add(deviceId)
    this.#plan()
  }

  onReadings(deviceId: string, changed: ReadonlyMap<string, Reading>): void {
    if (this.#readers.size === 0) return
    const readings = this.#readings.get(deviceId) ?? new Map<string, Reading>()
    this.#readings.set(deviceId, readings)
    for (const [name, reading] of changed) readings.set(name, reading)
    this.#plan()
  }

  onTopic(topic: Topic): void {
    if (this.#readers.size === 0) return
    this.#topics.add(topic)
    this.#plan()
  }

  /** A roll-out has begun or changed. */
  onRollout(id: string): void {
    if (this.#readers.size === 0) return
    this.#rollouts.add(id)
    this.#plan()
  }

  /** A device of a roll-out has changed. */
  onRolloutDevice(id: string, deviceId: string): void {
    if (this.#readers.size === 0) return
    const devices = this.#rolloutDevices.get(id) ?? new Set<string>()
    this.#rolloutDevices.set(id, devices.add(deviceId))
    this.#plan()
  }

  onRequest(deviceId: string, outcome: RequestOutcome): void {
    if (this.#readers.size === 0) return
    this.#requests.push({ type: 'request', id: deviceId, outcome })
    this.#plan()
  }

  /** A snapshot, then every change, until `signal` aborts or the feed is closed. */
  async *read(signal: AbortSignal): AsyncGenerator<LiveMessage, void, undefined> {
    const reader = new Reader()
    const stop = () => reader.end()
    signal.addEventListener('abort', stop)
    this.#readers.add(reader)
    try {
      while (!signal.aborted && !reader.ended) {
        if (reader.needsSnapshot) {
          // What waits for the next batch is in the snapshot; that it comes again does no harm.
          reader.begin()
          yield this.#options.snapshot()
          yield this.#options.topics.rollouts()
          yield this.#options.topics.images()
        }
        const message = reader.shift()
        if (message) yield message
        else if (!reader.needsSnapshot) await reader.wait()
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#readers.delete(reader)
    }
  }

  close(): void {
    this.#cancel?.()
    for (const reader of this.#readers) reader.end()
  }

  #plan(): void {
    this.#cancel ??= this.#options.time.after(BATCH_PERIOD, () => this.#flush())
  }

  #flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const messages: LiveMessage[] = [
      ...[...this.#devices].map((id) => this.#options.describe(id)),
      ...[...this.#topics].map((topic) => this.#options.topics[topic]()),
      ...this.#requests,
      ...this.#flushRollouts(),
    ]
    this.#devices.clear()
    this.#topics.clear()
    this.#requests = []
    const changed = [...this.#readings].flatMap(([id, readings]) =>
      [...readings].map(([name, reading]) => ({ id, name, ...reading })),
    )
    this.#readings = new Map()
    if (changed.length > 0) messages.push({ type: 'readings', changed })
    for (const reader of this.#readers) for (const message of messages) reader.push(message)
  }

  #flushRollouts(): LiveMessage[] {
    const { rollout, rolloutDevices } = this.#options
    const rollouts = [...this.#rollouts].flatMap((id) => rollout(id) ?? [])
    const devices = [...this.#rolloutDevices].map(([id, ids]) => ({ id, devices: [...rolloutDevices(id, [...ids])] }))
    this.#rollouts.clear()
    this.#rolloutDevices = new Map()
    return [
      ...rollouts.map((each): LiveMessage => ({ type: 'rollout', rollout: each })),
      ...devices
        .filter((each) => each.devices.length > 0)
        .map((each): LiveMessage => ({ type: 'rolloutDevices', ...each })),
    ]
  }
}

/** What waits for one reader. */
class Reader {
  #waiting: LiveMessage[] = []
  #wake: (() => void) | undefined
  needsSnapshot = true
  ended = false

  push(message: LiveMessage): void {
    if (this.needsSnapshot) return
    this.#waiting.push(message)
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting = []
      this.needsSnapshot = true
    }
    this.#wake?.()
  }

  shift(): LiveMessage | undefined {
    return this.#waiting.shift()
  }

  /** A snapshot is made now; what comes later is told again. */
  begin(): void {
    this.needsSnapshot = false
  }

  end(): void {
    this.ended = true
    this.#wake?.()
  }

  /** Until there is something to read, or nothing will come any more. */
  async wait(): Promise<void> {
    if (this.ended || this.#waiting.length > 0) return
    await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#wake = undefined
  }
}
