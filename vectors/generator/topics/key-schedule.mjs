import { bytesFrom, flip, invalid, keySchedule, topic, unhex, valid, x25519, x25519Public } from '../lib.mjs'

const P = 2n ** 255n - 19n

function littleEndian(number) {
  const bytes = Buffer.alloc(32)
  for (let i = 0; i < 32; i++) bytes[i] = Number((number >> BigInt(8 * i)) & 0xffn)
  return bytes
}

// The points of order 8, as u coordinates; 0, 1 and p - 1 have order 2, 4 and 4 (curve or twist).
const ORDER_8 = [
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
]
const LOW_ORDER = [
  ['0', 0n],
  ['1', 1n],
  ['order 8, first', ORDER_8[0]],
  ['order 8, second', ORDER_8[1]],
  ['p - 1', P - 1n],
  ['p, which is 0 not reduced', P],
  ['p + 1, which is 1 not reduced', P + 1n],
]

// Low order only for code that does not mask the highest bit: masked, they are ordinary points.
const ORDINARY_WHEN_MASKED = [
  ['p + first of order 8', P + ORDER_8[0]],
  ['p + second of order 8', P + ORDER_8[1]],
  ['2p - 1', 2n * P - 1n],
  ['2p', 2n * P],
  ['2p + 1', 2n * P + 1n],
]

const own = bytesFrom('key-schedule/own', 32)

const agrees = (comment, flags, ownPrivate, peer) =>
  valid(
    comment,
    flags,
    { private: ownPrivate, peer_public: peer },
    { public: x25519Public(ownPrivate), shared: x25519(ownPrivate, peer) },
  )

function refuses(comment, flags, peer) {
  if (x25519(own, peer) !== null) throw new Error(`${comment}: not of low order`)
  return invalid('LOW_ORDER_POINT', comment, flags, { private: own, peer_public: peer })
}

// The printed example of RFC 7748, section 6.1.
const ALICE = unhex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
const BOB_PUBLIC = unhex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')

function agreementTests() {
  const tests = [agrees('RFC 7748, section 6.1', ['PUBLISHED'], ALICE, BOB_PUBLIC)]
  for (let i = 0; i < 3; i++) {
    const peer = x25519Public(bytesFrom(`key-schedule/peer/${i}`, 32))
    tests.push(agrees(`fixed pair ${i}`, ['PLAIN'], bytesFrom(`key-schedule/own/${i}`, 32), peer))
  }
  const peer = x25519Public(ALICE)
  tests.push(
    agrees('private key with every bit set that is to be cleared', ['CLAMP'], Buffer.alloc(32, 0xff), peer),
    agrees('private key of zeros', ['CLAMP'], Buffer.alloc(32), peer),
    agrees('public key with the highest bit set', ['HIGH_BIT'], own, flip(peer, 31, 7)),
    agrees('base point 9', ['PLAIN'], own, littleEndian(9n)),
    agrees('2, which lies on the twist', ['TWIST'], own, littleEndian(2n)),
    agrees('p + 9, which is 9 not reduced', ['NON_CANONICAL'], own, littleEndian(P + 9n)),
    agrees('2^255 - 1, which is 18 not reduced', ['NON_CANONICAL'], own, littleEndian(2n ** 255n - 1n)),
    ...ORDINARY_WHEN_MASKED.map(([name, u]) => agrees(name, ['HIGH_BIT'], own, littleEndian(u % 2n ** 256n))),
    ...LOW_ORDER.map(([name, u]) => refuses(name, ['LOW_ORDER'], littleEndian(u))),
    ...LOW_ORDER.map(([name, u]) =>
      refuses(`${name}, highest bit set`, ['LOW_ORDER', 'HIGH_BIT'], flip(littleEndian(u), 31, 7)),
    ),
  )
  return tests
}

function keyTests(version, flags) {
  return [0, 1, 2].map((index) => {
    const label = `key-schedule/v${version}/${index}`
    const [clientPrivate, serverPrivate] = [bytesFrom(`${label}/client`, 32), bytesFrom(`${label}/server`, 32)]
    const nonce = bytesFrom(`${label}/nonce`, 32)
    const [clientPublic, serverPublic] = [x25519Public(clientPrivate), x25519Public(serverPrivate)]
    const shared = x25519(clientPrivate, serverPublic)
    const { prk, info, c2s, s2c } = keySchedule({ version, shared, nonce, clientPublic, serverPublic })
    return valid(
      `fixed keys ${index}`,
      flags,
      { client_private: clientPrivate, server_private: serverPrivate, nonce },
      { client_public: clientPublic, server_public: serverPublic, shared, prk, info, k_c2s: c2s, k_s2c: s2c },
    )
  })
}

export default function () {
  return topic({
    topic: 'key-schedule',
    source: 'spec 3.8',
    notes: {
      PUBLISHED: 'A value printed in an RFC.',
      PLAIN: 'Ordinary keys.',
      CLAMP:
        'Private keys whose fixed bits are not set as X25519 wants them. Catches code that clamps only when it makes a key.',
      HIGH_BIT:
        'The highest bit of a public key is ignored. Catches code that takes it into the number, and thereby finds another point.',
      TWIST: 'A coordinate on the twist is a good public key. Catches code that checks for the curve.',
      NON_CANONICAL: 'Coordinates not below p are reduced, not refused.',
      LOW_ORDER:
        'The result would be all zero whatever the private key: refused. Catches a missing check, and one that knows only the canonical forms.',
      KEYS_V2:
        'Two keys of 32 bytes, that from client to server first; public keys in the order client, server on both ends.',
      WIRE_V1:
        'Wire version 1: one key for both directions, so k_c2s and k_s2c are the same. Leave the group out where version 1 is not spoken.',
    },
    groups: [
      { params: { op: 'agree' }, tests: agreementTests() },
      { params: { op: 'keys', version: 2 }, tests: keyTests(2, ['KEYS_V2']) },
      { params: { op: 'keys', version: 1 }, tests: keyTests(1, ['WIRE_V1']) },
    ],
  })
}
