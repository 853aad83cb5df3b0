import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { deviceState } from '../contract/device.js'
import { rolloutDeviceState, rolloutState } from '../contract/rollouts.js'
import type { Operations } from '../operations.js'

const PREFIX = 'usmp_gateway_'

/**
 * Figures for Prometheus. No label holds a device id, name or address: their number is not bounded, and whoever reads the
 * figures need not know who is there.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #operations: Operations
  readonly #requests: Histogram<'route' | 'status'>

  /** @param liveSockets how many pages are open */
  constructor(operations: Operations, liveSockets: () => number) {
    this.#operations = operations
    this.#requests = new Histogram({
      name: `${PREFIX}http_request_seconds`,
      help: 'Time to answer a request of the API, by route and status',
      labelNames: ['route', 'status'] as const,
      registers: [this.#registry],
    })
    this.#gauge('live_sockets', 'Pages that are open', [], () => [[liveSockets()]])
    this.#addDevices()
    this.#addRollouts()
    this.#addSystem()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  render(): Promise<string> {
    return this.#registry.metrics()
  }

  /** @param route its name in the description, not its path */
  noteRequest(route: string, status: number, ms: number): void {
    this.#requests.observe({ route, status: String(status) }, ms / 1000)
  }

  #addDevices(): void {
    const operations = this.#operations
    this.#gauge('devices', 'Devices by state', ['state'], () => {
      const devices = operations.devices()
      return deviceState.options.map((state) => [devices.filter((device) => device.state === state).length, state])
    })
    this.#gauge('sessions', 'Sessions by carrier', ['carrier'], () => {
      const carriers = operations.devices().flatMap(({ session }) => (session ? [session.carrier] : []))
      return [...new Set(carriers)].map((carrier) => [carriers.filter((other) => other === carrier).length, carrier])
    })
    this.#gauge('alarms', 'Alarm rules that are met now', [], () => [
      [operations.devices().reduce((sum, { alarms }) => sum + alarms.length, 0)],
    ])
  }

  /** Of roll-outs that are not over yet: those that are cannot change, and would be there for ever. */
  #addRollouts(): void {
    const all = () => this.#operations.rollouts()
    const open = () => all().filter(({ state }) => state !== 'done' && state !== 'aborted')
    this.#gauge('images', 'Signed images that are kept', [], () => [[this.#operations.images().length]])
    this.#gauge('rollouts', 'Roll-outs by state', ['state'], () =>
      rolloutState.options.map((state) => [all().filter((rollout) => rollout.state === state).length, state]),
    )
    this.#gauge('rollout_devices', 'Devices of the roll-outs that are not over, by state', ['state'], () =>
      rolloutDeviceState.options.map((state) => [
        open().reduce((sum, { counts }) => sum + (counts[state] ?? 0), 0),
        state,
      ]),
    )
  }

  #addSystem(): void {
    const system = () => this.#operations.system()
    this.#counter('messages_total', 'Messages of all sessions', ['direction'], () =>
      Object.entries(system().messages).map(([direction, count]) => [count, direction]),
    )
    this.#counter('dropped_total', 'Datagrams and frames that belonged to nobody, by cause', ['cause'], () =>
      Object.entries(system().dropped).map(([cause, count]) => [count, cause]),
    )
    this.#counter('limits_total', 'How often a limit was reached', ['limit'], () =>
      Object.entries(system().limits).map(([limit, count]) => [count, limit]),
    )
    this.#gauge('store_writable', '1: the store works; 0: it is read-only', [], () => [
      [system().store.state === 'ok' ? 1 : 0],
    ])
    this.#gauge('broker_connected', '1: connected to the broker; 0: not; absent: there is none', [], () => {
      const { state } = system().broker
      return state === 'none' ? [] : [[state === 'connected' ? 1 : 0]]
    })
    this.#gauge('memory_bytes', 'Memory of the process', [], () => [[system().memory]])
    this.#gauge('start_time_seconds', 'When the gateway was started, since 1970', [], () => [
      [system().startedAt / 1000],
    ])
  }

  #gauge(name: string, help: string, labels: string[], read: () => (readonly [number, string?])[]): void {
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames: labels,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, label] of read()) this.set(label === undefined ? {} : { [labels[0]!]: label }, value)
      },
    })
  }

  #counter(name: string, help: string, labels: string[], read: () => (readonly [number, string?])[]): void {
    new Counter({
      name: PREFIX + name,
      help,
      labelNames: labels,
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [value, label] of read()) this.inc(label === undefined ? {} : { [labels[0]!]: label }, value)
      },
    })
  }
}
