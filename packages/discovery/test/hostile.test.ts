import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer as DnsRecord, decode, encode, type Packet } from 'dns-packet'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { announce } from '../src/announce.ts'
import { discover } from '../src/discover.ts'
import { goodbyeOf, recordsOf } from '../src/dns-sd.ts'
import type { Facts } from '../src/facts.ts'
import { type Found, MAX_PER_SOURCE } from '../src/found.ts'
import { read } from '../src/mdns-link.ts'
import { decodeAnswer, decodeQuery, encodeAnswer, encodeQuery, QUERY_SIZE } from '../src/query.ts'
import { gatewayAt, LOOPBACK, ownPlace, searchUntil } from './place.ts'

const GATEWAY: Facts = {
  role: 'gateway',
  instance: 'dead',
  joinOpen: false,
  carriers: [{ kind: 'tcp', port: 666 }],
  site: 'home',
  path: '',
}
const nth = (n: number) => n.toString(16).padStart(4, '0')

/** A socket of a stranger. */
async function socketAt(port: number, address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  socket.bind(port, address)
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return socket
}

/** Answers each query with whatever it is told to. */
async function stranger(port: number, answers: (nonce: Uint8Array) => readonly Uint8Array[], address = '127.0.0.66') {
  const socket = await socketAt(port, address)
  socket.on('message', (bytes, from) => {
    const query = decodeQuery(bytes)
    for (const answer of query ? answers(query.nonce) : []) socket.send(answer, from.port, from.address)
  })
}

describe('a search', () => {
  /** Asks the stranger alone: a socket that is bound to one address hears no broadcasts. */
  const place = async () => ({ ...(await ownPlace()), hosts: ['127.0.0.66'] })

  test('ignores answers of another round, malformed ones, and roles that were not asked for', async () => {
    const at = await place()
    const device: Facts = { ...GATEWAY, role: 'device', site: '' }
    await stranger(at.port, (nonce) => [
      encodeAnswer({ ...GATEWAY, nonce: nonce.map((byte) => byte ^ 1) }),
      encodeAnswer({ ...GATEWAY, nonce }).subarray(0, -1),
      Buffer.concat([encodeAnswer({ ...GATEWAY, nonce }), Buffer.alloc(200)]),
      encodeAnswer({ ...device, nonce }),
      encodeQuery({ nonce, roles: ['gateway'] }),
      new Uint8Array(0),
      encodeAnswer({ ...GATEWAY, nonce, instance: '600d' }),
    ])
    const search = discover({ ...at, timeout: 600 })
    const found: Found[] = []
    for await (const one of search) found.push(one)
    expect(found).toMatchObject([{ instance: '600d', addresses: [{ address: '127.0.0.66' }] }])
    expect(search.tried.ignored).toBeGreaterThanOrEqual(6)
  })

  test('keeps its memory and the real gateway in a flood of answers', async () => {
    const at = await ownPlace()
    await using gateway = await gatewayAt(at)
    const flood = { ...at, hosts: ['127.0.0.66'] }
    await stranger(at.port, (nonce) =>
      Array.from({ length: 300 }, (_, n) => encodeAnswer({ ...GATEWAY, nonce, instance: nth(n) })),
    )
    const search = discover({ ...flood, timeout: 0 })
    for await (const _ of search) {
      if (search.tried.dropped > 0 && search.found.some(({ instance }) => instance === gateway.instance)) break
    }
    expect(search.found.length).toBeLessThanOrEqual(MAX_PER_SOURCE + 1)
  })

  test('keeps a spoofed site beside the real one', async () => {
    const at = await ownPlace()
    await using gateway = await gatewayAt(at)
    await stranger(at.port, (nonce) => [encodeAnswer({ ...GATEWAY, nonce, instance: gateway.instance })])
    const found = await searchUntil({ ...at, hosts: ['127.0.0.66'] }, (all) => all.length === 2)
    expect(found.map(({ urls }) => urls[0]).sort()).toEqual(['usmp://127.0.0.1:9000', 'usmp://127.0.0.66:666'])
  })
})

describe('a search by mDNS', () => {
  /** Speaks mDNS as anybody of the network can. */
  async function speaker(port: number, from = port, address = '127.0.0.66') {
    const socket = await socketAt(from, address)
    socket.setMulticastInterface('127.0.0.1')
    return (answers: DnsRecord[], more: Partial<Packet> = {}) =>
      socket.send(encode({ type: 'response', answers, ...more }), port, '224.0.0.251')
  }

  test('takes no addresses of the Internet, no other names, and nothing from another port', async () => {
    const at = { ...(await ownPlace()), udp: false }
    const say = await speaker(at.mdnsPort)
    const sayElsewhere = await speaker(at.mdnsPort, 0)
    const found: Found[] = []
    const search = discover({ ...at, timeout: 800 })
    const talk = setInterval(() => {
      sayElsewhere(recordsOf({ ...GATEWAY, instance: '0bad' }, ['127.0.0.66']))
      say(
        recordsOf({ ...GATEWAY, instance: '1bad' }, ['127.0.0.66']).map(
          (record) => ({ ...record, name: record.name.replace('1bad', '2bad') }) as DnsRecord,
        ),
      )
      say(recordsOf(GATEWAY, ['8.8.8.8', '127.0.0.66', '224.0.0.1']))
    }, 50)
    for await (const one of search) found.push(one)
    clearInterval(talk)
    expect(found).toMatchObject([{ instance: 'dead' }])
    expect(found[0]!.addresses.map(({ address }) => address)).toEqual(['127.0.0.66'])
  })

  test('finds nothing at our own loopback, however that is written', async () => {
    const at = await ownPlace()
    const say = await speaker(at.mdnsPort)
    const search = discover({ ...at, udp: false, timeout: 500 })
    const talk = setInterval(() => say(recordsOf(GATEWAY, ['::ffff:7f00:1', '127.0.0.66'])), 50)
    for await (const _ of search);
    clearInterval(talk)
    expect(search.found.flatMap(({ urls }) => urls)).toEqual(['usmp://127.0.0.66:666'])
  })

  test('keeps no news of who came and went while nobody looked', async () => {
    const at = { ...(await ownPlace()), udp: false }
    const say = await speaker(at.mdnsPort)
    const search = discover({ ...at, timeout: 1_500 })
    const events = search[Symbol.asyncIterator]()
    const talk = setInterval(() => say(recordsOf(GATEWAY, ['127.0.0.66'])), 50)
    expect((await events.next()).value).toMatchObject({ instance: 'dead', gone: false })
    clearInterval(talk)
    for (let n = 0; n < 100; n++) {
      const records = recordsOf({ ...GATEWAY, instance: nth(n) }, ['127.0.0.66'])
      say(records)
      say(goodbyeOf(records))
      await sleep(2)
    }
    say(goodbyeOf(recordsOf(GATEWAY, ['127.0.0.66'])))
    await sleep(100)
    const rest: Found[] = []
    for (let next = await events.next(); !next.done; next = await events.next()) rest.push(next.value)
    expect(rest).toMatchObject([{ instance: 'dead', gone: true }])
  })

  test('forgets nobody by the goodbye of a stranger', async () => {
    const at = { ...(await ownPlace()), udp: false }
    await using gateway = await gatewayAt(at, { udp: true })
    const say = await speaker(at.mdnsPort)
    const records = recordsOf({ ...GATEWAY, instance: gateway.instance, carriers: [{ kind: 'tcp', port: 9000 }] }, [])
    const search = discover({ ...at, timeout: 0 })
    for await (const one of search) {
      expect(one).toMatchObject({ instance: gateway.instance, gone: false })
      for (let n = 0; n < 5; n++) say(goodbyeOf(records))
      await sleep(200)
      break
    }
    expect(search.found).toMatchObject([{ instance: gateway.instance }])
  })
})

describe('a gateway that announces itself', () => {
  /** Collects what comes back to a socket. */
  function heard(socket: Socket): Buffer[] {
    const all: Buffer[] = []
    socket.on('message', (bytes) => all.push(bytes))
    return all
  }

  test('answers queries only, with fewer bytes, and no more than five times a second', async () => {
    const at = await ownPlace()
    await using gateway = await gatewayAt(at, { mdns: false })
    const socket = await socketAt(0)
    const answers = heard(socket)
    const nonce = new Uint8Array(8).fill(9)
    const query = encodeQuery({ nonce, roles: ['gateway'] })
    const noise = [
      query.subarray(1),
      Buffer.concat([query, query]),
      encodeQuery({ nonce, roles: ['device'] }),
      Buffer.alloc(128),
    ]
    for (const bytes of noise) socket.send(bytes, at.port, '127.0.0.1')
    await sleep(100)
    expect(answers).toEqual([])
    const begun = performance.now()
    for (let n = 0; n < 200; n++) socket.send(query, at.port, '127.0.0.1')
    while (answers.length === 0) await sleep(10)
    await sleep(300)
    const seconds = (performance.now() - begun) / 1000
    expect(answers.length).toBeLessThanOrEqual(5 + 5 * seconds + 1)
    for (const answer of answers) {
      expect(answer.length).toBeLessThan(QUERY_SIZE)
      expect(decodeAnswer(answer)).toMatchObject({ nonce, instance: gateway.instance })
    }
  })

  test('answers also when the clock of its machine was set back', async () => {
    const at = await ownPlace()
    await using gateway = await gatewayAt(at)
    const before = Date.now() - 3_600_000
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => before)
    onTestFinished(() => clock.mockRestore())
    const search = discover({ ...at, timeout: 600 })
    for await (const _ of search);
    expect(search.found).toMatchObject([{ instance: gateway.instance, by: ['mdns', 'udp'] }])
  })

  test('multicasts no more than a little, however often it is asked', async () => {
    const at = await ownPlace()
    await using _ = await gatewayAt(at, { udp: false })
    const listener = createSocket({ type: 'udp4', reuseAddr: true }).bind(at.mdnsPort)
    await once(listener, 'listening')
    onTestFinished(() => void listener.close())
    listener.addMembership('224.0.0.251', '127.0.0.1')
    const packets = heard(listener)
    const asker = await socketAt(at.mdnsPort)
    asker.setMulticastInterface('127.0.0.1')
    const question = encode({ type: 'query', questions: [{ name: '_usmp._tcp.local', type: 'PTR' }] })
    const begun = performance.now()
    for (let n = 0; n < 100; n++) {
      asker.send(question, at.mdnsPort, '224.0.0.251')
      await sleep(5)
    }
    const responses = () => packets.map((bytes) => decode(bytes)).filter(({ type }) => type === 'response')
    while (responses().length === 0) await sleep(10)
    const seconds = (performance.now() - begun) / 1000
    // The announcement and its repetition come by themselves.
    expect(responses().length).toBeLessThanOrEqual(2 + 3 + seconds + 1)
  })

  test('answers a resolver that does not speak mDNS in its own way', async () => {
    const at = await ownPlace()
    await using gateway = await gatewayAt(at, { udp: false })
    const socket = await socketAt(0)
    socket.setMulticastInterface('127.0.0.1')
    const questions = [{ name: `usmp-${gateway.instance}._usmp._tcp.local`, type: 'SRV' as const }]
    socket.send(encode({ type: 'query', id: 4711, questions }), at.mdnsPort, '224.0.0.251')
    const [bytes] = (await once(socket, 'message')) as [Buffer]
    const { id, answers = [] } = decode(bytes)
    expect(id).toBe(4711)
    expect(answers[0]).toMatchObject({ type: 'SRV', ttl: 10, flush: false, data: { port: 9000 } })
  })

  test('lives with questions that cannot be repeated, and answers the next', async () => {
    const at = await ownPlace()
    await using gateway = await gatewayAt(at, { udp: false })
    const socket = await socketAt(0)
    socket.setMulticastInterface('127.0.0.1')
    const name = `usmp-${gateway.instance}.local`
    // The class with the bit for unicast, a type that nobody has, a class that nobody has, a label with a point in it.
    const questions: [string, number, number][] = [
      [name, 1, 0x8001],
      [name, 0xfff0, 1],
      [name, 255, 0xffff],
      ['a.b', 255, 1],
    ]
    for (let n = 0; n < questions.length; n++) {
      const rotated = [...questions.slice(n), ...questions.slice(0, n)]
      const parts = rotated.map(([text, type, cls]) => {
        const labels = text === 'a.b' ? [text] : text.split('.')
        const end = Buffer.alloc(5)
        end.writeUInt16BE(type, 1)
        end.writeUInt16BE(cls, 3)
        return Buffer.concat([...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])), end])
      })
      socket.send(
        Buffer.from([0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, ...Buffer.concat(parts)]),
        at.mdnsPort,
        '224.0.0.251',
      )
    }
    const [bytes] = (await once(socket, 'message')) as [Buffer]
    expect(decode(bytes).answers![0]).toMatchObject({ type: 'A', data: '127.0.0.1' })
    expect((await searchUntil({ ...at, udp: false }, (all) => all.length > 0))[0]).toMatchObject({
      instance: gateway.instance,
    })
  })

  test('takes another name if a stranger has its own, but not for ever', async () => {
    const at = await ownPlace()
    await using gateway = await announce({ ...at, role: 'gateway', site: 'home', carriers: [{ kind: 'tcp', port: 1 }] })
    const socket = await socketAt(at.mdnsPort, '127.0.0.66')
    socket.setMulticastInterface('127.0.0.1')
    const names = new Set<string>()
    for (let n = 0; n < 40 && names.size < 10; n++) {
      names.add(gateway.instance)
      const name = `usmp-${gateway.instance}.local`
      const answers = [{ type: 'A' as const, name, ttl: 120, data: '127.0.0.66' }]
      socket.send(encode({ type: 'response', answers }), at.mdnsPort, '224.0.0.251')
      await sleep(20)
    }
    expect(names.size).toBeGreaterThan(1)
    expect(names.size).toBeLessThanOrEqual(6)
  })

  test('does not read packets with more entries than a host of this network has', () => {
    // Questions for a name of 126 labels, each by a pointer.
    const packet = (count: number) => {
      const name = Buffer.from([...Array.from({ length: 126 }, () => [1, 97]).flat(), 0, 0, 255, 0, 1])
      const head = Buffer.from([0, 0, 0, 0, (count + 1) >> 8, (count + 1) & 0xff, 0, 0, 0, 0, 0, 0])
      return Buffer.concat([head, name, ...Array.from({ length: count }, () => Buffer.from([0xc0, 12, 0, 255, 0, 1]))])
    }
    expect(read(packet(255))?.questions).toHaveLength(256)
    expect(read(packet(256))).toBeUndefined()
    expect(read(new Uint8Array(11))).toBeUndefined()
  })

  test('lives with bytes that are no DNS message', async () => {
    const at = await ownPlace()
    await using gateway = await gatewayAt(at)
    const socket = await socketAt(0)
    socket.setMulticastInterface('127.0.0.1')
    for (let n = 0; n < 64; n++) {
      const noise = Buffer.from(Array.from({ length: n * 7 }, (_, at) => (at * 31 + n * 17) & 0xff))
      socket.send(noise, at.mdnsPort, '224.0.0.251')
      socket.send(noise, at.port, '127.0.0.1')
    }
    const [found] = await searchUntil(at, (all) => all.some(({ by }) => by.length === 2))
    expect(found).toMatchObject({ instance: gateway.instance, addresses: [{ interface: LOOPBACK }] })
  })

  test('says which port another program has, and goes on by the other way', async () => {
    const at = await ownPlace()
    const owner = createSocket({ type: 'udp4' }).bind(at.mdnsPort)
    await once(owner, 'listening')
    onTestFinished(() => void owner.close())
    const warnings: string[] = []
    await using _ = await gatewayAt(at, { onWarning: (message) => warnings.push(message) })
    expect(warnings).toEqual([
      `mDNS on ${LOOPBACK}, UDP port ${at.mdnsPort}: another program has this port and does not share it`,
    ])
    const search = discover({ ...at, timeout: 500 })
    const found: Found[] = []
    for await (const one of search) found.push(one)
    expect(found).toMatchObject([{ by: ['udp'] }])
    expect(search.tried.faults).toMatchObject([{ reason: 'another program has this port and does not share it' }])
  })
})
