import { UsmpError } from '@usmp/core'
import type { GatewayConfig } from '@usmp/gateway/program'
import { readPskFile, serialPort } from '@usmp/node'
import { readPemFile } from '@usmp/node/key-files'
import { defaultFolder } from '../data-folder.js'
import type { Address, SerialAddress } from '../options.js'
import { readPublicKeyFile } from '../ota/files.js'
import { readSecretText } from '../secret-text.js'
import { type BrokerFlags, brokerOf, parseBrokerUrl } from './broker.js'

export const PAGE_PORT = 8700
export const BROKER_PORT = 1883
const PAGE: Address = { host: '127.0.0.1', port: PAGE_PORT }
const EMBEDDED: Address = { host: '127.0.0.1', port: BROKER_PORT }
const DEFAULT_SITE = 'home'

/** Of `usmp gateway`, as they stand on the command line. */
export interface GatewayFlags extends BrokerFlags {
  readonly data?: string
  readonly keyFile?: string
  readonly listen?: Address
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly behindProxy?: string
  /** Host names of the page on loopback, besides localhost. */
  readonly name?: readonly string[]
  readonly tcp?: Address
  readonly udp?: Address
  readonly ws?: URL
  readonly serial?: SerialAddress
  readonly broker?: URL | 'embedded'
  readonly brokerListen?: Address
  readonly masterFile?: string
  readonly publisherKey?: readonly string[]
  /** KiB a second. */
  readonly updateRate?: number
  readonly webhook?: string
  readonly webhookSecretFile?: string
  readonly homeAssistant?: URL
  readonly homeAssistantUser?: string
  readonly homeAssistantPasswordFile?: string
  readonly homeAssistantCa?: string
  readonly homeAssistantPlaintext?: boolean
  readonly demo?: boolean
  readonly announce?: boolean
  readonly announceInterface?: readonly string[]
  readonly discoveryPort?: number
  readonly mdnsPort?: number
}

/** Nothing was said of devices, of a folder or of keys: somebody has a first look. */
export function isFirstLook({
  data,
  keyFile,
  site,
  tcp,
  udp,
  ws,
  serial,
  broker,
  masterFile,
  demo,
}: GatewayFlags): boolean {
  return demo ?? ![data, keyFile, site, tcp, udp, ws, serial, broker, masterFile].some((flag) => flag !== undefined)
}

/**
 * The whole configuration of a gateway.
 * @throws UsmpError INVALID_ARGUMENT, WEAK_PSK
 */
export async function gatewayConfig(flags: GatewayFlags): Promise<GatewayConfig> {
  check(flags)
  const { data, keyFile, site = DEFAULT_SITE, masterFile, webhook, webhookSecretFile } = flags
  const demo = isFirstLook(flags)
  const broker = await brokerConfig(flags)
  const home = await homeAssistant(flags)
  return {
    data: data ?? defaultFolder(demo ? 'usmp-gateway-demo' : 'usmp-gateway'),
    ...(keyFile === undefined ? {} : { keyFile }),
    site,
    page: await page(flags),
    listen: places(flags),
    ...(broker ? { broker } : {}),
    ...(masterFile === undefined ? {} : { masterKey: await readPskFile(masterFile) }),
    ...(flags.publisherKey === undefined
      ? {}
      : { publisherKeys: await Promise.all(flags.publisherKey.map(readPublicKeyFile)) }),
    ...(flags.updateRate === undefined ? {} : { updateRate: flags.updateRate * 1024 }),
    ...(webhook === undefined
      ? {}
      : {
          webhook: { url: webhook, ...(webhookSecretFile ? { secret: await readSecretText(webhookSecretFile) } : {}) },
        }),
    ...(home ? { homeAssistant: home } : {}),
    ...announcement(flags),
    demo,
    elseFreePorts: demo && flags.listen === undefined && flags.brokerListen === undefined,
  }
}

/** @throws UsmpError INVALID_ARGUMENT */
function check(flags: GatewayFlags): void {
  const external = flags.broker instanceof URL
  const faults: [boolean, string, string?][] = [
    [(flags.tlsCert === undefined) !== (flags.tlsKey === undefined), '--tls-cert and --tls-key belong together'],
    [
      flags.tlsCert !== undefined && flags.behindProxy !== undefined,
      '--tls-cert and --behind-proxy exclude each other: either the gateway speaks TLS, or the proxy does',
    ],
    [
      external && flags.brokerListen !== undefined,
      '--broker-listen belongs to --broker embedded',
      'Another broker listens where its own configuration says.',
    ],
    [
      !external && (flags.brokerUser ?? flags.brokerPasswordFile ?? flags.brokerCa ?? flags.brokerCert) !== undefined,
      '--broker-user, --broker-password-file, --broker-ca and --broker-cert belong to --broker URL',
      'The embedded broker makes the password of the gateway by itself.',
    ],
    [
      !flags.announce && (flags.announceInterface ?? flags.discoveryPort) !== undefined,
      '--announce-interface and --discovery-port need --announce',
    ],
    [flags.webhookSecretFile !== undefined && flags.webhook === undefined, '--webhook-secret-file needs --webhook'],
    [
      flags.demo === true && (external || !usesEmbedded(flags)),
      '--demo needs the embedded broker',
      'Add --broker embedded, or run `usmp sim sensor` for sensors elsewhere.',
    ],
  ]
  for (const [isFault, message, hint] of faults) {
    if (isFault) throw new UsmpError('INVALID_ARGUMENT', message, hint === undefined ? {} : { hint })
  }
}

/** Where nothing else takes devices, it does. */
function usesEmbedded({ broker, tcp, udp, ws, serial }: GatewayFlags): boolean {
  return broker === 'embedded' || (broker === undefined && !tcp && !udp && !ws && !serial)
}

async function brokerConfig(flags: GatewayFlags): Promise<GatewayConfig['broker']> {
  const { broker, brokerListen = EMBEDDED } = flags
  if (broker instanceof URL) return { external: await brokerOf(broker, flags) }
  return usesEmbedded(flags) ? { embedded: brokerListen } : undefined
}

async function page({
  listen = PAGE,
  tlsCert,
  tlsKey,
  behindProxy,
  name,
}: GatewayFlags): Promise<GatewayConfig['page']> {
  return {
    ...listen,
    ...(name === undefined ? {} : { names: name }),
    ...(behindProxy === undefined ? {} : { behindProxy }),
    ...(tlsCert === undefined || tlsKey === undefined
      ? {}
      : { tls: { cert: await readPemFile(tlsCert), key: await readPemFile(tlsKey) } }),
  }
}

function places({ tcp, udp, ws, serial }: GatewayFlags): GatewayConfig['listen'] {
  return {
    ...(tcp ? { tcp } : {}),
    ...(udp ? { udp } : {}),
    ...(ws ? { websocket: websocket(ws) } : {}),
    ...(serial ? { serial: serialPort(serial.path, serial.baudRate ? { baudRate: serial.baudRate } : {}) } : {}),
  }
}

function announcement({
  announce,
  announceInterface,
  discoveryPort,
  mdnsPort,
}: GatewayFlags): Pick<GatewayConfig, 'announce'> {
  if (!announce) return {}
  return {
    announce: {
      ...(announceInterface ? { interfaces: announceInterface } : {}),
      ...(discoveryPort === undefined ? {} : { port: discoveryPort }),
      ...(mdnsPort === undefined ? {} : { mdnsPort }),
    },
  }
}

function websocket(url: URL): NonNullable<GatewayConfig['listen']['websocket']> {
  if (url.protocol === 'wss:') {
    throw new UsmpError('INVALID_ARGUMENT', 'the gateway serves ws://, not wss://', {
      hint: 'Sessions are encrypted without it. For wss:// let a proxy speak TLS.',
    })
  }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80), path: url.pathname }
}

async function homeAssistant(flags: GatewayFlags): Promise<GatewayConfig['homeAssistant']> {
  const { homeAssistant: url, homeAssistantUser: username, homeAssistantPasswordFile, homeAssistantCa } = flags
  if (!url) return undefined
  return {
    broker: {
      url: url.href,
      ...(username === undefined ? {} : { username }),
      ...(homeAssistantPasswordFile === undefined ? {} : { password: await readSecretText(homeAssistantPasswordFile) }),
      ...(homeAssistantCa === undefined ? {} : { ca: await readPemFile(homeAssistantCa) }),
    },
    ...(flags.homeAssistantPlaintext ? { allowPlaintext: true } : {}),
  }
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseBroker(text: string): URL | 'embedded' {
  return text === 'embedded' ? text : parseBrokerUrl(text)
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseProxyUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' && url.pathname === '/' && !url.search && !url.hash) return url.origin
  throw new UsmpError('INVALID_ARGUMENT', '--behind-proxy must be the https address of the page, without a path', {
    hint: 'For example https://gateway.example.org: what people open, and what the proxy passes on to --listen.',
  })
}
