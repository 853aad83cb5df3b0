import { isIPv4, isIPv6 } from 'node:net'

/** The 4 or 16 bytes of an IP address as Node writes it; a zone (`%eth0`) is left out. */
export function ipBytes(address: string): Uint8Array {
  const text = address.split('%')[0]!
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number)
  const [head = '', tail] = text.split('::')
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const middle = Array.from({ length: 8 - front.length - back.length }, () => 0)
  return Uint8Array.from([...front, ...middle, ...back].flatMap((group) => [group >> 8, group & 0xff]))
}

/** 16-bit groups; the last two may be written as an IPv4 address. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!isIPv4(part)) return [Number.parseInt(part, 16)]
    const [a, b, c, d] = ipBytes(part) as unknown as [number, number, number, number]
    return [(a << 8) | b, (c << 8) | d]
  })
}

/**
 * What counts as one address for limits: an IPv4 address, or the /64 of an IPv6 address, as a single host has a whole one
 * to choose from. Link-local addresses (fe80::/10) count one by one: all hosts of a link share a /64 there.
 */
export function addressBlock(address: string): string {
  // The colon first, as most addresses have none and judging an IPv6 address takes long.
  if (!address.includes(':') || !isIPv6(address)) return address
  const bytes = ipBytes(address)
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  if (isMapped) return bytes.subarray(12).join('.')
  if (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80) return address
  const groups = [0, 2, 4, 6].map((at) => ((bytes[at]! << 8) | bytes[at + 1]!).toString(16))
  return `${groups.join(':')}::/64`
}

/** The address that occurs most often; of equals the first. */
export function mostFrequent(sources: Iterable<string>): string | undefined {
  const counts = new Map<string, number>()
  for (const source of sources) counts.set(source, (counts.get(source) ?? 0) + 1)
  let busiest: string | undefined
  for (const [source, count] of counts) if (count > (counts.get(busiest ?? '') ?? 0)) busiest = source
  return busiest
}
