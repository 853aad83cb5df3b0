import { EXAMPLE, EXAMPLE_KEYS } from '../example.mjs'
import {
  ascii,
  bytesFrom,
  concat,
  flip,
  frame,
  header,
  hex,
  invalid,
  mend,
  open,
  seal,
  sealNonce,
  TYPE,
  topic,
  valid,
} from '../lib.mjs'

const SESSION_ID = bytesFrom('sealed/session-id', 16)
const KEYS = { client: bytesFrom('sealed/k-c2s', 32), server: bytesFrom('sealed/k-s2c', 32) }
const other = { client: 'server', server: 'client' }
const LAST_SEQ = 0xfffffffe

function good(comment, flags, { version = 2, suite, key, sessionId = SESSION_ID, type, seq, plaintext }) {
  const bytes = seal({ version, suite, key, sessionId, type, seq, plaintext })
  if (!open({ suite, key, bytes })?.equals(plaintext)) throw new Error(`${comment}: does not open again`)
  return valid(
    comment,
    flags,
    { type, seq, plaintext },
    { nonce: sealNonce(seq, sessionId), aad: bytes.subarray(0, 10), frame: bytes },
  )
}

const PLAINTEXT_LENGTH = { PING: 0, PONG: 0, BYE: 0, REKEY: 32, DATA: 16, DATA_FRAG: 16 }

function sealTests(suite, sender) {
  const key = KEYS[sender]
  const text = (length) => bytesFrom(`sealed/plaintext/${length}`, length)
  return [
    ...Object.entries(PLAINTEXT_LENGTH).map(([name, length], seq) =>
      good(name, ['TYPE'], { suite, key, type: TYPE[name], seq, plaintext: text(length) }),
    ),
    ...[0, 1, 0x01020304, 0x7fffffff, 0x80000000, LAST_SEQ].map((seq) =>
      good(`seq ${seq}`, ['SEQ'], { suite, key, type: TYPE.DATA, seq, plaintext: text(5) }),
    ),
    ...[0, 1, 15, 16, 17, 63, 64, 65, 451, 452].map((length) =>
      good(`plaintext of ${length} bytes`, ['LENGTH'], {
        suite,
        key,
        type: TYPE.DATA,
        seq: 3,
        plaintext: text(length),
      }),
    ),
    good('type 0x0c, as an extension would use it', ['TYPE'], { suite, key, type: 0x0c, seq: 1, plaintext: text(3) }),
  ]
}

function openTests(suite, sender) {
  const [key, seq] = [KEYS[sender], 0x0102]
  const plaintext = bytesFrom('sealed/open', 20)
  const base = { suite, key, sessionId: SESSION_ID, type: TYPE.DATA, seq, plaintext }
  const bytes = seal(base)
  const sealed = (changes) => seal({ ...base, ...changes })
  const retyped = (type) => mend(concat(bytes.subarray(0, 3), [type], bytes.subarray(4)))
  const withPayload = (payload) => frame(2, TYPE.DATA, seq, payload)
  const payload = bytes.subarray(12)

  const fails = (error, comment, flags, changed, { expected = seq, first = false } = {}) =>
    invalid(error, comment, flags, { frame: changed, expected_seq: expected, first })
  // The same fault twice: as the first sealed frame ever it speaks for another suite, later for a forgery.
  const tagFails = (comment, flags, changed, options) => [
    fails('DECRYPT_FAILED', comment, flags, changed, options),
    fails('SUITE_MISMATCH', `${comment}, first frame`, [...flags, 'FIRST'], changed, { ...options, first: true }),
  ]
  const hexByte = (value) => `0x${value.toString(16).padStart(2, '0')}`
  const sealedTypes = [5, 6, 7, 8, 9, 11]

  return [
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((bit) => {
      const type = TYPE.DATA ^ (1 << bit)
      const error = sealedTypes.includes(type) ? 'DECRYPT_FAILED' : 'UNEXPECTED_PACKET'
      return fails(error, `type turned from 0x05 to ${hexByte(type)}`, ['HEADER'], retyped(type))
    }),
    ...[TYPE.PING, TYPE.BYE, TYPE.REKEY].map((type) =>
      fails('DECRYPT_FAILED', `DATA passed off as ${hexByte(type)}`, ['HEADER'], retyped(type)),
    ),
    ...tagFails('DATA passed off as DATA_FRAG', ['HEADER'], retyped(TYPE.DATA_FRAG)),
    fails('BAD_NONCE', 'lowest bit of seq turned', ['HEADER', 'NONCE'], mend(flip(bytes, 4))),
    fails('BAD_NONCE', 'highest bit of seq turned', ['HEADER', 'NONCE'], mend(flip(bytes, 7, 7))),
    fails('BAD_NONCE', 'seq turned to the expected one', ['HEADER', 'NONCE'], mend(flip(bytes, 4)), {
      expected: seq ^ 1,
    }),
    ...tagFails('seq turned in header and nonce', ['HEADER', 'NONCE'], mend(flip(flip(bytes, 4), 12)), {
      expected: seq ^ 1,
    }),
    fails(
      'DECRYPT_FAILED',
      'last byte gone, length to match',
      ['HEADER', 'TAG'],
      mend(bytes.subarray(0, -1), { length: true }),
    ),
    fails(
      'DECRYPT_FAILED',
      'one byte more, length to match',
      ['HEADER', 'TAG'],
      mend(concat(bytes, [0]), { length: true }),
    ),
    fails(
      'DECRYPT_FAILED',
      'the tag cut to 12 bytes, length to match',
      ['TAG'],
      mend(bytes.subarray(0, -4), { length: true }),
    ),
    ...[0, 3, 4, 11].map((index) =>
      fails('BAD_NONCE', `byte ${index} of the nonce turned`, ['NONCE'], mend(flip(bytes, 12 + index))),
    ),
    fails(
      'BAD_NONCE',
      'nonce of another session, sealed with it',
      ['NONCE'],
      sealed({ nonce: sealNonce(seq, bytesFrom('sealed/other', 16)) }),
    ),
    fails(
      'BAD_NONCE',
      'nonce with seq in big-endian order, sealed with it',
      ['NONCE'],
      sealed({ nonce: concat([0, 0, 1, 2], SESSION_ID.subarray(0, 8)) }),
    ),
    fails(
      'BAD_NONCE',
      'nonce with the last 8 bytes of the session id, sealed with it',
      ['NONCE'],
      sealed({ nonce: sealNonce(seq, SESSION_ID.subarray(8)) }),
    ),
    fails('BAD_NONCE', 'nonce and tag turned', ['NONCE', 'ORDER'], mend(flip(flip(bytes, 12), -1)), { first: true }),
    ...tagFails('first byte of the ciphertext turned', ['CIPHERTEXT'], mend(flip(bytes, 24))),
    ...tagFails('last byte of the ciphertext turned', ['CIPHERTEXT'], mend(flip(bytes, -17, 7))),
    ...[0, 7, 15].map((index) =>
      fails('DECRYPT_FAILED', `byte ${index} of the tag turned`, ['TAG'], mend(flip(bytes, -16 + index))),
    ),
    ...tagFails('last bit of the tag turned', ['TAG'], mend(flip(bytes, -1, 7))),
    fails('DECRYPT_FAILED', 'tag zero', ['TAG'], mend(concat(bytes.subarray(0, -16), Buffer.alloc(16)))),
    ...tagFails('tag turned, no plaintext', ['TAG'], mend(flip(sealed({ plaintext: Buffer.alloc(0) }), -1))),
    ...tagFails(
      'tag turned, 452 bytes of plaintext',
      ['TAG'],
      mend(flip(sealed({ plaintext: bytesFrom('sealed/452', 452) }), -1)),
    ),
    ...tagFails('sealed with the key of the other direction', ['WRONG_KEY'], sealed({ key: KEYS[other[sender]] })),
    ...tagFails('sealed with a key of zeros', ['WRONG_KEY'], sealed({ key: Buffer.alloc(32) })),
    ...tagFails('sealed with the other suite', ['WRONG_SUITE'], sealed({ suite: 3 - suite })),
    ...tagFails(
      'additional data with the length of the plaintext',
      ['AAD'],
      sealed({ aad: header(2, TYPE.DATA, seq, plaintext.length) }),
    ),
    ...tagFails(
      'additional data without length',
      ['AAD'],
      sealed({ aad: header(2, TYPE.DATA, seq, 0).subarray(0, 8) }),
    ),
    ...tagFails('additional data with the whole header of 12 bytes', ['AAD'], sealed({ aad: bytes.subarray(0, 12) })),
    ...tagFails('additional data empty', ['AAD'], sealed({ aad: Buffer.alloc(0) })),
    ...[0, 1, 12, 16, 27].map((length) =>
      fails('BAD_PAYLOAD', `payload of ${length} bytes`, ['SHORT'], withPayload(payload.subarray(0, length))),
    ),
    fails(
      'BAD_PAYLOAD',
      'payload of 27 bytes and a wrong nonce, first frame',
      ['SHORT', 'ORDER'],
      withPayload(Buffer.alloc(27)),
      { first: true },
    ),
    fails('BAD_NONCE', 'payload of 28 zero bytes', ['SHORT', 'ORDER'], withPayload(Buffer.alloc(28))),
    fails('UNEXPECTED_PACKET', 'a handshake type and a short payload', ['ORDER'], frame(2, TYPE.HELLO, seq, [])),
    fails('UNEXPECTED_PACKET', 'type 0x0c, good under its tag, not registered', ['ORDER'], sealed({ type: 0x0c })),
    fails('UNEXPECTED_PACKET', 'type 0xfe, good under its tag, not registered', ['ORDER'], sealed({ type: 0xfe })),
    fails('UNEXPECTED_PACKET', 'HELLO_RETRY, good under its tag', ['ORDER'], sealed({ type: TYPE.HELLO_RETRY })),
    ...tagFails('tag wrong and seq not the next', ['TAG', 'ORDER'], mend(flip(bytes, -1)), { expected: seq + 1 }),
    fails('SEQ_MISMATCH', 'a good frame once more', ['SEQ_ORDER'], bytes, { expected: seq + 1 }),
    fails('SEQ_MISMATCH', 'a good frame, one left out', ['SEQ_ORDER'], bytes, { expected: seq - 1 }),
    fails('SEQ_MISMATCH', 'a good frame, the first one is missing', ['SEQ_ORDER', 'FIRST'], bytes, {
      expected: 0,
      first: true,
    }),
    fails('SEQ_EXHAUSTED', 'seq 0xffffffff under a good tag', ['SEQ_END'], sealed({ seq: 0xffffffff }), {
      expected: 0xffffffff,
    }),
    fails(
      'SEQ_EXHAUSTED',
      'seq 0xffffffff under a good tag, and not the next',
      ['SEQ_END', 'ORDER'],
      sealed({ seq: 0xffffffff }),
    ),
    ...tagFails('seq 0xffffffff under a wrong tag', ['SEQ_END', 'TAG'], mend(flip(sealed({ seq: 0xffffffff }), -1)), {
      expected: 0xffffffff,
    }),
  ]
}

const params = (op, version, suite, sender, key = KEYS[sender], sessionId = SESSION_ID) => ({
  op,
  version,
  suite,
  sender,
  key: hex(key),
  session_id: hex(sessionId),
})

/** The frames printed in the specification. */
function exampleGroup(suite, sender, frames) {
  const [key, sessionId] = [sender === 'client' ? EXAMPLE_KEYS.c2s : EXAMPLE_KEYS.s2c, EXAMPLE.sessionId]
  return {
    params: params('seal', 2, suite, sender, key, sessionId),
    tests: frames.map(([type, seq, plaintext]) =>
      good(`the example of the specification, seq ${seq}`, ['PRINTED'], {
        suite,
        key,
        sessionId,
        type,
        seq,
        plaintext: ascii(plaintext),
      }),
    ),
  }
}

export default function () {
  const pairs = [1, 2].flatMap((suite) => ['client', 'server'].map((sender) => [suite, sender]))
  return topic({
    topic: 'sealed',
    source: 'spec 4.1 to 4.3',
    notes: {
      PRINTED: 'Spec 4.15.',
      TYPE: 'Sealing is the same for every type.',
      SEQ: 'seq stands little-endian in header and nonce, also where signed arithmetic goes wrong.',
      LENGTH: 'Plaintexts around the block sizes and at both limits.',
      HEADER:
        'Every byte of the header but the CRC is additional data. The CRC of the changed frame is right, so the cryptographic check must find it.',
      NONCE: 'The nonce is sent, and must be the one computed from seq and session id.',
      CIPHERTEXT: 'A bit of the ciphertext turned.',
      TAG: 'The tag is compared over all of its 16 bytes.',
      WRONG_KEY: 'Each direction has its own key. Catches a receiver that opens what it sent itself.',
      WRONG_SUITE: 'The suite is configured, not negotiated: a peer with another one fails here.',
      AAD: 'A sealer with other additional data. Catches the same misreading at the receiver.',
      SHORT: 'A payload without room for nonce and tag.',
      FIRST: 'On ordered transports a wrong tag on the very first sealed frame most likely means another suite.',
      ORDER: 'Several faults at once: type, payload length, nonce, tag, end of the numbers, seq.',
      SEQ_ORDER: 'On ordered transports seq must be the next one. Judged under a good tag only.',
      SEQ_END:
        '0xffffffff is never sent. Catches judging it before the tag, by which one forged frame would end a session.',
      WIRE_V1:
        'Wire version 1: version byte 1 under the tag, suite 1, one key for both directions. Leave the group out otherwise.',
    },
    groups: [
      ...pairs.map(([suite, sender]) => ({
        params: params('seal', 2, suite, sender),
        tests: sealTests(suite, sender),
      })),
      ...pairs.map(([suite, sender]) => ({
        params: params('open', 2, suite, sender),
        tests: openTests(suite, sender),
      })),
      exampleGroup(1, 'client', [
        [TYPE.DATA, 0, 'hello'],
        [TYPE.PING, 1, ''],
      ]),
      exampleGroup(1, 'server', [[TYPE.PONG, 0, '']]),
      exampleGroup(2, 'client', [[TYPE.DATA, 0, 'hello']]),
      ...['client', 'server'].map((sender) => ({
        params: params('seal', 1, 1, sender, KEYS.client),
        tests: [0, 5, 452].map((length) =>
          good(`plaintext of ${length} bytes`, ['WIRE_V1'], {
            version: 1,
            suite: 1,
            key: KEYS.client,
            type: TYPE.DATA,
            seq: length,
            plaintext: bytesFrom(`sealed/v1/${sender}`, length),
          }),
        ),
      })),
    ],
  })
}
