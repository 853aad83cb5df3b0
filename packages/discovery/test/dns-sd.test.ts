import { decode, encode, type Packet } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { answersTo, goodbyeOf, hostName, recordsOf, sightingsIn, typesOf } from '../src/dns-sd.ts'
import { type Facts, factsKey } from '../src/facts.ts'
import { anyFacts } from './arbitraries.ts'

const GATEWAY: Facts = {
  role: 'gateway',
  instance: '8f3a',
  joinOpen: false,
  carriers: [
    { kind: 'tcp', port: 9000 },
    { kind: 'udp', port: 9001 },
  ],
  site: 'home',
  path: '',
}
const TYPES = [...typesOf('gateway'), ...typesOf('device')]
const records = recordsOf(GATEWAY, ['10.0.0.1', 'fe80::1'])
const ask = (name: string, type: string, known: Packet['answers'] = []) =>
  answersTo({ questions: [{ name, type: type as 'PTR' }], answers: known }, records)
/** As it comes over the network. */
const sent = (packet: Packet) => decode(encode(packet))

describe('records', () => {
  test('say the facts, and are understood from the packet', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const { seen, gone, incomplete } = sightingsIn(
          sent({ type: 'response', answers: recordsOf(facts, ['10.0.0.1', 'fe80::1']) }),
          TYPES,
        )
        // A gateway without any way has nothing to announce.
        if (facts.role === 'gateway' && facts.carriers.length === 0) {
          expect(seen).toEqual([])
          return
        }
        expect(new Set(seen.map(({ facts }) => factsKey(facts)))).toEqual(new Set([factsKey(facts)]))
        for (const { addresses } of seen) expect(addresses).toEqual(['10.0.0.1', 'fe80::1'])
        expect([gone, incomplete]).toEqual([[], []])
      }),
    )
  })

  test('have the ports of the services, and no name of the machine', () => {
    const text = JSON.stringify(records)
    expect(records.filter(({ type }) => type === 'SRV')).toMatchObject([
      { name: 'usmp-8f3a._usmp._tcp.local', data: { port: 9000, target: hostName('8f3a') } },
      { name: 'usmp-8f3a._usmp._udp.local', data: { port: 9001, target: hostName('8f3a') } },
    ])
    expect(text).not.toContain(process.env.HOSTNAME || 'no host name')
    const ws = recordsOf(
      {
        ...GATEWAY,
        carriers: [
          { kind: 'mqtt', port: 1883 },
          { kind: 'wss', port: 443 },
        ],
      },
      [],
    )
    expect(ws.filter(({ type }) => type === 'SRV')).toMatchObject([
      { name: 'usmp-8f3a._usmp._tcp.local', data: { port: 443 } },
    ])
    const device = recordsOf({ ...GATEWAY, role: 'device', site: '', carriers: [] }, [])
    expect(device.filter(({ type }) => type === 'SRV')).toMatchObject([{ data: { port: 9 } }])
  })

  test('of a goodbye tell that the instance is gone, and keep the list of types', () => {
    const goodbye = goodbyeOf(records)
    expect(sightingsIn(sent({ type: 'response', answers: goodbye }), TYPES)).toEqual({
      seen: [],
      gone: ['8f3a'],
      incomplete: [],
    })
    expect(goodbye.some(({ name }) => name === '_services._dns-sd._udp.local')).toBe(false)
  })

  test('that name a service only are asked for', () => {
    const { seen, incomplete } = sightingsIn(sent({ type: 'response', answers: records.slice(0, 1) }), TYPES)
    expect([seen, incomplete]).toEqual([[], ['usmp-8f3a._usmp._tcp.local']])
  })
})

describe('a query', () => {
  test('for a service gets its name, and all that goes with it', () => {
    const { answers, additionals } = ask('_USMP._tcp.LOCAL', 'PTR')!
    expect(answers).toMatchObject([{ type: 'PTR', data: 'usmp-8f3a._usmp._tcp.local' }])
    expect(new Set(additionals.map(({ type }) => type))).toEqual(new Set(['PTR', 'SRV', 'TXT', 'A', 'AAAA']))
  })

  test.each([
    ['usmp-8f3a._usmp._tcp.local', 'SRV', ['SRV']],
    ['usmp-8f3a._usmp._udp.local', 'TXT', ['TXT']],
    ['usmp-8f3a._usmp._udp.local', 'ANY', ['SRV', 'TXT']],
    ['usmp-8f3a.local', 'A', ['A']],
    ['usmp-8f3a.local', 'ANY', ['A', 'AAAA']],
    ['_services._dns-sd._udp.local', 'PTR', ['PTR', 'PTR']],
  ])('for %s %s gets %j', (name, type, expected) => {
    expect(ask(name, type)!.answers.map(({ type }) => type)).toEqual(expected)
  })

  test.each([
    ['_http._tcp.local', 'PTR'],
    ['usmp-0000.local', 'A'],
    ['usmp-8f3a.local', 'TXT'],
    ['_usmp-device._udp.local', 'PTR'],
    ['local', 'ANY'],
  ])('for %s %s gets nothing', (name, type) => expect(ask(name, type)).toBeUndefined())

  test('of who knows the answer already gets nothing; one whose answer is half over gets it again', () => {
    const known = (ttl: number) => [
      { type: 'PTR' as const, name: '_usmp._tcp.local', ttl, data: 'usmp-8f3a._usmp._tcp.local' },
    ]
    expect(ask('_usmp._tcp.local', 'PTR', known(4_000))).toBeUndefined()
    expect(ask('_usmp._tcp.local', 'PTR', known(2_000))).toBeDefined()
    const other = [{ ...known(4_000)[0]!, data: 'usmp-0000._usmp._tcp.local' }]
    expect(ask('_usmp._tcp.local', 'PTR', other)).toBeDefined()
  })
})
