import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

export type Family = 'IPv4' | 'IPv6'
/** What `os.networkInterfaces()` gives; tests bring their own. */
export type InterfaceTable = NodeJS.Dict<NetworkInterfaceInfo[]>

/** One network that this host has an address in. */
export interface Network {
  /** Of the interface, as the system calls it. */
  readonly name: string
  readonly family: Family
  /** Our own; a link-local IPv6 address without its zone. */
  readonly address: string
  /** Address and prefix, as `192.168.1.5/24`. */
  readonly cidr: string
  /** `lo` and the like: taken only when it is named. */
  readonly internal: boolean
}

/** The networks of a host; with `only`, those of these interfaces. Internal ones have to be named. */
export function networksOf(table: InterfaceTable = networkInterfaces(), only?: readonly string[]): Network[] {
  return Object.entries(table).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ cidr, internal }) => cidr !== null && (only ? only.includes(name) : !internal))
      .map(({ family, address, cidr, internal }) => ({
        name,
        family: family as Family,
        address: address.split('%')[0]!,
        cidr: cidr!,
        internal,
      })),
  )
}

/** The same network, for comparing two looks. */
export function networkKey({ name, cidr }: Network): string {
  return `${name} ${cidr}`
}

/** The address that reaches every host of an IPv4 network; undefined if there is none, as on a line between two hosts. */
export function broadcastOf({ family, cidr }: Network): string | undefined {
  const [address = '', prefix] = cidr.split('/')
  const bits = 32 - Number(prefix)
  if (family !== 'IPv4' || bits < 2) return undefined
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const last = Math.floor(number / 2 ** bits) * 2 ** bits + 2 ** bits - 1
  return [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join('.')
}

/** Whether an address is of a network. A link-local IPv6 address must have the zone of its interface. */
export function contains(network: Network, address: string): boolean {
  const [plain = '', zone] = address.split('%')
  if (familyOf(plain) !== network.family) return false
  if (isLinkLocal6(plain) && zone !== network.name && zone !== undefined) return false
  const list = new BlockList()
  const [base = '', prefix] = network.cidr.split('/')
  list.addSubnet(base.split('%')[0]!, Number(prefix), network.family.toLowerCase() as 'ipv4' | 'ipv6')
  return list.check(plain, network.family.toLowerCase() as 'ipv4' | 'ipv6')
}

export function isLinkLocal6(address: string): boolean {
  return /^fe[89ab]/i.test(address) && isIPv6(address.split('%')[0]!)
}

/** Undefined if the text is no address. */
export function familyOf(address: string): Family | undefined {
  const [plain = ''] = address.split('%')
  if (isIPv4(plain)) return 'IPv4'
  return isIPv6(plain) ? 'IPv6' : undefined
}

/** A list for each family: rules for IPv4 would let IPv6 addresses through that stand for an IPv4 one, as `::ffff:127.0.0.1`. */
const closeBy = { IPv4: new BlockList(), IPv6: new BlockList() }
for (const [base, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
] as const) {
  closeBy.IPv4.addSubnet(base, prefix, 'ipv4')
}
for (const [base, prefix] of [
  ['fc00::', 7],
  ['fe80::', 10],
  ['::1', 128],
] as const) {
  closeBy.IPv6.addSubnet(base, prefix, 'ipv6')
}

/** Whether an address is private, link-local or loopback: of no host of the public Internet. */
export function isCloseBy(address: string): boolean {
  const [plain = ''] = address.split('%')
  return isIPv4(plain) ? closeBy.IPv4.check(plain, 'ipv4') : isIPv6(plain) && closeBy.IPv6.check(plain, 'ipv6')
}

/** Whether something that listens on `host` is reached at this address of ours. */
export function listensAt(host: string, address: string): boolean {
  if (host === '::' || host === '') return true
  if (host === '0.0.0.0') return isIPv4(address)
  return host.split('%')[0] === address
}
