import type { NetworkInterfaceInfo } from 'node:os'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AnnouncementFacts } from '../src/announcement-facts.ts'
import { broadcastOf, contains, isCloseBy, listensAt, type Network, networksOf } from '../src/networks.ts'
import { whyNothing } from '../src/why-nothing.ts'

const info = (cidr: string, internal = false): NetworkInterfaceInfo =>
  ({
    address: cidr.split('/')[0]!,
    cidr,
    internal,
    family: cidr.includes(':') ? 'IPv6' : 'IPv4',
    netmask: '',
    mac: '',
  }) as NetworkInterfaceInfo
const network = (name: string, cidr: string): Network => networksOf({ [name]: [info(cidr)] })[0]!

test('internal interfaces have to be named', () => {
  const table = { lo: [info('127.0.0.1/8', true)], eth0: [info('192.168.1.5/24')], wlan0: [info('10.0.0.5/8')] }
  expect(networksOf(table).map(({ name }) => name)).toEqual(['eth0', 'wlan0'])
  expect(networksOf(table, ['lo', 'wlan0']).map(({ name }) => name)).toEqual(['lo', 'wlan0'])
})

test.each([
  ['192.168.1.5/24', '192.168.1.255'],
  ['10.1.2.3/8', '10.255.255.255'],
  ['172.16.5.9/20', '172.16.15.255'],
  ['192.168.1.5/30', '192.168.1.7'],
  ['192.168.1.5/31', undefined],
  ['192.168.1.5/32', undefined],
  ['fe80::1/64', undefined],
])('the broadcast address of %s is %s', (cidr, expected) => {
  expect(broadcastOf(network('eth0', cidr))).toBe(expected)
})

test('a broadcast address is in its network, and not one above it', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 1, max: 30 }), (address, prefix) => {
      const own = network('eth0', `${address}/${prefix}`)
      const broadcast = broadcastOf(own)!
      expect(contains(own, broadcast)).toBe(true)
      expect(contains(network('eth0', `${address}/${prefix + 1}`), broadcast)).toBe(
        contains(network('eth0', `${broadcast}/${prefix + 1}`), address),
      )
    }),
  )
})

test('a link-local address is of the network of its zone', () => {
  expect(contains(network('eth0', 'fe80::1/64'), 'fe80::2%eth0')).toBe(true)
  expect(contains(network('eth0', 'fe80::1/64'), 'fe80::2%wlan0')).toBe(false)
  expect(contains(network('eth0', '192.168.1.5/24'), 'fe80::2%eth0')).toBe(false)
})

test.each([
  ['192.168.7.1', true],
  ['10.0.0.1', true],
  ['172.31.0.1', true],
  ['172.32.0.1', false],
  ['169.254.1.1', true],
  ['100.64.0.1', true],
  ['8.8.8.8', false],
  ['fd00::1', true],
  ['fe80::1%eth0', true],
  ['2001:db8::1', false],
  // These reach IPv4: our own loopback, too.
  ['::ffff:127.0.0.1', false],
  ['::ffff:7f00:1', false],
  ['::ffff:10.0.0.1', false],
  ['no address', false],
])('%s is near: %s', (address, expected) => {
  expect(isCloseBy(address)).toBe(expected)
})

test('what listens where', () => {
  expect(listensAt('0.0.0.0', '10.0.0.1')).toBe(true)
  expect(listensAt('0.0.0.0', 'fe80::1')).toBe(false)
  expect(listensAt('::', '10.0.0.1')).toBe(true)
  expect(listensAt('10.0.0.1', '10.0.0.2')).toBe(false)
})

test('ways are announced only where they can be reached', () => {
  const facts = new AnnouncementFacts({
    role: 'gateway',
    site: 'home',
    path: '/usmp',
    carriers: [
      { kind: 'udp', port: 2, host: '10.0.0.1' },
      { kind: 'tcp', port: 1, host: '127.0.0.1' },
      { kind: 'ws', port: 3, host: '0.0.0.0' },
    ],
  })
  const kinds = (...addresses: string[]) => facts.at(addresses)?.facts.carriers.map(({ kind }) => kind)
  expect(kinds('10.0.0.1', 'fe80::1')).toEqual(['udp', 'ws'])
  expect(facts.at(['10.0.0.1', 'fe80::1'])?.addresses).toEqual(['10.0.0.1'])
  expect(kinds('192.168.1.1')).toEqual(['ws'])
  expect(kinds('127.0.0.1')).toEqual(['tcp', 'ws'])
  expect(kinds('fe80::1')).toBeUndefined()
  expect(facts.routed?.carriers.map(({ kind }) => kind)).toEqual(['udp', 'ws'])
})

test('a path is told with a WebSocket only, and a device is announced without any way', () => {
  const tcp = new AnnouncementFacts({
    role: 'gateway',
    site: 'home',
    path: '/usmp',
    carriers: [{ kind: 'tcp', port: 1 }],
  })
  expect(tcp.routed?.path).toBe('')
  const device = new AnnouncementFacts({ role: 'device', deviceId: 'AA:BB:CC:DD:EE:FF' })
  expect(device.at(['10.0.0.1'])?.facts).toEqual({
    role: 'device',
    instance: device.instance,
    joinOpen: false,
    carriers: [],
    site: '',
    path: '',
  })
  const open = new AnnouncementFacts({ role: 'device', deviceId: 'AA:BB:CC:DD:EE:FF', announceId: true })
  expect(open.routed?.deviceId).toBe('aabbccddeeff')
})

test('an instance is new at each start', () => {
  const start = () => new AnnouncementFacts({ role: 'device', deviceId: 'aa:bb:cc:dd:ee:ff' }).instance
  const instances = new Set(Array.from({ length: 20 }, start))
  expect(instances.size).toBeGreaterThan(15)
})

test('people are told why nothing may have come', () => {
  const tried = { networks: [], hosts: [], faults: [], ignored: 0, dropped: 0 }
  expect(whyNothing(tried)).toMatchObject({ summary: 'nobody could be asked' })
  const eth0 = { interface: 'eth0', cidr: '172.17.0.2/16', mdns: 3, udp: 3 }
  const container = whyNothing({ ...tried, networks: [eth0], ignored: 7, dropped: 2 })
  expect(container.summary).toBe('asked on eth0 (172.17.0.2/16) 3 times by mDNS and 3 times by UDP')
  expect(container.advice.join('\n')).toMatch(/container.*\n.*--host.*\n7 datagrams.*\n2 answers/)
  const house = whyNothing({ ...tried, networks: [{ ...eth0, cidr: '192.168.1.2/24' }] })
  expect(house.advice.join('\n')).not.toMatch(/container/)
  expect(house.advice[0]).toMatch(/gateway/)
  const devices = whyNothing({ ...tried, networks: [{ ...eth0, cidr: '192.168.1.2/24' }] }, ['device'])
  expect(devices.advice.join('\n')).not.toMatch(/gateway/)
})
