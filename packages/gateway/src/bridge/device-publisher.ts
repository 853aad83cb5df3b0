import type { Device } from '../contract/device.js'
import type { LiveMessage } from '../contract/live.js'
import { discoveryOf, historyOf, isShown, shownReadings, stateOf } from './discovery.js'
import { slugOf } from './names.js'
import { type BridgeTopics, bare } from './topics.js'

/** Between two rounds, ms: a device that changes what it says without pause costs no more. */
const ROUND = 250

interface Known {
  device: Device
  /** Its discovery message, until something in it changes. */
  config: string | undefined
}

/**
 * Keeps the retained messages of the broker equal to what the gateway knows of its devices. Changes are collected for a moment,
 * so hardware that is replaced is never seen as removed and added: Home Assistant would forget its entities.
 */
export class DevicePublisher {
  readonly #topics: BridgeTopics
  readonly #version: string
  readonly #put: (topic: string, payload: string) => void
  readonly #known = new Map<string, Known>()
  /** What the broker was told, by history and topic. */
  readonly #told = new Map<string, ReadonlyMap<string, string>>()
  /** Histories to look at in the next round. */
  readonly #changed = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(topics: BridgeTopics, version: string, put: (topic: string, payload: string) => void) {
    this.#topics = topics
    this.#version = version
    this.#put = put
  }

  apply(message: LiveMessage): void {
    switch (message.type) {
      case 'snapshot':
        for (const id of this.#known.keys()) this.#forget(id)
        for (const device of message.devices) this.#learn(device)
        break
      case 'device':
        this.#forget(message.device.id)
        this.#learn(message.device)
        break
      case 'removed':
        this.#forget(message.id)
        break
      case 'readings':
        for (const { id, name, ...reading } of message.changed) this.#read(id, name, reading)
        break
    }
  }

  /** Tells everything again: the broker or Home Assistant may have forgotten it. */
  tellAll(): void {
    for (const [history, messages] of this.#told) {
      this.#told.set(history, new Map([...messages.keys()].map((topic) => [topic, ''])))
      this.#change(history)
    }
    for (const { device } of this.#known.values()) this.#change(historyOf(device))
  }

  /** Whether a message about this device, told by its history without colons, may stand at the broker. */
  shows(history: string): boolean {
    for (const { device } of this.#known.values())
      if (isShown(device) && bare(historyOf(device)) === history) return true
    return false
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #learn(device: Device): void {
    this.#known.set(device.id, { device, config: undefined })
    this.#change(historyOf(device))
  }

  #forget(id: string): void {
    const known = this.#known.get(id)
    if (!known) return
    this.#known.delete(id)
    this.#change(historyOf(known.device))
  }

  #read(id: string, name: string, reading: Device['readings'][string]): void {
    const known = this.#known.get(id)
    if (!known) return
    const before = known.device.readings[name]
    const alike = before && typeof before.value === typeof reading.value && before.unit === reading.unit
    known.device = { ...known.device, readings: { ...known.device.readings, [name]: reading } }
    if (!alike) known.config = undefined
    this.#change(historyOf(known.device))
  }

  #change(history: string): void {
    this.#changed.add(history)
    this.#timer ??= setTimeout(() => this.#round(), ROUND)
  }

  #round(): void {
    this.#timer = undefined
    const shown = new Map<string, Known>()
    for (const known of this.#known.values()) if (isShown(known.device)) shown.set(historyOf(known.device), known)
    for (const history of this.#changed) this.#tell(history, shown.get(history))
    this.#changed.clear()
  }

  #tell(history: string, known: Known | undefined): void {
    const before = this.#told.get(history) ?? new Map<string, string>()
    const now = known ? this.#messagesOf(history, known) : new Map<string, string>()
    for (const [topic, payload] of now) if (before.get(topic) !== payload) this.#put(topic, payload)
    for (const topic of before.keys()) if (!now.has(topic)) this.#put(topic, '')
    if (known) this.#told.set(history, now)
    else this.#told.delete(history)
  }

  /** All that the broker shall hold about a device, its discovery message first. */
  #messagesOf(history: string, known: Known): ReadonlyMap<string, string> {
    const { device } = known
    known.config ??= JSON.stringify(discoveryOf(device, this.#topics, this.#version))
    const messages = new Map([
      [this.#topics.config(history), known.config],
      [this.#topics.availability(history), device.state === 'online' ? 'online' : 'offline'],
      [this.#topics.alarm(history), stateOf(device.alarms.length > 0)],
    ])
    for (const [name, { value }] of shownReadings(device))
      messages.set(this.#topics.reading(history, slugOf(name)), stateOf(value))
    return messages
  }
}
