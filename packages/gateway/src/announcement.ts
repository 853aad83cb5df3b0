import { type Announcement, announce, type ListeningCarrier, type PlaceOptions } from '@usmp/discovery'
import type { Server } from '@usmp/node'
import type { SystemInfo } from './contract/system.js'
import type { GatewayOptions } from './options.js'

/** How the gateway lets itself be found in the local network. */
export interface AnnounceGatewayOptions extends PlaceOptions {
  /** Where devices reach a broker in this process. */
  readonly broker?: { readonly host: string; readonly port: number }
}

/** Where a listener is if its options do not say. */
const LOOPBACK = '127.0.0.1'

/**
 * Tells the local network that the gateway is here: its site, the ways to it, and whether the join window is open. Nothing else. Off unless the
 * options ask for it.
 */
export class GatewayAnnouncement {
  readonly #announcement: Announcement

  private constructor(announcement: Announcement) {
    this.#announcement = announcement
  }

  /** Undefined if nothing is to be announced. @throws UsmpError INVALID_ARGUMENT */
  static async start(
    options: GatewayOptions,
    server: Server,
    site: string,
    onWarning: (message: string) => void,
  ): Promise<GatewayAnnouncement | undefined> {
    if (!options.announce) return undefined
    const { broker, ...place } = options.announce === true ? ({} as AnnounceGatewayOptions) : options.announce
    const carriers = carriersOf(options, server, broker)
    if (!carriers.some(({ host }) => !isLoopback(host))) {
      onWarning('the gateway is announced, but listens on this machine alone: no other one can reach it')
    }
    const announcement = await announce({
      ...place,
      role: 'gateway',
      site,
      carriers,
      path: options.websocket?.path ?? '/',
      onWarning: (message) => onWarning(`announcement: ${message}`),
    })
    return new GatewayAnnouncement(announcement)
  }

  setJoinOpen(joinOpen: boolean): void {
    void this.#announcement.update({ joinOpen })
  }

  view(): SystemInfo['announced'] {
    const { instance, interfaces } = this.#announcement
    return { instance, interfaces: [...interfaces] }
  }

  close(): Promise<void> {
    return this.#announcement.close()
  }
}

/** The ports as they really are: options may say 0. */
function carriersOf(
  { tcp, udp, websocket }: GatewayOptions,
  server: Server,
  broker: AnnounceGatewayOptions['broker'],
): ListeningCarrier[] {
  return [
    ...(tcp ? [{ kind: 'tcp' as const, ...placeOf(server.address) }] : []),
    ...(udp ? [{ kind: 'udp' as const, ...placeOf(server.udpAddress) }] : []),
    ...(websocket ? [webSocketOf(server.websocketUrl)] : []),
    ...(broker ? [{ kind: 'mqtt' as const, host: numeric(broker.host), port: broker.port }] : []),
  ]
}

/** `host:port` or `[host]:port`, as the server tells it. */
function placeOf(address: string): { host: string; port: number } {
  const [, host = LOOPBACK, port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? []
  return { host, port: Number(port) }
}

function webSocketOf(text: string): ListeningCarrier {
  const url = new URL(text)
  const kind = url.protocol === 'wss:' ? 'wss' : 'ws'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { kind, host: numeric(host), port: Number(url.port || (kind === 'wss' ? 443 : 80)) }
}

const numeric = (host: string) => (host === 'localhost' ? LOOPBACK : host)

function isLoopback(host = ''): boolean {
  return /^127\.|^::1$/.test(host)
}
