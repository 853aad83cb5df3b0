import type { Clock } from '@usmp/core'
import type { BrokerOptions } from '@usmp/mqtt'
import type { ListenOptions } from '@usmp/node'
import type { WebhookOptions } from './alarms/webhook.js'
import type { AnnounceGatewayOptions } from './announcement.js'
import type { Store } from './store/store.js'

/** Options of {@link startGateway}. Without any place to listen the gateway takes only what {@link Gateway.accept} gets. */
export interface GatewayOptions extends Pick<ListenOptions, 'udp' | 'websocket' | 'serial'> {
  /** Where the gateway keeps what it knows, see `openStore`. The caller closes it after the gateway. */
  readonly store: Store
  /** Names the place, in the page and in the topics of MQTT: 1 to 32 letters, digits, - and _. Default `home`. */
  readonly site?: string
  /** As in `listen` of @usmp/node; left out: no TCP. */
  readonly tcp?: Exclude<ListenOptions['tcp'], false>
  /** The broker by which devices come; left out: no MQTT. */
  readonly mqtt?: BrokerOptions
  /**
   * Lets devices and people find the gateway in the local network, by mDNS and by UDP queries; see @usmp/discovery. Default: off, as everybody
   * there then knows that it is here.
   */
  readonly announce?: boolean | AnnounceGatewayOptions
  /** At least 32 random bytes: a device whose key is derived from it is approved without typing its key. Copied. */
  readonly masterKey?: Uint8Array
  /** Folder of the signed images for updates, made with the first one; left out: no updates. */
  readonly images?: string
  /** Public keys of publishers, 32 bytes each: the gateway then refuses images that none of them has signed. Devices check in any case. */
  readonly publisherKeys?: readonly Uint8Array[]
  /** Bytes of images that leave in a second, to all devices together: 440 to 1000000000; left out: as many as they take. */
  readonly updateRate?: number
  /** Told of alarms. */
  readonly webhook?: WebhookOptions
  /** Told of what goes wrong without harm, for a log. */
  readonly onWarning?: (message: string, cause?: unknown) => void
  /** For tests: spans and timers. */
  readonly clock?: Clock
  /** For tests: the date, ms since 1970. */
  readonly now?: () => number
}
