import { type BrokerState, listenMqtt, type MqttListener } from '@usmp/mqtt'
import type { Server } from '@usmp/node'
import type { BrokerLink } from './contract/system.js'
import type { GatewayOptions } from './options.js'
import type { GatewayTime } from './time.js'

/** What the gateway wants to know of its broker. */
export interface BrokerEvents {
  readonly isKnown: (deviceId: string) => boolean
  readonly onWill: (deviceId: string) => void
  /** The state has changed. */
  readonly onChange: () => void
}

/** The way to the devices of a broker; there may be none. */
export class Broker {
  readonly #listener: MqttListener | undefined
  readonly #startedAt: number

  /** @throws UsmpError INVALID_ARGUMENT */
  constructor(
    server: Pick<Server, 'accept'>,
    mqtt: GatewayOptions['mqtt'],
    site: string,
    time: GatewayTime,
    { isKnown, onWill, onChange }: BrokerEvents,
  ) {
    this.#startedAt = time.now()
    this.#listener = mqtt && listenMqtt(server, { broker: mqtt, site, isKnown, onWill, onStateChange: onChange })
  }

  /** Whether devices of the broker can be reached; true if there is no broker. */
  get isReachable(): boolean {
    return !this.#listener || this.#listener.state.state === 'connected'
  }

  get dropped(): ReadonlyMap<string, number> {
    return this.#listener?.dropped ?? new Map()
  }

  /** Its address without user and password; null if there is none. */
  get url(): string | null {
    if (!this.#listener) return null
    const { protocol, host, pathname } = this.#listener.url
    return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
  }

  /** Tells a device that now is a good time to try. */
  hint(deviceId: string): void {
    this.#listener?.hint(deviceId)
  }

  /** Tells unknown devices that tried a while ago that they may try again. */
  invite(): void {
    this.#listener?.inviteUnknown()
  }

  view(): BrokerLink {
    if (!this.#listener) return { state: 'none', url: null, since: this.#startedAt, reason: null, nextTryAt: null }
    const { state, since, reason, nextTryAt } = this.#listener.state
    return {
      state: state === 'closed' ? 'failed' : state,
      url: this.url,
      since: Math.round(since),
      reason: reasonOf(reason),
      nextTryAt: nextTryAt === undefined ? null : Math.round(nextTryAt),
    }
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }
}

function reasonOf(reason: BrokerState['reason']): string | null {
  return reason ? `${reason.message}. ${reason.hint}` : null
}
