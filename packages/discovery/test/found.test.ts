import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Facts } from '../src/facts.ts'
import { factsKey } from '../src/facts.ts'
import { FoundTable, type Heard, MAX_ADDRESSES, MAX_FOUND, MAX_PER_SOURCE } from '../src/found.ts'
import { anyFacts } from './arbitraries.ts'

const GATEWAY: Facts = {
  role: 'gateway',
  instance: '8f3a',
  joinOpen: false,
  carriers: [
    { kind: 'tcp', port: 9000 },
    { kind: 'udp', port: 9000 },
    { kind: 'ws', port: 8080 },
    { kind: 'mqtt', port: 1883 },
  ],
  site: 'home',
  path: '/usmp',
}
const udp = (source: string): Heard => ({ by: 'udp', source, interface: 'eth0' })
const mdns = (source: string): Heard => ({ by: 'mdns', source, interface: 'eth0' })
const nth = (n: number): Facts => ({ ...GATEWAY, instance: n.toString(16).padStart(4, '0') })

describe('what was found', () => {
  test('is one entry for both ways and all addresses, with the addresses that connect takes', () => {
    const table = new FoundTable()
    table.see(GATEWAY, ['fe80::1%eth0', '10.0.0.1', '2001:db8::1'], mdns('10.0.0.1'), 1_000)
    const found = table.see(GATEWAY, ['10.0.0.1'], udp('10.0.0.1'), 2_000)
    expect(table.all).toEqual([found])
    expect(found).toMatchObject({ by: ['mdns', 'udp'], lastSeen: 2_000, gone: false })
    expect(found!.addresses.map(({ address }) => address)).toEqual(['10.0.0.1', '2001:db8::1', 'fe80::1%eth0'])
    expect(found!.urls).toEqual([
      'usmp://10.0.0.1:9000',
      'usmp://[2001:db8::1]:9000',
      'usmp://[fe80::1%eth0]:9000',
      'ws://10.0.0.1:8080/usmp',
      'ws://[2001:db8::1]:8080/usmp',
      'ws://[fe80::1%eth0]:8080/usmp',
      'usmp+udp://10.0.0.1:9000',
      'usmp+udp://[2001:db8::1]:9000',
      'usmp+udp://[fe80::1%eth0]:9000',
    ])
  })

  test('tells nothing where nothing is new, and the join window as it changes', () => {
    const table = new FoundTable()
    expect(table.see(GATEWAY, ['10.0.0.1'], udp('10.0.0.1'), 1)).toBeDefined()
    expect(table.see(GATEWAY, ['10.0.0.1'], udp('10.0.0.1'), 2)).toBeUndefined()
    expect(table.see({ ...GATEWAY, joinOpen: true }, ['10.0.0.1'], udp('10.0.0.1'), 3)).toMatchObject({
      joinOpen: true,
    })
    expect(table.all).toMatchObject([{ lastSeen: 3 }])
  })

  test('is not moved by a stranger: other facts are another entry', () => {
    const table = new FoundTable()
    table.see(GATEWAY, ['10.0.0.1'], udp('10.0.0.1'), 1)
    table.see({ ...GATEWAY, carriers: [{ kind: 'tcp', port: 666 }] }, ['10.0.0.66'], udp('10.0.0.66'), 2)
    expect(table.all.map(({ urls }) => urls[0])).toEqual(['usmp://10.0.0.1:9000', 'usmp://10.0.0.66:666'])
  })

  test('is not pushed out by a stranger that copies it and tells of many addresses', () => {
    const table = new FoundTable()
    const many = Array.from({ length: 40 }, (_, n) => `10.0.6.${n}`)
    table.see(GATEWAY, many, mdns('10.0.0.66'), 1)
    table.see(GATEWAY, ['10.0.0.1'], mdns('10.0.0.1'), 2)
    const [found] = table.all
    expect(found!.addresses).toHaveLength(MAX_ADDRESSES)
    expect(found!.addresses[1]!.address).toBe('10.0.0.1')
  })

  test('is not removed by the goodbye of a stranger, but by its own', () => {
    const table = new FoundTable()
    table.see(GATEWAY, ['10.0.0.1'], mdns('10.0.0.1'), 1)
    table.see(GATEWAY, ['10.0.0.1'], udp('10.0.0.1'), 1)
    expect(table.goodbye('8f3a', mdns('10.0.0.66'))).toEqual([])
    expect(table.goodbye('8f3a', mdns('10.0.0.1'))).toMatchObject([{ instance: '8f3a', gone: true }])
    expect(table.all).toEqual([])
  })

  test('stays while one way still hears it, and is gone once none does', () => {
    const table = new FoundTable()
    table.see(GATEWAY, ['10.0.0.1'], mdns('10.0.0.1'), 1_000)
    table.see(GATEWAY, ['10.0.0.1'], udp('10.0.0.1'), 5_000)
    expect(table.age(2_000)).toMatchObject([{ gone: false, by: ['udp'] }])
    expect(table.age(5_000)).toEqual([])
    expect(table.age(5_001)).toMatchObject([{ gone: true }])
  })
})

describe('a flood of answers', () => {
  test('from one address fills its share only', () => {
    const table = new FoundTable()
    for (let n = 0; n < 1_000; n++) table.see(nth(n), ['10.0.0.66'], udp('10.0.0.66'), n)
    expect(table.all).toHaveLength(MAX_PER_SOURCE)
    expect(table.dropped).toBe(1_000 - MAX_PER_SOURCE)
    expect(table.see(nth(5_000), ['10.0.0.1'], udp('10.0.0.1'), 2_000)).toMatchObject({ instance: '1388' })
  })

  test('from many addresses fills the table only, and what was there stays', () => {
    const table = new FoundTable()
    table.see(GATEWAY, ['10.0.0.1'], udp('10.0.0.1'), 0)
    for (let n = 0; n < 2_000; n++) table.see(nth(n), ['10.1.0.1'], udp(`10.1.${n >> 8}.${n & 255}`), n)
    expect(table.all).toHaveLength(MAX_FOUND)
    expect(table.all[0]).toMatchObject({ instance: '8f3a' })
  })

  test('of any kind keeps the table within its limits', () => {
    const source = fc.constantFrom('10.0.0.1', '10.0.0.2', 'fe80::1%eth0')
    const heard = fc.record({ by: fc.constantFrom('udp' as const, 'mdns' as const), source })
    const addresses = fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 12 })
    const step = fc.oneof(
      fc.record({ do: fc.constant('see' as const), facts: anyFacts, addresses, heard }),
      fc.record({ do: fc.constant('goodbye' as const), instance: fc.constantFrom('0000', 'ffff'), heard }),
      fc.record({ do: fc.constant('age' as const), oldest: fc.nat(200) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new FoundTable()
        steps.forEach((step, now) => {
          if (step.do === 'see') table.see(step.facts, step.addresses, step.heard, now)
          else if (step.do === 'goodbye') table.goodbye(step.instance, step.heard)
          else table.age(step.oldest)
          if (step.do === 'age') expect(table.all.every(({ lastSeen }) => lastSeen >= step.oldest)).toBe(true)
        })
        const { all } = table
        expect(all.length).toBeLessThanOrEqual(3 * MAX_PER_SOURCE)
        expect(new Set(all.map(factsKey)).size).toBe(all.length)
        for (const { addresses, gone } of all) {
          expect(addresses.length).toBeGreaterThan(0)
          expect(addresses.length).toBeLessThanOrEqual(MAX_ADDRESSES)
          expect(new Set(addresses.map(({ address }) => address)).size).toBe(addresses.length)
          expect(gone).toBe(false)
        }
      }),
      { numRuns: 50 },
    )
  })
})
