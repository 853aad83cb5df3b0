import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Found } from '../src/found.ts'
import type { AnnounceOptions } from '../src/options.ts'
import type { Tried } from '../src/search-report.ts'
import { buildHostProgram, type Host, type HostRun, Lan } from './lan.ts'

const FOREIGN = fileURLToPath(new URL('./foreign-mdns.py', import.meta.url))
/** Debian's, which has python-zeroconf. */
const PYTHON = '/usr/bin/python3'

/** Answers queries for gateways from an address that it is given. */
const FORGER = `
import socket, sys
inbox, outbox = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
inbox.bind(("", 9001))
outbox.bind((sys.argv[1], 0))
while True:
    query, asker = inbox.recvfrom(128)
    outbox.sendto(b"USMPA\\1" + query[6:14] + bytes.fromhex("0100dead0101 9a02 000000"), asker)
`

beforeAll(buildHostProgram)

/** Two hosts on one switch. */
async function twoHosts(): Promise<{ lan: Lan; a: Host; b: Host }> {
  const lan = await Lan.start()
  const [a, b] = [await lan.host(), await lan.host()]
  a.plug(lan, 'eth0', '10.77.0.1/24')
  b.plug(lan, 'eth0', '10.77.0.2/24')
  return { lan, a, b }
}

async function gatewayOn(host: Host, more: Partial<AnnounceOptions> = {}): Promise<HostRun & { instance: string }> {
  const options = {
    role: 'gateway',
    site: 'home',
    carriers: [{ kind: 'tcp', port: 9000 }],
    followInterval: 100,
    ...more,
  }
  const run = host.run({ announce: options })
  const { instance, warnings } = await run.says((line) => line as unknown as { instance: string; warnings: string[] })
  expect(warnings).toEqual([])
  return Object.assign(run, { instance })
}

const foundIn = ({ found }: Record<string, never>) => found as Found | undefined
const triedIn = ({ tried }: Record<string, never>) => tried as Tried | undefined
const ipv4 = ({ addresses }: Found) =>
  addresses.map(({ address }) => address).filter((address) => !address.includes(':'))

describe('two hosts on one network', () => {
  test.each([
    ['mdns', { udp: false }],
    ['udp', { mdns: false }],
  ] as const)('find each other by %s', async (way, only) => {
    const { a, b } = await twoHosts()
    const { instance } = await gatewayOn(a)
    const found = await b.run({ discover: { timeout: 0, ...only } }).says(foundIn)
    expect(found).toMatchObject({ instance, site: 'home', by: [way] })
    expect(ipv4(found)).toEqual(['10.77.0.1'])
    expect(found.urls[0]).toBe('usmp://10.77.0.1:9000')
  })

  test('without multicasts by broadcasts; without both by the name of the host alone', async () => {
    const { lan, a, b } = await twoHosts()
    await gatewayOn(a)
    lan.floods({ multicasts: false, broadcasts: true })
    const search = { timeout: 0, interval: 300 }
    expect((await b.run({ discover: search }).says(foundIn)).by).toEqual(['udp'])
    // They know each other's hardware addresses by now, as hosts behind a router would not need to.
    lan.floods({ multicasts: false, broadcasts: false })
    const nothing = b.run({ discover: { timeout: 600 } })
    const tried = await nothing.says(triedIn)
    expect(nothing.lines.some(foundIn)).toBe(false)
    expect(tried.networks.find(({ cidr }) => cidr === '10.77.0.2/24')).toMatchObject({ interface: 'eth0' })
    expect(tried.networks[0]!.udp).toBeGreaterThan(1)
    const asked = await b.run({ discover: { ...search, hosts: ['10.77.0.1'] } }).says(foundIn)
    expect(asked).toMatchObject({ site: 'home', by: ['udp'] })
  })

  test('an answer to all does not come from the Internet', async () => {
    const { a, b } = await twoHosts()
    a.ip('addr', 'add', '203.0.113.9/32', 'dev', 'eth0')
    a.spawn('python3', '-c', FORGER, '203.0.113.9')
    const search = b.run({ discover: { timeout: 1_200 } })
    expect((await search.says(triedIn)).ignored).toBeGreaterThan(0)
    expect(search.lines.some(foundIn)).toBe(false)
  })

  test('without IPv4 by their link-local addresses, which have the zone of the one who asks', async () => {
    const lan = await Lan.start()
    const [a, b] = [await lan.host(), await lan.host()]
    for (const host of [a, b]) host.plug(lan, 'lan0')
    await gatewayOn(a)
    const search = b.run({ discover: { timeout: 0, interval: 300 } })
    const found = await search.says((line) => foundIn(line)?.by.length === 2 && foundIn(line))
    expect(found.urls[0]).toMatch(/^usmp:\/\/\[fe80::[0-9a-f:]+%lan0\]:9000$/)
  })

  test('a gateway that loses its power is stale, and gone after two rounds', async () => {
    const { a, b } = await twoHosts()
    const gateway = await gatewayOn(a)
    const search = b.run({ discover: { timeout: 0, interval: 300 } })
    await search.says(foundIn)
    gateway.child.kill('SIGKILL')
    expect(await search.says((line) => foundIn(line)?.gone && foundIn(line))).toMatchObject({
      instance: gateway.instance,
    })
  })

  test('a gateway that says goodbye is gone by mDNS at once', async () => {
    const { a, b } = await twoHosts()
    const gateway = await gatewayOn(a)
    const search = b.run({ discover: { timeout: 0, udp: false, interval: 3_600_000 } })
    await search.says(foundIn)
    await gateway.stop()
    expect(await search.says((line) => foundIn(line)?.gone)).toBe(true)
  })

  test('a gateway whose address changes is found at the new one', async () => {
    const { a, b } = await twoHosts()
    const { instance } = await gatewayOn(a)
    const search = b.run({ discover: { timeout: 0, interval: 300 } })
    await search.says(foundIn)
    a.ip('addr', 'add', '10.77.0.9/24', 'brd', '+', 'dev', 'eth0')
    a.ip('addr', 'del', '10.77.0.1/24', 'dev', 'eth0')
    // The first address takes others of its network with it.
    a.ip('addr', 'replace', '10.77.0.9/24', 'brd', '+', 'dev', 'eth0')
    const moved = await search.says((line) => {
      const found = foundIn(line)
      return found && !found.gone && ipv4(found).join() === '10.77.0.9' && found
    })
    expect(moved).toMatchObject({ instance, gone: false })
  })
})

describe('a gateway in two networks', () => {
  test('is announced only where it listens, with its address there', async () => {
    const lan = await Lan.start()
    const guests = lan.another()
    const [a, b, guest] = [await lan.host(), await lan.host(), await lan.host()]
    a.plug(lan, 'eth0', '10.77.0.1/24')
    a.plug(guests, 'eth1', '10.88.0.1/24')
    b.plug(lan, 'eth0', '10.77.0.2/24')
    guest.plug(guests, 'eth0', '10.88.0.2/24')
    const tcp = { kind: 'tcp', port: 9000, host: '10.77.0.1' } as const
    await gatewayOn(a, { carriers: [tcp] })
    const found = await b.run({ discover: { timeout: 0 } }).says(foundIn)
    expect(found.addresses.map(({ address }) => address)).toEqual(['10.77.0.1'])
    const nothing = guest.run({ discover: { timeout: 1_200, hosts: ['10.88.0.1'] } })
    await nothing.says(triedIn)
    expect(nothing.lines.some(foundIn)).toBe(false)
  })

  test('has no addresses but those that it listens on, also where they are public ones', async () => {
    const lan = await Lan.start()
    const [a, b] = [await lan.host(), await lan.host()]
    a.plug(lan, 'eth0', '192.0.2.1/24')
    b.plug(lan, 'eth0', '192.0.2.2/24')
    await gatewayOn(a, { carriers: [{ kind: 'tcp', port: 9000, host: '0.0.0.0' }] })
    const search = b.run({ discover: { timeout: 2_500, interval: 300 } })
    await search.says(triedIn)
    const all = search.lines.flatMap((line) => foundIn(line) ?? [])
    expect(all.length).toBeGreaterThan(0)
    expect(new Set(all.flatMap(({ urls }) => urls))).toEqual(new Set(['usmp://192.0.2.1:9000']))
  })

  test('is found behind a router by its name alone, with what does not listen on loopback only', async () => {
    const lan = await Lan.start()
    const guests = lan.another()
    const [a, router, guest] = [await lan.host(), await lan.host(), await lan.host()]
    a.plug(lan, 'eth0', '10.77.0.1/24')
    router.plug(lan, 'eth0', '10.77.0.254/24')
    router.plug(guests, 'eth1', '10.88.0.254/24')
    guest.plug(guests, 'eth0', '10.88.0.2/24')
    router.execute('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
    a.ip('route', 'add', 'default', 'via', '10.77.0.254')
    guest.ip('route', 'add', 'default', 'via', '10.88.0.254')
    const carriers = [
      { kind: 'tcp', port: 9000 },
      { kind: 'udp', port: 9000, host: '127.0.0.1' },
    ] as const
    await gatewayOn(a, { carriers })
    const found = await guest.run({ discover: { timeout: 0, interval: 300, hosts: ['10.77.0.1'] } }).says(foundIn)
    expect(found).toMatchObject({
      by: ['udp'],
      carriers: [{ kind: 'tcp', port: 9000 }],
      urls: ['usmp://10.77.0.1:9000'],
    })
    expect(found.addresses[0]!.interface).toBeUndefined()
  })

  test('is not found by who asks on the wrong interface', async () => {
    const lan = await Lan.start()
    const guests = lan.another()
    const [a, b] = [await lan.host(), await lan.host()]
    a.plug(lan, 'eth0', '10.77.0.1/24')
    b.plug(lan, 'eth0', '10.77.0.2/24')
    b.plug(guests, 'eth1', '10.88.0.2/24')
    await gatewayOn(a)
    const wrong = b.run({ discover: { timeout: 700, interfaces: ['eth1'] } })
    expect((await wrong.says(triedIn)).networks.every(({ interface: name }) => name === 'eth1')).toBe(true)
    expect(wrong.lines.some(foundIn)).toBe(false)
    const right = b.run({ discover: { timeout: 0, interfaces: ['eth0'] } })
    expect(await right.says(foundIn)).toMatchObject({ site: 'home' })
  })
})

describe('python-zeroconf', () => {
  test('sees what we announce, and that it ends', async () => {
    const { a, b } = await twoHosts()
    const carriers = [
      { kind: 'tcp', port: 9000 },
      { kind: 'ws', port: 8080 },
    ] as const
    const browser = b.spawn(PYTHON, FOREIGN, 'browse', '30')
    const gateway = await gatewayOn(a, { carriers, path: '/usmp', joinOpen: true })
    const name = `usmp-${gateway.instance}._usmp._tcp.local.`
    expect(await browser.says((line) => (line as { state?: string }).state === 'Added' && line)).toEqual({
      state: 'Added',
      type: '_usmp._tcp.local.',
      name,
      addresses: ['10.77.0.1'],
      port: 9000,
      server: `usmp-${gateway.instance}.local.`,
      txt: { v: '2', r: 'g', n: gateway.instance, s: 'home', t: 'tcp:9000,ws:8080', j: '1', w: '/usmp' },
    })
    await gateway.stop()
    expect(await browser.says((line) => (line as { state?: string }).state === 'Removed' && line)).toMatchObject({
      name,
    })
  })

  test('is seen by us, and when it ends', async () => {
    const { a, b } = await twoHosts()
    const service = ['_usmp-device._udp.local.', 'usmp-1a2b', '10.77.0.1', '9000', 'v=2', 'r=d', 'n=1a2b', 't=udp']
    const device = a.spawn(PYTHON, FOREIGN, 'announce', ...service)
    await device.says((line) => line.registered)
    const search = b.run({ discover: { timeout: 0, roles: ['device'], udp: false } })
    const found = await search.says(foundIn)
    expect(found).toMatchObject({ role: 'device', instance: '1a2b', urls: ['usmp+udp://10.77.0.1:9000'], by: ['mdns'] })
    await device.stop()
    expect(await search.says((line) => foundIn(line)?.gone)).toBe(true)
  })
})
