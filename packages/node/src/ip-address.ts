import { isIPv4 } from 'node:net'

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
