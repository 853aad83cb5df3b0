import { toHex } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import type { IClientOptions } from 'mqtt'
import type { BrokerOptions } from './broker-options.js'

/** Seconds of silence after which MQTT itself asks whether the broker is there. */
const KEEPALIVE = 60
/** The largest packet that is taken from a broker, bytes: a frame with its topic has 600 at most. MQTT 5 tells the broker. */
export const MAX_PACKET = 1_024
const CONNECT_TIMEOUT = 10_000

/**
 * What the library `mqtt` is told.
 * @param name goes into the client id
 */
export function clientOptions(options: BrokerOptions, url: URL, name: string): IClientOptions {
  const { username, password, ca, cert, key, protocol = '3.1.1', connectTimeout = CONNECT_TIMEOUT } = options
  const scheme = url.protocol.slice(0, -1) as 'mqtt' | 'mqtts' | 'ws' | 'wss'
  return {
    protocol: scheme,
    // An IPv6 address stands in brackets in an address.
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    ...(url.port ? { port: Number(url.port) } : {}),
    ...(scheme.startsWith('ws') ? { path: url.pathname + url.search } : {}),
    clientId: options.clientId ?? `usmp-${name}-${toHex(nodeRandom(2))}`,
    protocolVersion: protocol === '5' ? 5 : 4,
    ...(protocol === '5' ? { properties: { maximumPacketSize: MAX_PACKET, sessionExpiryInterval: 0 } } : {}),
    clean: true,
    keepalive: KEEPALIVE,
    connectTimeout,
    queueQoSZero: false,
    resubscribe: false,
    reconnectOnConnackError: true,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: typeof password === 'string' ? password : asBuffer(password) }),
    ...(ca ? { ca: asText(ca) } : {}),
    ...(cert && key ? { cert: asText(cert), key: asText(key) } : {}),
  }
}

/** The same bytes as a Buffer, which the library wants. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function asText(pem: string | Uint8Array): string {
  return typeof pem === 'string' ? pem : Buffer.from(pem).toString()
}
