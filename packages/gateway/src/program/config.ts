import type { BrokerOptions } from '@usmp/mqtt'
import type { WebhookOptions } from '../alarms/webhook.js'
import type { AnnounceGatewayOptions } from '../announcement.js'
import type { HomeAssistantBridgeOptions } from '../bridge/options.js'
import type { GatewayOptions } from '../options.js'

/** The site where none is given. */
export const DEFAULT_SITE = 'home'

/** Where the page and the HTTP API are. */
export interface PageConfig {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** Certificate and key in PEM; left out: plain http on loopback, elsewhere a certificate that the gateway signs by itself. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** The https address under which a proxy offers the page. */
  readonly behindProxy?: string
  /** Host names besides localhost under which the page is opened on loopback. */
  readonly names?: readonly string[]
}

/** A broker in this process. */
export interface EmbeddedBrokerConfig {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

/** A whole gateway, as `usmp gateway` runs it. */
export interface GatewayConfig {
  /** Folder of the store; made at the first start. */
  readonly data: string
  /** The key file that seals the keys of devices; left out: `store.key` in the folder. */
  readonly keyFile?: string
  readonly site: string
  readonly page: PageConfig
  /** Where devices connect directly. */
  readonly listen: Pick<GatewayOptions, 'tcp' | 'udp' | 'websocket' | 'serial'>
  /** The broker over which devices connect; left out: none. */
  readonly broker?: { readonly embedded: EmbeddedBrokerConfig } | { readonly external: BrokerOptions }
  /** Lets the gateway be found in the local network; left out: it does not. The embedded broker is announced with it. */
  readonly announce?: Omit<AnnounceGatewayOptions, 'broker'>
  /** Derives the keys of devices. Wiped when the gateway is closed. */
  readonly masterKey?: Uint8Array
  /** Public keys of publishers, 32 bytes each: images that none of them has signed are refused. Left out: all are taken. */
  readonly publisherKeys?: readonly Uint8Array[]
  /** Bytes of images a second, to all devices together; left out: no limit. */
  readonly updateRate?: number
  readonly webhook?: WebhookOptions
  readonly homeAssistant?: HomeAssistantBridgeOptions
  /** Three simulated sensors for a first try: one registered, one that nobody has seen, one with a wrong key. */
  readonly demo?: boolean
  /** If the port of the page or of the embedded broker is taken: any that is free. */
  readonly elseFreePorts?: boolean
}
