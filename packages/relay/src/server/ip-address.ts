import { isIPv4, isIPv6 } from 'node:net'

/** IPv4 addresses in IPv6 begin with these groups (RFC 4291, section 2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0xffff]

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // The parser of URLs writes an IPv6 address in one way only, without dots.
  const [head = '', tail = ''] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const parse = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const [front, back] = [parse(head), parse(tail)]
  return [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back]
}

/**
 * What the limits count as one address: an IPv4 address, or the /64 of an IPv6 address, since one host has a whole one.
 * A link-local address (fe80::/10) counts alone, since all hosts of a link share its /64. What is no address counts as itself.
 */
export function addressBlock(address: string): string {
  const withoutZone = address.split('%', 1)[0]!
  if (!isIPv6(withoutZone)) return withoutZone
  const groups = groupsOf(withoutZone)
  if (MAPPED.every((group, index) => groups[index] === group)) {
    return [groups[6]! >> 8, groups[6]! & 0xff, groups[7]! >> 8, groups[7]! & 0xff].join('.')
  }
  const isLinkLocal = (groups[0]! & 0xffc0) === 0xfe80
  const kept = isLinkLocal ? groups : groups.slice(0, 4)
  return kept.map((group) => group.toString(16)).join(':')
}

/** Whether a host name or address is reached from this machine only. */
export function isLoopback(host: string): boolean {
  const block = addressBlock(host)
  if (isIPv4(block)) return block.startsWith('127.')
  return host === 'localhost' || (isIPv6(host) && groupsOf(host).join() === '0,0,0,0,0,0,0,1')
}
