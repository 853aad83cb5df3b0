import type { Found } from '@usmp/discovery'

const HEAD = ['ROLE', 'SITE', 'JOIN', 'NAME', 'WHERE', 'SEEN']

/** What was found, a row for each peer and a line more for each further way to it. */
export function table(found: readonly Found[], now: number): string {
  const rows = [HEAD, ...[...found].sort(byPlace).flatMap((peer) => rowsOf(peer, now))]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** One peer in a line. */
export function line(found: Found, now: number): string {
  const { role, site, instance, joinOpen } = found
  const name = [role, site || '', instance].filter(Boolean).join(' ')
  return `${name} at ${waysTo(found).join(', ')}${joinOpen ? ', join window open' : ''}, ${seen(found, now)}`
}

/** The same for programs. */
export function fields({ role, instance, site, joinOpen, carriers, path, deviceId, ...where }: Found) {
  return {
    role,
    instance,
    site,
    join_open: joinOpen,
    carriers,
    path,
    ...(deviceId ? { device_id: deviceId } : {}),
    addresses: where.addresses.map(({ address, interface: iface }) => ({
      address,
      ...(iface ? { interface: iface } : {}),
    })),
    urls: where.urls,
    by: where.by,
    last_seen: new Date(where.lastSeen).toISOString(),
  }
}

function rowsOf(found: Found, now: number): string[][] {
  const { role, site, joinOpen, instance } = found
  const [first = '', ...more] = waysTo(found)
  const join = role === 'gateway' ? (joinOpen ? 'open' : 'closed') : ''
  return [[role, site, join, instance, first, seen(found, now)], ...more.map((way) => ['', '', '', '', way, ''])]
}

/** Addresses to connect to; a broker is named, as more is needed to use it. Who takes no sessions has its addresses alone. */
function waysTo({ urls, carriers, addresses, deviceId }: Found): string[] {
  const broker = carriers.find(({ kind }) => kind === 'mqtt')
  const ways = [
    ...urls,
    ...(broker ? addresses.map(({ address }) => `MQTT broker ${hostPort(address, broker.port)}`) : []),
  ]
  const listed = ways.length > 0 ? ways : addresses.map(({ address }) => address)
  return deviceId ? [`device id ${deviceId}`, ...listed] : listed
}

function hostPort(address: string, port: number): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}

function seen({ lastSeen, by }: Found, now: number): string {
  const names = by.map((way) => (way === 'mdns' ? 'mDNS' : 'UDP')).join(' and ')
  return `seen ${Math.max(0, (now - lastSeen) / 1000).toFixed(0)} s ago by ${names}`
}

function byPlace(a: Found, b: Found): number {
  const key = ({ role, site, instance }: Found) => `${role === 'gateway' ? 0 : 1} ${site} ${instance}`
  return key(a) < key(b) ? -1 : 1
}
