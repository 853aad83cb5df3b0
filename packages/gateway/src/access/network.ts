/** An IPv6 host has a whole /64 to choose addresses from, so these count as one. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::')) return address
  return `${address.split(':', 4).join(':')}::/64`
}
