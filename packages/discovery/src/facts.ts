/** Who announces: a gateway takes sessions for a site, a device wants to be found. */
export type Role = 'gateway' | 'device'

/** The ways to a peer, in the order of the specification, which is that of their numbers 1 to 5 on the wire. */
export const carrierKinds = ['tcp', 'udp', 'ws', 'mqtt', 'wss'] as const
export type CarrierKind = (typeof carrierKinds)[number]

/** One way to a peer. For mqtt it is the port of the broker that runs in the gateway. */
export interface Carrier {
  readonly kind: CarrierKind
  /** 1 to 65535. */
  readonly port: number
}

/** What a peer says about itself (specification, section 14.1): a hint that everybody can forge, never a status. */
export interface Facts {
  readonly role: Role
  /** 4 lower-case hex digits that name this start of the peer; no identity. */
  readonly instance: string
  /** The gateway takes unknown devices for approval now. */
  readonly joinOpen: boolean
  /** At most five, each kind once, in the order of {@link carrierKinds}. */
  readonly carriers: readonly Carrier[]
  /** 0 to 32 letters, digits, `-` and `_`; empty for a device. */
  readonly site: string
  /** Of the WebSocket: empty, or `/` and up to 31 more characters. */
  readonly path: string
  /** 12 lower-case hex digits, of a device that announces it. */
  readonly deviceId?: string
}

/** Of a site and of a path, characters. */
export const MAX_NAME = 32
export const MAX_PORT = 65_535

const INSTANCE = /^[0-9a-f]{4}$/
const SITE = /^[A-Za-z0-9_-]{0,32}$/
const PATH = /^(?:\/[A-Za-z0-9._~/-]{0,31})?$/
const DEVICE_ID = /^[0-9a-f]{12}$/

/** The first rule of section 14.1 that the facts break, in words; undefined if they break none. */
export function faultOf(facts: Facts): string | undefined {
  const { role, instance, joinOpen, carriers, site, path, deviceId } = facts
  if (role !== 'gateway' && role !== 'device') return 'the role is gateway or device'
  if (!INSTANCE.test(instance)) return 'an instance has 4 lower-case hex digits'
  if (!SITE.test(site)) return 'a site has up to 32 letters, digits, - and _'
  if (!PATH.test(path)) return 'a path begins with / and has up to 32 of the characters A-Z a-z 0-9 - . _ ~ /'
  if (deviceId !== undefined && !DEVICE_ID.test(deviceId)) return 'a device id has 12 lower-case hex digits'
  if (role === 'device' && (joinOpen || site !== '')) return 'a device has no site and no join window'
  if (role === 'gateway' && deviceId !== undefined) return 'a gateway has no device id'
  return faultOfCarriers(carriers)
}

function faultOfCarriers(carriers: readonly Carrier[]): string | undefined {
  let last = -1
  for (const { kind, port } of carriers) {
    const number = carrierKinds.indexOf(kind)
    if (number < 0) return `a carrier is one of ${carrierKinds.join(', ')}`
    if (number <= last) return `carriers stand in the order ${carrierKinds.join(', ')}, each once`
    if (!Number.isInteger(port) || port < 1 || port > MAX_PORT) return `a port is 1 to ${MAX_PORT}`
    last = number
  }
  return undefined
}

/** Whether two peers say the same about themselves, the join window apart, which may change at any time. */
export function sameFacts(a: Facts, b: Facts): boolean {
  return factsKey(a) === factsKey(b)
}

/** One text for all facts that make an entry of its own (specification, section 14.4, rule 3). */
export function factsKey({ role, instance, carriers, site, path, deviceId = '' }: Facts): string {
  const ways = carriers.map(({ kind, port }) => `${kind}:${port}`).join(',')
  return [role, instance, site, path, deviceId, ways].join('|')
}
