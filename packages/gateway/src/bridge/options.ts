import type { BrokerOptions } from '@usmp/mqtt'
import { GatewayError } from '../errors.js'

/** How to reach the broker of a home. */
export type HomeBroker = Pick<BrokerOptions, 'url' | 'username' | 'password' | 'ca' | 'cert' | 'key'>

export interface HomeAssistantBridgeOptions {
  /** A broker that you trust: what devices said in secret is written to it in the clear. */
  readonly broker: HomeBroker
  /** Where Home Assistant looks for discovery messages. Default: `homeassistant`. */
  readonly discoveryPrefix?: string
  /** First level of the topics with values and states. Default: `usmp-home`. */
  readonly prefix?: string
  /** Allows a broker that is neither on this machine nor reached by TLS. Whoever is on the way reads and changes all values. */
  readonly allowPlaintext?: boolean
}

export const DEFAULT_DISCOVERY_PREFIX = 'homeassistant'
export const DEFAULT_PREFIX = 'usmp-home'

const PLAIN = ['mqtt:', 'ws:']
const SECURE = ['mqtts:', 'wss:']
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
/** Levels of a topic without wildcards, empty levels or control characters. */
const TOPIC = /^[\w-]+(\/[\w-]+)*$/

/** @throws GatewayError INVALID for options that cannot work, or that give values away without saying so */
export function checkBridgeOptions(options: HomeAssistantBridgeOptions): void {
  const { broker, discoveryPrefix = DEFAULT_DISCOVERY_PREFIX, prefix = DEFAULT_PREFIX } = options
  checkUrl(broker.url, options.allowPlaintext ?? false)
  for (const topic of [discoveryPrefix, prefix])
    if (topic.length > 128 || !TOPIC.test(topic))
      throw new GatewayError('INVALID', `"${topic}" cannot begin a topic: use letters, digits, "-", "_" and "/"`)
  if (`${prefix}/`.startsWith(`${discoveryPrefix}/`) || `${discoveryPrefix}/`.startsWith(`${prefix}/`))
    throw new GatewayError('INVALID', 'the prefix of values and that of discovery must not contain each other')
}

function checkUrl(text: string | URL, allowPlaintext: boolean): void {
  const url = URL.canParse(`${text}`) ? new URL(text) : undefined
  if (!url?.hostname || ![...PLAIN, ...SECURE].includes(url.protocol))
    throw new GatewayError(
      'INVALID',
      'the address of the home broker must begin with mqtt://, mqtts://, ws:// or wss://',
    )
  if (url.username || url.password)
    throw new GatewayError('INVALID', 'the address of the home broker must hold no user or password', {
      hint: 'give them apart, so that they are never shown or logged with the address',
    })
  if (PLAIN.includes(url.protocol) && !LOOPBACK.test(url.hostname) && !allowPlaintext)
    throw new GatewayError('INVALID', `values would travel to ${url.host} in the clear`, {
      hint: 'use mqtts:// or wss://, or allow plaintext if you trust everybody on the way',
    })
}
