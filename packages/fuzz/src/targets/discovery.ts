import {
  type Answer,
  answersTo,
  decodeAnswer,
  decodeQuery,
  decodeTxt,
  encodeAnswer,
  encodePacket,
  encodeQuery,
  encodeTxt,
  FoundTable,
  factsKey,
  legacyAnswer,
  QUERY_SIZE,
  read,
  recordsOf,
  sightingsIn,
} from '@usmp/discovery/internal'
import { Choices, must, type Target } from '../target.js'

const NONCE = new Uint8Array(8).fill(7)
const TYPES = ['_usmp._tcp.local', '_usmp._udp.local', '_usmp-device._udp.local']
const SOURCES = ['10.0.0.1', '10.0.0.2', 'fe80::1%eth0']
const GATEWAY: Answer = {
  nonce: NONCE,
  role: 'gateway',
  instance: '8f3a',
  joinOpen: true,
  carriers: [
    { kind: 'tcp', port: 9000 },
    { kind: 'ws', port: 8080 },
  ],
  site: 'home',
  path: '/usmp',
}
const DEVICE: Answer = { ...GATEWAY, role: 'device', joinOpen: false, site: '', path: '', deviceId: '246f28a1b2c3' }
/** What may reach a terminal or a URL. */
const PLAIN = /^[\x21-\x7e]*$/

/** A datagram is read in one way only. */
function checkDatagram(bytes: Uint8Array): void {
  const query = decodeQuery(bytes)
  if (query) must(Buffer.from(encodeQuery(query)).equals(bytes), 'a query that would be written in another way')
  const answer = decodeAnswer(bytes)
  if (!answer) return
  must(bytes.length < QUERY_SIZE, 'an answer that is longer than a query')
  must(Buffer.from(encodeAnswer(answer)).equals(bytes), 'an answer that would be written in another way')
  must(PLAIN.test(factsKey(answer)), 'a text that a terminal would obey')
}

/** A TXT record says nothing, or what would be understood again. */
function checkTxt(choices: Choices): void {
  const entries: Uint8Array[] = []
  while (choices.left > 0) entries.push(choices.bytes(choices.byte()))
  const facts = decodeTxt(entries, 9000)
  if (!facts) return
  const again = decodeTxt(
    encodeTxt(facts).map((entry) => Buffer.from(entry)),
    1,
  )
  must(again !== undefined && factsKey(again) === factsKey(facts), 'facts that are not understood again')
  must(PLAIN.test(factsKey(facts)), 'a text that a terminal would obey')
}

/** A DNS message of anybody: what it says of peers is well-formed, and a responder has an answer for its questions or none. */
function checkPacket(bytes: Uint8Array): void {
  const packet = read(bytes)
  if (!packet) return
  const { seen, gone, incomplete } = sightingsIn(packet, TYPES)
  for (const { facts, addresses } of seen) {
    must(addresses.length <= 8, 'more addresses than are kept')
    recordsOf(facts, addresses)
  }
  for (const instance of gone) must(/^[0-9a-f]{4}$/.test(instance), `the instance ${instance}`)
  for (const name of incomplete)
    must(
      TYPES.some((type) => name.endsWith(`.${type}`)),
      `${name} is none of ours`,
    )
  const found = answersTo(packet, recordsOf(GATEWAY, ['10.0.0.1']))
  must(found === undefined || found.answers.length > 0, 'an answer without a record')
  if (found) must(encodePacket(legacyAnswer(packet, found)).length < 9_000, 'an answer that is too long')
}

/** Answers of anybody in any order: the table stays bounded, and an entry says what one answer said. */
function checkTable(choices: Choices): void {
  const table = new FoundTable()
  const said = new Set<string>()
  for (let now = 0; choices.left > 0; now++) {
    const action = choices.byte()
    const heard = { by: action & 1 ? 'udp' : 'mdns', source: SOURCES[(action >> 1) % SOURCES.length]! } as const
    const facts = { ...GATEWAY, instance: choices.byte().toString(16).padStart(4, '0'), joinOpen: (action & 8) !== 0 }
    if (action >= 0xf0) table.age(now - (action & 15))
    else if (action >= 0xe0) table.goodbye(facts.instance, heard)
    else {
      said.add(factsKey(facts))
      table.see(facts, [`10.0.${action & 15}.${choices.byte()}`], heard, now)
    }
  }
  must(table.all.length <= 16 * SOURCES.length, 'a sender has more than its share')
  for (const found of table.all) {
    must(said.has(factsKey(found)), 'an entry that nobody has told of')
    must(found.addresses.length >= 1 && found.addresses.length <= 8, `${found.addresses.length} addresses`)
    must(found.urls.length === 2 * found.addresses.length, 'ways and addresses differ')
  }
}

/** A question, an announcement, and one that names a service only. */
function packets(): Uint8Array[] {
  const records = recordsOf(GATEWAY, ['10.0.0.1', 'fe80::1'])
  return [
    encodePacket({ type: 'query', questions: TYPES.map((name) => ({ name, type: 'PTR' as const })) }),
    encodePacket({ type: 'response', answers: records }),
    encodePacket({ type: 'response', answers: records.slice(0, 1) }),
    encodePacket({
      type: 'response',
      answers: recordsOf(DEVICE, []).map((record) => ({ ...record, ttl: 0 })) as never,
    }),
  ]
}

const txt = (answer: Answer) => encodeTxt(answer).flatMap((entry) => [entry.length, ...Buffer.from(entry)])

export const discovery: Target = {
  seeds: () => [
    ...[GATEWAY, DEVICE].map((answer) => Uint8Array.of(0, ...encodeAnswer(answer))),
    Uint8Array.of(0, ...encodeQuery({ nonce: NONCE, roles: ['gateway', 'device'] })),
    ...[GATEWAY, DEVICE].map((answer) => Uint8Array.of(1, ...txt(answer))),
    ...packets().map((packet) => Uint8Array.of(2, ...packet)),
    Uint8Array.of(3, 0, 1, 1, 1, 1, 2, 2, 2, 3, 9, 1, 1, 0xe1, 1, 0xf0, 0, 5, 1, 9),
  ],
  run(input) {
    const choices = new Choices(input)
    const kind = choices.byte() & 3
    if (kind === 1) checkTxt(choices)
    else if (kind === 3) checkTable(choices)
    else if (kind === 2) checkPacket(choices.bytes(choices.left))
    else checkDatagram(choices.bytes(choices.left))
  },
}
