import { ascii, bytesFrom, concat, flip, invalid, topic, u16, unhex, valid } from '../lib.mjs'

const KINDS = { tcp: 1, udp: 2, ws: 3, mqtt: 4, wss: 5 }
const ROLES = { gateway: 1, device: 2 }
const nonce = bytesFrom('discovery/nonce', 8)

// ---- query ----

const query = (wanted, fields = {}) => {
  const { magic = 'USMPQ', version = 1, from = nonce, zeros = Buffer.alloc(113) } = fields
  return concat(ascii(magic), [version], from, [wanted], zeros)
}

const asks = (comment, flags, wanted, from = nonce) =>
  valid(comment, flags, { nonce: from, wanted }, { query: query(wanted, { from }) })

const silent = (comment, flags, bytes) => invalid('DROPPED', comment, flags, { query: bytes })

function badQueries() {
  const good = query(1)
  return [
    silent('no bytes', ['LENGTH'], Buffer.alloc(0)),
    silent('127 bytes', ['LENGTH'], good.subarray(0, 127)),
    silent('129 bytes', ['LENGTH'], concat(good, [0])),
    silent('64 bytes', ['LENGTH'], good.subarray(0, 64)),
    silent('the magic of an answer', ['MAGIC'], query(1, { magic: 'USMPA' })),
    silent('lower case', ['MAGIC'], query(1, { magic: 'usmpq' })),
    silent('128 zeros', ['MAGIC'], Buffer.alloc(128)),
    silent('version 0', ['VERSION'], query(1, { version: 0 })),
    silent('version 2', ['VERSION'], query(1, { version: 2 })),
    silent('no role is wanted', ['ROLE'], query(0)),
    silent('role bit 2', ['ROLE'], query(4)),
    silent('role bits 0 and 7', ['ROLE'], query(0x81)),
    silent('first byte of the padding', ['PADDING'], flip(good, 15)),
    silent('last byte of the padding', ['PADDING'], flip(good, 127, 7)),
  ]
}

// ---- answer ----

const GATEWAY = {
  nonce,
  role: 'gateway',
  instance: unhex('8f3a'),
  join_open: 0,
  carriers: [{ kind: 'tcp', port: 9000 }],
  site: 'home',
  path: '',
  device_id: Buffer.alloc(0),
}
const DEVICE = {
  ...GATEWAY,
  role: 'device',
  carriers: [{ kind: 'udp', port: 9000 }],
  site: '',
}

const field = (bytes) => concat([bytes.length], bytes)

/** `raw` replaces parts by bytes that no honest peer sends. */
function answer(facts, raw = {}) {
  const carriers = facts.carriers.map(({ kind, port }) => concat([KINDS[kind]], u16(port)))
  return concat(
    ascii(raw.magic ?? 'USMPA'),
    [raw.version ?? 1],
    facts.nonce,
    [raw.role ?? ROLES[facts.role]],
    [raw.flags ?? facts.join_open],
    facts.instance,
    raw.carriers ?? concat([carriers.length], ...carriers),
    raw.site ?? field(ascii(facts.site)),
    raw.path ?? field(ascii(facts.path)),
    raw.id ?? field(facts.device_id),
    raw.end ?? [],
  )
}

const says = (comment, flags, base, changes = {}) => {
  const facts = { ...base, ...changes }
  return valid(comment, flags, facts, { answer: answer(facts) })
}

const port = (kind, number) => ({ kind, port: number })
const ALL = Object.keys(KINDS).map((kind, index) => port(kind, 9000 + index))
const LONG = 'A-long_site-of-32-characters_0123'.slice(0, 32)

function goodAnswers() {
  return [
    says('a gateway', ['GATEWAY'], GATEWAY),
    says('a gateway whose join window is open', ['GATEWAY'], GATEWAY, { join_open: 1 }),
    says('a gateway without a site', ['GATEWAY'], GATEWAY, { site: '' }),
    says('no carrier', ['GATEWAY'], GATEWAY, { carriers: [] }),
    says('tcp, udp and a WebSocket with its path', ['GATEWAY', 'PRINTED'], GATEWAY, {
      carriers: [port('tcp', 9000), port('udp', 9000), port('ws', 8080)],
      path: '/usmp',
    }),
    ...Object.keys(KINDS).map((kind) => says(`${kind} alone`, ['KINDS'], GATEWAY, { carriers: [port(kind, 1883)] })),
    says('every carrier', ['KINDS'], GATEWAY, { carriers: ALL }),
    ...[1, 255, 256, 65535].map((number) =>
      says(`port ${number}`, ['PORT'], GATEWAY, { carriers: [port('tcp', number)] }),
    ),
    says('the longest gateway', ['LONGEST'], GATEWAY, {
      carriers: ALL,
      site: LONG,
      path: `/${'p'.repeat(31)}`,
      join_open: 1,
    }),
    says('path of one character', ['TEXT'], GATEWAY, { carriers: [port('wss', 443)], path: '/' }),
    says('every character of a path', ['TEXT'], GATEWAY, { carriers: [port('ws', 80)], path: '/aZ0-._~/9' }),
    says('site of one character', ['TEXT'], GATEWAY, { site: '_' }),
    says('a device', ['DEVICE'], DEVICE),
    says('a device that dials only', ['DEVICE'], DEVICE, { carriers: [] }),
    says('a device that shows its id', ['DEVICE'], DEVICE, { device_id: unhex('246f28a1b2c3') }),
    says('a device id of zeros', ['DEVICE'], DEVICE, { device_id: Buffer.alloc(6) }),
    says('another nonce', ['NONCE'], GATEWAY, { nonce: unhex('0001020304050607') }),
    says('instance 0000', ['GATEWAY'], GATEWAY, { instance: unhex('0000') }),
  ]
}

const refused = (comment, flags, bytes) => invalid('DROPPED', comment, flags, { answer: bytes })
const broken = (comment, flags, raw, base = GATEWAY) => refused(comment, flags, answer(base, raw))
const siteOf = (bytes) => ({ site: field(bytes) })
const pathOf = (bytes) => ({ path: field(bytes) })
const list = (...carriers) => ({
  carriers: concat([carriers.length], ...carriers.map(([kind, number]) => concat([kind], u16(number)))),
})

function badAnswers() {
  const good = answer(GATEWAY)
  const withWindow = { ...DEVICE, join_open: 1 }
  return [
    refused('no bytes', ['LENGTH'], Buffer.alloc(0)),
    ...[21, good.length - 1].map((length) =>
      refused(`cut after ${length} bytes`, ['LENGTH'], good.subarray(0, length)),
    ),
    broken('a byte behind the end', ['LENGTH'], { end: [0] }),
    broken('zeros up to 128 bytes', ['LENGTH'], { end: Buffer.alloc(128 - good.length) }),
    broken('the magic of a query', ['MAGIC'], { magic: 'USMPQ' }),
    broken('version 0', ['VERSION'], { version: 0 }),
    broken('version 2', ['VERSION'], { version: 2 }),
    broken('role 0', ['ROLE'], { role: 0 }),
    broken('role 3', ['ROLE'], { role: 3 }),
    broken('flag bit 1', ['FLAGS'], { flags: 2 }),
    broken('flags 0x81', ['FLAGS'], { flags: 0x81 }),
    refused('a device with a join window', ['FLAGS'], answer(withWindow)),
    refused('a device with a site', ['DEVICE'], answer({ ...DEVICE, site: 'home' })),
    refused('a gateway with a device id', ['GATEWAY'], answer({ ...GATEWAY, device_id: unhex('246f28a1b2c3') })),
    broken('carrier kind 0', ['KINDS'], list([0, 9000])),
    broken('carrier kind 6', ['KINDS'], list([6, 9000])),
    broken('port 0', ['PORT'], list([1, 0])),
    broken('a kind twice', ['KINDS'], list([1, 9000], [1, 9001])),
    broken('kinds not in their order', ['KINDS'], list([2, 9000], [1, 9000])),
    broken('six carriers', ['KINDS'], list([1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [5, 6])),
    broken('two carriers announced, one there', ['LENGTH'], { carriers: concat([2, 1], u16(9000)) }),
    broken('255 carriers announced', ['LENGTH'], { carriers: concat([255, 1], u16(9000)) }),
    broken('a site of 33 characters', ['TEXT'], siteOf(ascii('s'.repeat(33)))),
    broken('a site with a space', ['TEXT'], siteOf(ascii('my home'))),
    broken('a site with a point', ['TEXT'], siteOf(ascii('home.local'))),
    broken('a site with a zero byte', ['TEXT'], siteOf(ascii('home\0'))),
    broken('a site with an escape sequence', ['TEXT'], siteOf(ascii('\x1b[31m'))),
    broken('a site in UTF-8', ['TEXT'], siteOf(Buffer.from('büro', 'utf8'))),
    broken('a site whose length goes beyond the end', ['LENGTH'], { site: concat([32], ascii('home')) }),
    broken('a path without slash', ['TEXT'], pathOf(ascii('usmp'))),
    broken('a path with a query', ['TEXT'], pathOf(ascii('/usmp?a'))),
    broken('a path with a percent sign', ['TEXT'], pathOf(ascii('/%2e'))),
    broken('a path with an @', ['TEXT'], pathOf(ascii('/@host'))),
    broken('a path of 33 characters', ['TEXT'], pathOf(ascii(`/${'p'.repeat(32)}`))),
    broken('a path with a byte above 0x7f', ['TEXT'], pathOf(concat(ascii('/'), [0x80]))),
    ...[1, 5, 7].map((length) =>
      broken(`a device id of ${length} bytes`, ['DEVICE'], { id: field(Buffer.alloc(length, 1)) }, DEVICE),
    ),
    broken('a device id whose length is 6 without bytes', ['LENGTH'], { id: [6] }, DEVICE),
  ]
}

export default function () {
  return topic({
    topic: 'discovery',
    source: 'spec 14.2',
    notes: {
      PRINTED: 'Spec 14.7.',
      LENGTH: 'A query has exactly 128 bytes; an answer ends with its last field. Catches reads beyond the end.',
      MAGIC: 'Something else is no query and no answer.',
      VERSION: 'Another version is not understood.',
      ROLE: 'One of the two roles, and in a query at least one of their bits.',
      PADDING: 'The padding of a query is zero.',
      FLAGS: 'A flag that is not assigned, or a join window of a device.',
      KINDS: 'Kinds ascend, and no other one is known.',
      PORT: 'Port 0 is none. Catches a wrong order of bytes.',
      TEXT: 'Only the characters of 14.1. Catches texts that would reach a terminal or a URL.',
      GATEWAY: 'What a gateway may say.',
      DEVICE: 'What a device may say.',
      LONGEST: 'The longest answer has 107 bytes, fewer than the query.',
      NONCE: 'The nonce is that of the query.',
    },
    groups: [
      {
        params: { op: 'query' },
        tests: [
          asks('for gateways', ['ROLE', 'PRINTED'], 1),
          asks('for devices', ['ROLE'], 2),
          asks('for both', ['ROLE'], 3),
          asks('another nonce', ['NONCE'], 1, unhex('0001020304050607')),
          asks('a nonce of zeros', ['NONCE'], 3, Buffer.alloc(8)),
        ],
      },
      { params: { op: 'query_decode' }, tests: badQueries() },
      { params: { op: 'answer' }, tests: goodAnswers() },
      { params: { op: 'answer_decode' }, tests: badAnswers() },
    ],
  })
}
