import { createHash } from 'node:crypto'
import {
  add,
  BASE,
  challenge,
  ed25519,
  encode,
  encodeY,
  IDENTITY,
  L,
  mod,
  multiply,
  pointAt,
  publicOf,
  readNumber,
  scalarOf,
  signatureOf,
  TORSION,
} from '../edwards.mjs'
import { ascii, bytesFrom, concat, flip, hex, invalid, topic, u16, u32, unhex, valid } from '../lib.mjs'

const P = 2n ** 255n - 19n
const sha256 = (bytes) => createHash('sha256').update(bytes).digest()
const DOMAIN = ascii('usmp-ota-v1\0')

// ---- publishers ----

const keyId = (publicKey) => sha256(publicKey).subarray(0, 8)

function publisher(name) {
  const secret = bytesFrom(`ota-manifest/publisher/${name}`, 32)
  const key = publicOf(secret)
  return { secret, key, id: keyId(key) }
}

const ALICE = publisher('alice')
const BOB = publisher('bob')
const CAROL = publisher('carol')
const DAVE = publisher('dave')
const MALLORY = publisher('mallory')

// ---- manifests ----

const padded = (text, length) => concat(ascii(text), Buffer.alloc(length - text.length))
const tlv = (type, value) => concat([type, value.length], value)
const packed = (major, minor, patch) => ((major << 24) | (minor << 16) | patch) >>> 0

const PLAIN = {
  product: 'weather-station',
  chip: 'esp32c3',
  version: packed(1, 4, 0),
  counter: 7,
  least_version: 0,
  size: 1_048_576,
  sha256: sha256(ascii('an image')),
  not_after: 0,
  name: '',
  next_key: Buffer.alloc(0),
  revoked_keys: [],
}

/** The TLVs that the fields ask for, in order. */
function tlvs({ name, next_key, revoked_keys }) {
  const parts = []
  if (name !== '') parts.push(tlv(0x01, Buffer.from(name, 'utf8')))
  if (next_key.length > 0) parts.push(tlv(0x82, next_key))
  if (revoked_keys.length > 0) parts.push(tlv(0x83, concat(...revoked_keys)))
  return concat(...parts)
}

/** The signed part, as the table of the specification has it. `fields.tlvs` stands for what they are made of. */
function signedPart(fields) {
  const tail = fields.tlvs ?? tlvs(fields)
  return concat(
    ascii('UOTA'),
    [1, 0],
    u16(96 + tail.length),
    fields.key_id,
    padded(fields.product, 16),
    padded(fields.chip, 8),
    u32(fields.version),
    u32(fields.counter),
    u32(fields.least_version),
    u32(fields.size),
    fields.sha256,
    u32(fields.not_after),
    u32(0),
    tail,
  )
}

const signed = (signer, part) => concat(part, ed25519(signer.secret, concat(DOMAIN, part)))

const fieldsOf = (signer, changes) => ({ ...PLAIN, key_id: signer.id, ...changes })
const manifest = (signer, changes = {}) => signed(signer, signedPart(fieldsOf(signer, changes)))

// ---- parse ----

function good(comment, flags, changes = {}) {
  const { tlvs: _, ...fields } = fieldsOf(ALICE, changes)
  return valid(comment, flags, { manifest: manifest(ALICE, changes) }, fields)
}

const bad = (comment, flags, bytes) => invalid('MALFORMED', comment, flags, { manifest: bytes })

/** Whose bytes from `at` on are these; signed again, so that nothing but the structure is wrong. */
function patched(at, bytes, changes = {}) {
  const part = Buffer.from(signedPart(fieldsOf(ALICE, changes)))
  Buffer.from(bytes).copy(part, at)
  return signed(ALICE, part)
}

const withTlvs = (...parts) => manifest(ALICE, { tlvs: concat(...parts) })
const sortedIds = (...ids) => ids.sort(Buffer.compare)
const someIds = (count) =>
  sortedIds(...Array.from({ length: count }, (_, index) => bytesFrom(`ota-manifest/id/${index}`, 8)))

function goodManifests() {
  const skipped = (type, length) => tlv(type, bytesFrom('ota-manifest/skipped', length))
  const everything = {
    least_version: packed(1, 2, 3),
    not_after: 4000,
    name: 'Spring release',
    next_key: BOB.key,
    revoked_keys: sortedIds(CAROL.id, DAVE.id),
  }
  return [
    good('the shortest', ['PLAIN']),
    good('with everything', ['PLAIN'], everything),
    good('the highest numbers', ['NUMBERS'], {
      version: packed(255, 255, 65535),
      counter: 0xffffffff,
      least_version: 0xffffffff,
      size: 0xffffffff,
      not_after: 0xffffffff,
    }),
    good('the lowest numbers', ['NUMBERS'], { version: 0, counter: 0, size: 1 }),
    good('product and chip as long as their fields', ['TEXT'], { product: '0123456789abcdef', chip: 'board-01' }),
    good('product and chip of one character', ['TEXT'], { product: '!', chip: '~' }),
    good('a name of one byte', ['TEXT'], { name: 'n' }),
    good('a name of 32 bytes', ['TEXT'], { name: 'abcdefghijklmnopqrstuvwxyz 12345' }),
    good('a name with characters of 2, 3 and 4 bytes', ['TEXT'], { name: 'Grüße € 🛰' }),
    good('a name that begins with the mark of an order of bytes', ['TEXT'], { name: '\ufeffname' }),
    good('a name with the last character of 3 bytes and of 4', ['TEXT'], { name: '\uffff\u{10ffff}' }),
    good('a next key', ['ROTATION'], { next_key: BOB.key }),
    good('one revoked key', ['ROTATION'], { revoked_keys: [BOB.id] }),
    good('eight revoked keys', ['ROTATION'], { revoked_keys: someIds(8) }),
    good('an unknown field of type 0', ['UNKNOWN'], { tlvs: skipped(0x00, 3) }),
    good('an unknown field without content', ['UNKNOWN'], { tlvs: skipped(0x02, 0) }),
    good('an unknown field of 255 bytes', ['UNKNOWN'], { tlvs: skipped(0x7f, 255) }),
    good('unknown fields around a known one', ['UNKNOWN'], {
      name: 'between',
      tlvs: concat(skipped(0x00, 1), tlv(0x01, ascii('between')), skipped(0x03, 2), skipped(0x7f, 4)),
    }),
    good('the longest', ['UNKNOWN'], { tlvs: concat(skipped(0x10, 255), skipped(0x11, 93)) }),
  ]
}

function badHeads() {
  const whole = manifest(ALICE)
  const long = concat(tlv(0x10, Buffer.alloc(255)), tlv(0x11, Buffer.alloc(94)))
  return [
    bad('nothing', ['LENGTH'], Buffer.alloc(0)),
    bad('seven bytes', ['LENGTH'], whole.subarray(0, 7)),
    bad('the head alone', ['LENGTH'], whole.subarray(0, 8)),
    bad('without its signature', ['LENGTH'], whole.subarray(0, 96)),
    bad('the last byte is missing', ['LENGTH'], whole.subarray(0, -1)),
    bad('one byte too many', ['LENGTH'], concat(whole, [0])),
    bad('the image behind it', ['LENGTH'], concat(whole, ascii('an image'))),
    bad(
      'says that its signed part has 95 bytes, and has',
      ['LENGTH'],
      signed(ALICE, patched(6, u16(95)).subarray(0, 95)),
    ),
    bad('says that its signed part has 97 bytes', ['LENGTH'], patched(6, u16(97))),
    bad('says that its signed part has 0 bytes', ['LENGTH'], patched(6, u16(0))),
    bad('a signed part of 449 bytes', ['LENGTH'], withTlvs(long)),
    bad('the length with its bytes in the other order', ['LENGTH'], patched(6, [0, 96])),
    ...[0, 1, 2, 3].map((at) => bad(`byte ${at} of the magic is another one`, ['HEAD'], flip(whole, at))),
    bad('format 0', ['HEAD'], patched(4, [0])),
    bad('format 2', ['HEAD'], patched(4, [2])),
    bad('flag 1', ['HEAD'], patched(5, [1])),
    bad('flag 0x80', ['HEAD'], patched(5, [0x80])),
    bad('an image of 0 bytes', ['FIELD'], patched(52, u32(0))),
    ...[92, 93, 94, 95].map((at) => bad(`reserved byte ${at} is not zero`, ['FIELD'], patched(at, [1]))),
  ]
}

function badTexts() {
  return [
    bad('no product', ['TEXT'], patched(16, Buffer.alloc(16))),
    bad('a blank in the product', ['TEXT'], manifest(ALICE, { product: 'weather station' })),
    bad('0x7f in the product', ['TEXT'], patched(17, [0x7f])),
    bad('0x80 in the product', ['TEXT'], patched(17, [0x80])),
    bad('a control character in the product', ['TEXT'], patched(17, [0x0a])),
    bad('the product begins with a zero', ['TEXT'], patched(16, [0])),
    bad(
      'a character behind the zeros of the product',
      ['TEXT'],
      patched(16, padded('weather', 15), { product: '0123456789abcdef' }),
    ),
    bad('no chip', ['TEXT'], patched(32, Buffer.alloc(8))),
    bad('a blank in the chip', ['TEXT'], manifest(ALICE, { chip: 'esp 32' })),
    bad('0xff in the chip', ['TEXT'], patched(33, [0xff])),
    bad('a character behind the zeros of the chip', ['TEXT'], patched(32, padded('esp', 7), { chip: 'board-01' })),
    bad('a name without a character', ['TEXT'], withTlvs(tlv(0x01, Buffer.alloc(0)))),
    bad('a name of 33 bytes', ['TEXT'], withTlvs(tlv(0x01, ascii('abcdefghijklmnopqrstuvwxyz 123456')))),
    ...[
      ['a newline', '6e0a6d'],
      ['a zero', '6e00'],
      ['0x1f', '1f'],
      ['0x7f', '6e7f'],
    ].map(([what, bytes]) => bad(`${what} in the name`, ['TEXT'], withTlvs(tlv(0x01, unhex(bytes))))),
    ...[
      ['0x80 alone', '80'],
      ['a character of 2 bytes without its second', '6ec3'],
      ['a character of 3 bytes without its third', 'e282'],
      ['a character of 4 bytes without its fourth', 'f09f9b'],
      ['a character of 3 bytes that goes on with a letter', 'e28241'],
      ['2 bytes for what needs one: 0xc0', 'c0af'],
      ['2 bytes for what needs one: 0xc1', 'c1bf'],
      ['3 bytes for what needs two', 'e09fbf'],
      ['4 bytes for what needs three', 'f08fbfbf'],
      ['the first half of a pair', 'eda080'],
      ['the second half of a pair', 'edbfbf'],
      ['a character behind the last one', 'f4908080'],
      ['0xf5', 'f5808080'],
      ['0xfe', 'fe'],
    ].map(([what, bytes]) => bad(`the name is not UTF-8: ${what}`, ['TEXT'], withTlvs(tlv(0x01, unhex(bytes))))),
  ]
}

function badTlvs() {
  const name = tlv(0x01, ascii('name'))
  const next = tlv(0x82, BOB.key)
  const revoked = (...ids) => tlv(0x83, concat(...ids))
  const [low, high] = sortedIds(BOB.id, CAROL.id)
  return [
    bad('a field of one byte', ['FIELDS'], withTlvs([0x02])),
    bad('a field that is longer than the manifest by one byte', ['FIELDS'], withTlvs([0x02, 3], ascii('ab'))),
    bad('a field that reaches into the signature', ['FIELDS'], withTlvs(name, [0x02, 64])),
    bad('zeros behind the last field', ['FIELDS'], withTlvs(name, [0, 0])),
    bad('a name twice', ['ORDER'], withTlvs(name, name)),
    bad('an unknown field twice', ['ORDER'], withTlvs(tlv(0x05, [1]), tlv(0x05, [1]))),
    bad('the next key before the name', ['ORDER'], withTlvs(next, name)),
    bad('the revoked keys before the next key', ['ORDER'], withTlvs(revoked(BOB.id), tlv(0x82, CAROL.key))),
    bad('an unknown field behind a higher one', ['ORDER'], withTlvs(tlv(0x06, [1]), tlv(0x05, [1]))),
    ...[0x80, 0x81, 0x84, 0xff].map((type) =>
      bad(`field 0x${type.toString(16)}, which must be understood`, ['CRITICAL'], withTlvs(tlv(type, [1]))),
    ),
    bad('a field without content that must be understood', ['CRITICAL'], withTlvs([0xfe, 0])),
    bad('a next key of 31 bytes', ['ROTATION'], withTlvs(tlv(0x82, BOB.key.subarray(1)))),
    bad('a next key of 33 bytes', ['ROTATION'], withTlvs(tlv(0x82, concat(BOB.key, [0])))),
    bad('a next key of 0 bytes', ['ROTATION'], withTlvs(tlv(0x82, []))),
    bad('no revoked key', ['ROTATION'], withTlvs(revoked())),
    bad('revoked keys of 7 bytes', ['ROTATION'], withTlvs(revoked(BOB.id.subarray(1)))),
    bad('revoked keys of 9 bytes', ['ROTATION'], withTlvs(revoked(BOB.id, [0]))),
    bad('nine revoked keys', ['ROTATION'], withTlvs(revoked(...someIds(9)))),
    bad('revoked keys that fall', ['ROTATION'], withTlvs(revoked(high, low))),
    bad('a revoked key twice', ['ROTATION'], withTlvs(revoked(low, low))),
    bad('it revokes the key that signs it', ['ROTATION'], withTlvs(revoked(ALICE.id))),
    bad(
      'it revokes the key that signs it, and others',
      ['ROTATION'],
      withTlvs(revoked(...sortedIds(ALICE.id, BOB.id, CAROL.id))),
    ),
  ]
}

// ---- keys ----

const trusted = (comment, flags, key) => valid(comment, flags, { public_key: key }, { key_id: keyId(key) })
const untrusted = (comment, flags, key) => invalid('MALFORMED', comment, flags, { public_key: key })

/** The first y from `from` on that is, or is not, that of a point. */
function firstY(isPoint, from = 2n) {
  for (let y = from; ; y++) if ((pointAt(y) !== undefined) === isPoint) return y
}

function keyTests() {
  const smallOrder = Array.from({ length: 8 }, (_, index) => multiply(BigInt(index), TORSION))
  const order = [1, 8, 4, 8, 2, 8, 4, 8]
  const yOnCurve = firstY(true)
  return [
    ...[ALICE, BOB, CAROL].map(({ key }, index) => trusted(`publisher ${index + 1}`, ['PLAIN'], key)),
    trusted('the base point', ['PLAIN'], encode(BASE)),
    trusted('a point of mixed order', ['MIXED'], encode(add(multiply(scalarOf(ALICE.secret), BASE), TORSION))),
    trusted('a point with a small y', ['PLAIN'], encodeY(yOnCurve, 0)),
    ...smallOrder.map((point, index) =>
      untrusted(`point ${index} of small order, ${order[index]}`, ['SMALL_ORDER'], encode(point)),
    ),
    untrusted('the identity with the other sign', ['NON_CANONICAL'], encodeY(1n, 1)),
    untrusted('the point of order 2 with the other sign', ['NON_CANONICAL'], encodeY(P - 1n, 1)),
    untrusted('y = p, a point of order 4', ['NON_CANONICAL'], encodeY(P, 0)),
    untrusted('y = p with the other sign', ['NON_CANONICAL'], encodeY(P, 1)),
    untrusted('y = p + 1, the identity', ['NON_CANONICAL'], encodeY(P + 1n, 0)),
    untrusted('y = p + 1 with the other sign', ['NON_CANONICAL'], encodeY(P + 1n, 1)),
    untrusted('y = p and a small y of a point that is not of small order', ['NON_CANONICAL'], encodeY(P + yOnCurve, 0)),
    untrusted('the highest y', ['NON_CANONICAL'], Buffer.alloc(32, 0xff)),
    untrusted('no point has this y', ['OFF_CURVE'], encodeY(firstY(false), 0)),
    untrusted('no point has this y, and the sign is set', ['OFF_CURVE'], encodeY(firstY(false), 1)),
    untrusted(
      'no point has this large y',
      ['OFF_CURVE'],
      encodeY(firstY(false, readNumber(bytesFrom('ota-manifest/off', 31))), 0),
    ),
  ]
}

// ---- signatures ----

const genuine = (comment, flags, public_key, message, signature) =>
  valid(comment, flags, { public_key, message, signature })
const forged = (comment, flags, public_key, message, signature) =>
  invalid('BAD_SIGNATURE', comment, flags, { public_key, message, signature })

/** Figures of RFC 8032, 7.1: secret key, public key, message, signature. The generator computes each one too. */
const PRINTED = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
]

function printedTests() {
  return PRINTED.map(([secret, key, message, signature], index) => {
    const sk = unhex(secret)
    if (hex(publicOf(sk)) !== key || hex(ed25519(sk, unhex(message))) !== signature)
      throw new Error(`RFC 8032, test ${index + 1}`)
    return genuine(`RFC 8032, 7.1, test ${index + 1}`, ['PRINTED'], unhex(key), unhex(message), unhex(signature))
  })
}

/** A signature of `secret` whose R and whose key have other parts of small order: R = rB + R', A = aB + A'. */
function twisted(secret, message, { inR = IDENTITY, inKey = IDENTITY, nonce = 'nonce' }) {
  const a = scalarOf(secret)
  const r = mod(readNumber(bytesFrom(`ota-manifest/${nonce}`, 64)), L)
  const key = encode(add(multiply(a, BASE), inKey))
  const encodedR = encode(add(multiply(r, BASE), inR))
  const k = challenge(encodedR, key, message)
  return { key, k, signature: signatureOf(encodedR, mod(r + k * a, L)) }
}

/** One whose parts of small order cancel out: the equation holds with and without the cofactor. */
function cancelling(secret, message) {
  for (let attempt = 0; ; attempt++) {
    const made = twisted(secret, message, { inR: TORSION, inKey: TORSION, nonce: `cancelling/${attempt}` })
    if ((made.k + 1n) % 8n === 0n) return made
  }
}

/** One for which the equation holds with the cofactor and not without it. */
function diverging(secret, message) {
  for (let attempt = 0; ; attempt++) {
    const made = twisted(secret, message, { inKey: TORSION, nonce: `diverging/${attempt}` })
    if (made.k % 8n !== 0n) return made
  }
}

/** R = the identity in some encoding, S = k a. */
function withoutNonce({ secret, key }, message, encodedR) {
  return signatureOf(encodedR, mod(challenge(encodedR, key, message) * scalarOf(secret), L))
}

function signatureTests() {
  const message = concat(DOMAIN, bytesFrom('ota-manifest/message', 96))
  const { key, secret } = ALICE
  const signature = ed25519(secret, message)
  const s = readNumber(signature.subarray(32))
  const r = signature.subarray(0, 32)
  const long = bytesFrom('ota-manifest/long', 1023)
  const inR = twisted(secret, message, { inR: TORSION })
  const mixed = cancelling(secret, message)
  const apart = diverging(secret, message)
  return [
    ...printedTests(),
    genuine('as long as a manifest', ['PLAIN'], key, message, signature),
    genuine('1023 bytes', ['PLAIN'], key, long, ed25519(secret, long)),
    genuine('key and R of mixed order, whose parts cancel out', ['MIXED'], mixed.key, message, mixed.signature),
    forged('another key', ['FORGED'], BOB.key, message, signature),
    forged('another message', ['FORGED'], key, flip(message, 40), signature),
    forged('without the domain', ['FORGED'], key, message.subarray(DOMAIN.length), signature),
    forged('one byte more', ['FORGED'], key, concat(message, [0]), signature),
    forged('a bit of R', ['FORGED'], key, message, flip(signature, 0)),
    forged('the sign of R', ['FORGED'], key, message, flip(signature, 31, 7)),
    forged('a bit of S', ['FORGED'], key, message, flip(signature, 32)),
    forged('zeros', ['FORGED'], key, message, Buffer.alloc(64)),
    forged('R and S in the other order', ['FORGED'], key, message, concat(signature.subarray(32), r)),
    forged('S + L', ['S_RANGE'], key, message, signatureOf(r, s + L)),
    forged('S + 2 L', ['S_RANGE'], key, message, signatureOf(r, s + 2n * L)),
    forged('S = L', ['S_RANGE'], key, message, signatureOf(r, L)),
    forged('the highest bit of S', ['S_RANGE'], key, message, flip(signature, 63, 7)),
    forged('S of ones', ['S_RANGE'], key, message, concat(r, Buffer.alloc(32, 0xff))),
    genuine('R with a part of small order', ['COFACTOR'], key, message, inR.signature),
    genuine('a key with a part of small order', ['COFACTOR'], apart.key, message, apart.signature),
    forged('R is the identity', ['SMALL_ORDER'], key, message, withoutNonce(ALICE, message, encodeY(1n, 0))),
    forged(
      'R is the identity, not canonical',
      ['NON_CANONICAL'],
      key,
      message,
      withoutNonce(ALICE, message, encodeY(P + 1n, 0)),
    ),
    forged(
      'the key is the identity: R = S B',
      ['SMALL_ORDER'],
      encodeY(1n, 0),
      message,
      signatureOf(encode(multiply(5n, BASE)), 5n),
    ),
    forged(
      'key and R are the identity, S is 0',
      ['SMALL_ORDER'],
      encodeY(1n, 0),
      message,
      signatureOf(encodeY(1n, 0), 0n),
    ),
    forged(
      'the key is the identity, not canonical',
      ['NON_CANONICAL'],
      encodeY(P + 1n, 0),
      message,
      signatureOf(encode(multiply(5n, BASE)), 5n),
    ),
    forged('the key is no point', ['OFF_CURVE'], encodeY(firstY(false), 0), message, signature),
    forged('R is no point', ['OFF_CURVE'], key, message, concat(encodeY(firstY(false), 0), signature.subarray(32))),
  ]
}

// ---- what a device decides, and its record after confirmation ----

const DEVICE = {
  product: PLAIN.product,
  chip: PLAIN.chip,
  version: packed(1, 3, 9),
  counter: 7,
  keys: [ALICE.key],
  revoked: [],
  slot_size: 1_572_864,
  today: 2500,
  busy: false,
  veto: false,
}

/** `after`: what of the record changes when the image is confirmed. */
function taken(comment, flags, { device = {}, changes = {}, signer = ALICE, after = {} } = {}) {
  const whole = { ...DEVICE, ...device }
  const { counter, keys, revoked } = whole
  const inputs = { device: whole, manifest: manifest(signer, changes) }
  return valid(comment, flags, inputs, { record: { counter, keys, revoked, ...after } })
}

const refusedBytes = (error, comment, flags, bytes, device = {}) =>
  invalid(error, comment, flags, { device: { ...DEVICE, ...device }, manifest: bytes })

const refused = (error, comment, flags, { device = {}, changes = {}, signer = ALICE } = {}) =>
  refusedBytes(error, comment, flags, manifest(signer, changes), device)

function orderTests() {
  // From the last rule to the first: each case has one more fault in front of those of the case before.
  const faults = [
    ['NOT_NOW', { device: { veto: true } }],
    ['BUSY', { device: { busy: true } }],
    ['TOO_LARGE', { device: { slot_size: PLAIN.size - 1 } }],
    ['EXPIRED', { changes: { not_after: DEVICE.today - 1 } }],
    ['VERSION_TOO_OLD', { changes: { least_version: packed(1, 3, 10) } }],
    ['DOWNGRADE', { device: { counter: 8 } }],
    ['WRONG_CHIP', { device: { chip: 'esp32s3' } }],
    ['WRONG_PRODUCT', { device: { product: 'weather-statioN' } }],
    ['MALFORMED', { changes: { next_key: encodeY(1n, 0) } }],
  ]
  const device = {}
  const changes = {}
  const tests = faults.map(([error, fault]) => {
    Object.assign(device, fault.device)
    Object.assign(changes, fault.changes)
    return refused(error, `${error}, and every rule after it is broken too`, ['FIRST_FAULT'], {
      device: { ...device },
      changes: { ...changes },
    })
  })
  const all = { device, changes }
  const unknown = { ...device, keys: [BOB.key] }
  return [
    ...tests,
    refusedBytes(
      'BAD_SIGNATURE',
      'BAD_SIGNATURE, and every rule after it',
      ['FIRST_FAULT'],
      flip(manifest(ALICE, changes), -1),
      device,
    ),
    refused('UNKNOWN_KEY', 'UNKNOWN_KEY, and every rule after it', ['FIRST_FAULT'], { ...all, device: unknown }),
    refused('REVOKED_KEY', 'REVOKED_KEY, and every rule after it', ['FIRST_FAULT'], {
      ...all,
      device: { ...unknown, revoked: [ALICE.id] },
    }),
    refusedBytes('MALFORMED', 'no manifest, and every rule', ['FIRST_FAULT'], concat(manifest(ALICE, changes), [0]), {
      ...unknown,
      revoked: [ALICE.id],
    }),
  ]
}

function flippedTests() {
  const changes = {
    name: 'Spring release',
    next_key: BOB.key,
    revoked_keys: [CAROL.id],
    not_after: 3000,
    least_version: packed(1, 0, 0),
  }
  const whole = manifest(ALICE, changes)
  const flipped = (error, comment, at, bit = 0) =>
    refusedBytes(error, `a bit of ${comment}`, ['FLIPPED'], flip(whole, at, bit))
  return [
    taken('nothing is flipped', ['FLIPPED'], { changes, after: { keys: [ALICE.key, BOB.key], revoked: [CAROL.id] } }),
    flipped('MALFORMED', 'the magic', 0),
    flipped('MALFORMED', 'the format', 4),
    flipped('MALFORMED', 'the flags', 5),
    flipped('MALFORMED', 'the length', 6),
    flipped('UNKNOWN_KEY', 'the key id', 8),
    flipped('BAD_SIGNATURE', 'the product', 16),
    flipped('BAD_SIGNATURE', 'the chip', 32),
    flipped('BAD_SIGNATURE', 'the version', 40),
    flipped('BAD_SIGNATURE', 'the security counter', 44),
    flipped('BAD_SIGNATURE', 'the least version', 48),
    flipped('BAD_SIGNATURE', 'the size', 52),
    flipped('BAD_SIGNATURE', 'the first byte of the SHA-256', 56),
    flipped('BAD_SIGNATURE', 'the last byte of the SHA-256', 87, 7),
    flipped('BAD_SIGNATURE', 'the date', 88),
    flipped('MALFORMED', 'the reserved field', 92),
    flipped('BAD_SIGNATURE', 'the name', 98),
    flipped('BAD_SIGNATURE', 'the next key', 96 + 16 + 2),
    flipped('BAD_SIGNATURE', 'the revoked key', 96 + 16 + 34 + 2),
    flipped('BAD_SIGNATURE', 'R', -64),
    flipped('BAD_SIGNATURE', 'S', -1, 3),
  ]
}

function keyRuleTests() {
  const posed = signed(MALLORY, signedPart(fieldsOf(ALICE, {})))
  const bare = signedPart(fieldsOf(ALICE, {}))
  return [
    refused('UNKNOWN_KEY', 'signed by a stranger', ['KEY'], { signer: MALLORY }),
    refusedBytes('BAD_SIGNATURE', 'signed by a stranger, with the id of the key that is trusted', ['KEY'], posed),
    refusedBytes('BAD_SIGNATURE', 'signed without the domain', ['KEY'], concat(bare, ed25519(ALICE.secret, bare))),
    refusedBytes(
      'BAD_SIGNATURE',
      'the signature of another manifest',
      ['KEY'],
      concat(bare, manifest(ALICE, { counter: 8 }).subarray(-64)),
    ),
    taken('signed by the second key', ['KEY'], { signer: BOB, device: { keys: [ALICE.key, BOB.key] } }),
    taken('signed by the third key', ['KEY'], { signer: CAROL, device: { keys: [ALICE.key, BOB.key, CAROL.key] } }),
    refused('REVOKED_KEY', 'signed by a key that was revoked', ['KEY'], { signer: BOB, device: { revoked: [BOB.id] } }),
    refused('REVOKED_KEY', 'the eighth of the revoked keys', ['KEY'], {
      signer: BOB,
      device: { revoked: [...someIds(7), BOB.id] },
    }),
    refused('REVOKED_KEY', 'in a record that trusts it too', ['KEY'], {
      signer: BOB,
      device: { keys: [ALICE.key, BOB.key], revoked: [BOB.id] },
    }),
  ]
}

function ruleTests() {
  return [
    taken('the counter is the same', ['COUNTER']),
    taken('the counter rises', ['COUNTER'], { changes: { counter: 9 }, after: { counter: 9 } }),
    refused('DOWNGRADE', 'the counter is lower by one', ['COUNTER'], { changes: { counter: 6 } }),
    taken('the counter rises to the highest', ['COUNTER'], {
      changes: { counter: 0xffffffff },
      device: { counter: 0x7fffffff },
      after: { counter: 0xffffffff },
    }),
    refused('DOWNGRADE', 'from the highest counter to one with the highest bit clear', ['COUNTER'], {
      changes: { counter: 0x7fffffff },
      device: { counter: 0x80000000 },
    }),
    taken('an older version with the same counter', ['COUNTER'], { changes: { version: packed(1, 0, 0) } }),
    refused('WRONG_PRODUCT', 'a product that begins the same', ['TARGET'], { changes: { product: 'weather' } }),
    refused('WRONG_PRODUCT', 'a longer product', ['TARGET'], { changes: { product: 'weather-station2' } }),
    refused('WRONG_PRODUCT', 'the product in capitals', ['TARGET'], { changes: { product: 'Weather-station' } }),
    taken('a product as long as its field', ['TARGET'], {
      changes: { product: '0123456789abcdef' },
      device: { product: '0123456789abcdef' },
    }),
    refused('WRONG_CHIP', 'another chip', ['TARGET'], { changes: { chip: 'esp32c6' } }),
    refused('WRONG_CHIP', 'a chip that begins the same', ['TARGET'], { changes: { chip: 'esp32' } }),
    taken('the least version runs', ['LEAST_VERSION'], { changes: { least_version: DEVICE.version } }),
    refused('VERSION_TOO_OLD', 'the least version is the next patch', ['LEAST_VERSION'], {
      changes: { least_version: DEVICE.version + 1 },
    }),
    refused('VERSION_TOO_OLD', 'a least version with the highest bit set', ['LEAST_VERSION'], {
      changes: { least_version: packed(128, 0, 0) },
    }),
    taken('a running version with the highest bit set', ['LEAST_VERSION'], {
      changes: { least_version: packed(2, 0, 0) },
      device: { version: packed(200, 0, 0) },
    }),
    taken('the last day', ['DATE'], { changes: { not_after: DEVICE.today } }),
    refused('EXPIRED', 'the day after the last day', ['DATE'], { changes: { not_after: DEVICE.today - 1 } }),
    taken('the date is over, and the device does not know the date', ['DATE'], {
      changes: { not_after: 1 },
      device: { today: 0 },
    }),
    taken('no date', ['DATE'], { device: { today: 0xffffffff } }),
    taken('an image as large as the slot', ['SIZE'], { device: { slot_size: PLAIN.size } }),
    refused('TOO_LARGE', 'an image larger than the slot by one byte', ['SIZE'], {
      device: { slot_size: PLAIN.size - 1 },
    }),
    refused('TOO_LARGE', 'the largest image', ['SIZE'], { changes: { size: 0xffffffff } }),
    refused('BUSY', 'an image waits for its confirmation', ['BUSY'], { device: { busy: true } }),
  ]
}

function rotationTests() {
  const full = [ALICE.key, BOB.key, CAROL.key]
  const rotate = (next_key, ...revoked_keys) => ({ next_key, revoked_keys: sortedIds(...revoked_keys) })
  const old = someIds(8)
  const off = encodeY(firstY(false), 0)
  return [
    taken('a second key', ['ROTATION'], { changes: rotate(BOB.key), after: { keys: [ALICE.key, BOB.key] } }),
    taken('a third key', ['ROTATION'], {
      device: { keys: [BOB.key, ALICE.key] },
      changes: rotate(CAROL.key),
      after: { keys: [BOB.key, ALICE.key, CAROL.key] },
    }),
    refused('MALFORMED', 'a fourth key', ['FULL'], { device: { keys: full }, changes: rotate(DAVE.key) }),
    refused('MALFORMED', 'a fourth key, and a key is revoked that is not trusted', ['FULL'], {
      device: { keys: full },
      changes: rotate(DAVE.key, MALLORY.id),
    }),
    taken('a key in the place of one that is revoked', ['ROTATION'], {
      device: { keys: full },
      changes: rotate(DAVE.key, BOB.id),
      after: { keys: [ALICE.key, CAROL.key, DAVE.key], revoked: [BOB.id] },
    }),
    taken('a key that is trusted already, and no room', ['ROTATION'], {
      device: { keys: full },
      changes: rotate(CAROL.key),
    }),
    taken('the key that signs, once more', ['ROTATION'], { changes: rotate(ALICE.key) }),
    taken('the successor revokes the first key', ['ROTATION'], {
      signer: BOB,
      device: { keys: [ALICE.key, BOB.key] },
      changes: rotate(Buffer.alloc(0), ALICE.id),
      after: { keys: [BOB.key], revoked: [ALICE.id] },
    }),
    taken('all others are revoked', ['ROTATION'], {
      signer: CAROL,
      device: { keys: full },
      changes: rotate(Buffer.alloc(0), ALICE.id, BOB.id),
      after: { keys: [CAROL.key], revoked: sortedIds(ALICE.id, BOB.id) },
    }),
    taken('a key is revoked that is not trusted', ['ROTATION'], {
      changes: rotate(Buffer.alloc(0), MALLORY.id),
      after: { revoked: [MALLORY.id] },
    }),
    taken('a key is revoked once more', ['ROTATION'], {
      device: { revoked: [MALLORY.id, DAVE.id] },
      changes: rotate(Buffer.alloc(0), MALLORY.id),
      after: { revoked: [MALLORY.id, DAVE.id] },
    }),
    taken('the ninth revoked key: the first one is forgotten', ['REMEMBERED'], {
      device: { revoked: old },
      changes: rotate(Buffer.alloc(0), MALLORY.id),
      after: { revoked: [...old.slice(1), MALLORY.id] },
    }),
    taken('eight new revoked keys, one of them known', ['REMEMBERED'], {
      device: { revoked: [old[3], MALLORY.id] },
      changes: { revoked_keys: old },
      after: { revoked: [MALLORY.id, ...old.filter((_, index) => index !== 3)] },
    }),
    taken('rotation and counter together', ['ROTATION'], {
      changes: { ...rotate(BOB.key, MALLORY.id), counter: 20 },
      after: { counter: 20, keys: [ALICE.key, BOB.key], revoked: [MALLORY.id] },
    }),
    refused('MALFORMED', 'the next key was revoked before', ['NEXT_KEY'], {
      device: { revoked: [BOB.id] },
      changes: rotate(BOB.key),
    }),
    refused('MALFORMED', 'the next key is revoked with it', ['NEXT_KEY'], { changes: rotate(BOB.key, BOB.id) }),
    refused('MALFORMED', 'the next key is the identity', ['NEXT_KEY'], { changes: rotate(encodeY(1n, 0)) }),
    refused('MALFORMED', 'the next key is a point of order 8', ['NEXT_KEY'], { changes: rotate(encode(TORSION)) }),
    refused('MALFORMED', 'the next key is not canonical', ['NEXT_KEY'], {
      changes: rotate(encodeY(P + firstY(true), 0)),
    }),
    refused('MALFORMED', 'the next key is no point', ['NEXT_KEY'], { changes: rotate(off) }),
  ]
}

/** The worked example of the specification: the key of RFC 8032, 7.1, test 1 signs, and a device takes it that trusts no other. */
function exampleTests() {
  const secret = unhex(PRINTED[0][0])
  const key = publicOf(secret)
  const signer = { secret, key, id: keyId(key) }
  const image = ascii('an image')
  const changes = { size: image.length, sha256: sha256(image), name: 'spring' }
  return [taken('the worked example', ['EXAMPLE'], { signer, device: { keys: [key] }, changes })]
}

export default function () {
  return topic({
    topic: 'ota-manifest',
    source: 'spec 13.2 to 13.5',
    notes: {
      PLAIN: 'Nothing special.',
      PRINTED: 'A figure printed in RFC 8032.',
      EXAMPLE: 'Printed in spec 13.8.',
      NUMBERS: 'All numbers have 32 bits without a sign, and are little-endian.',
      TEXT: 'Which texts there may be. Catches code that trusts a zero at the end, shows control characters, or takes UTF-8 that is none.',
      UNKNOWN: 'A field of an unknown type below 0x80 is skipped.',
      CRITICAL: 'A field of an unknown type from 0x80 on refuses the manifest.',
      LENGTH:
        'The manifest has exactly the bytes that it says. Catches reading behind the end, and surplus bytes that nobody has signed.',
      HEAD: 'Magic, format and flags.',
      FIELD: 'Values that a field of fixed place may not have.',
      FIELDS: 'Fields of the variable part end with it.',
      ORDER:
        'Types rise, so each is there at most once. Catches two values for one field, of which two readers take different ones.',
      ROTATION: 'The next key and revoked keys: their form, and what becomes of the record.',
      FULL: 'A device trusts at most three keys.',
      REMEMBERED: 'A device remembers the eight keys that were revoked last.',
      NEXT_KEY: 'A next key that no device may trust.',
      SMALL_ORDER: 'Points under which a signature is good for many messages: refused as a key, and as R.',
      NON_CANONICAL:
        'Another encoding of a point than the one of RFC 8032. Catches libraries that reduce it in silence.',
      OFF_CURVE: 'Bytes that are no point of the curve.',
      MIXED: 'A point that is not in the subgroup of the base point, and not of small order either: it is allowed.',
      COFACTOR:
        'The equation holds with the cofactor and not without it: accepted, as RFC 8032 has it (5.1.7). Only who has the secret key can make such a signature. Catches libraries that verify the other equation.',
      S_RANGE: 'S is not below the order of the group.',
      FORGED: 'An ordinary wrong signature.',
      FIRST_FAULT: 'The rules are checked in the order of the specification, and the first one that is broken is told.',
      FLIPPED: 'One bit of a manifest is another one.',
      KEY: 'Which key has signed it.',
      COUNTER: 'The security counter never falls.',
      TARGET: 'Product and chip are compared whole.',
      LEAST_VERSION: 'The version from which one may update.',
      DATE: 'The last day; today is 0 where the device does not know the date.',
      SIZE: 'The image fits the slot.',
      BUSY: 'The device or its application cannot now.',
    },
    groups: [
      { params: { op: 'parse' }, tests: [...goodManifests(), ...badHeads(), ...badTexts(), ...badTlvs()] },
      { params: { op: 'key' }, tests: keyTests() },
      { params: { op: 'verify' }, tests: signatureTests() },
      {
        params: { op: 'judge' },
        tests: [
          ...flippedTests(),
          ...keyRuleTests(),
          ...ruleTests(),
          ...orderTests(),
          ...rotationTests(),
          ...exampleTests(),
        ],
      },
    ],
  })
}
