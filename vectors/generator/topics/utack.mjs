import { EXAMPLE_KEYS } from '../example.mjs'
import { bytesFrom, concat, flip, hmac, invalid, TYPE, topic, u32, unhex, valid } from '../lib.mjs'

const KEY = bytesFrom('utack/key', 32)
const COUNTING = unhex('0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20')
const NO_KEY = Buffer.alloc(0)

function utack(type, seq, key) {
  const head = concat([0xac, 0xac, type], u32(seq))
  return type >= 5 && type !== TYPE.HELLO_RETRY ? concat(head, hmac(key, head).subarray(0, 8)) : head
}

const made = (comment, flags, { type, seq, key = KEY }) =>
  valid(comment, flags, { type, seq, key }, { utack: utack(type, seq, key) })
const drops = (comment, flags, bytes, key = KEY) => invalid('DROPPED', comment, flags, { key, utack: bytes })

export default function () {
  const good = utack(TYPE.DATA, 0x01020304, KEY)
  const plain = good.subarray(0, 7)
  return topic({
    topic: 'utack',
    source: 'spec 7.3',
    notes: {
      CHECK_VALUE: 'Values printed in spec 7.3.',
      TYPE: 'A mac for the types of a session, none for those of the handshake.',
      NO_KEY: 'HELLO_RETRY is acknowledged before there are keys, so without mac.',
      SEQ: 'seq is little-endian, and under the mac.',
      FORGED: 'The mac covers magic, type and seq, is compared over all of its 8 bytes, and cannot be left out.',
      MALFORMED:
        'Another length than the type asks for, or no acknowledgement at all. Published peers take surplus bytes.',
    },
    groups: [
      {
        params: { op: 'encode' },
        tests: [
          made('the check value', ['CHECK_VALUE'], { type: 5, seq: 7, key: COUNTING }),
          made('DATA of the worked example', ['CHECK_VALUE'], { type: TYPE.DATA, seq: 0, key: EXAMPLE_KEYS.c2s }),
          ...[1, 2, 3, 4].map((type) => made(`handshake type ${type}`, ['TYPE'], { type, seq: type - 1, key: NO_KEY })),
          ...[1, 2, 3, 4].map((type) =>
            made(`handshake type ${type}, keys are there already`, ['TYPE'], { type, seq: 0 }),
          ),
          ...[5, 6, 7, 8, 9, 11, 12, 0xfe].map((type) => made(`type ${type}`, ['TYPE'], { type, seq: 3 })),
          made('HELLO_RETRY', ['NO_KEY'], { type: TYPE.HELLO_RETRY, seq: 0, key: NO_KEY }),
          ...[0, 1, 0x01020304, 0x80000000, 0xfffffffe].map((seq) =>
            made(`seq ${seq}`, ['SEQ'], { type: TYPE.DATA, seq }),
          ),
        ],
      },
      {
        params: { op: 'verify' },
        tests: [
          valid('a good one', ['TYPE'], { key: KEY, utack: good }, { type: TYPE.DATA, seq: 0x01020304 }),
          valid(
            'handshake type, plain',
            ['TYPE'],
            { key: NO_KEY, utack: utack(TYPE.HELLO, 0, NO_KEY) },
            { type: TYPE.HELLO, seq: 0 },
          ),
          valid(
            'handshake type, plain, keys are there already',
            ['TYPE'],
            { key: KEY, utack: utack(TYPE.SESSION_OK, 0, KEY) },
            { type: TYPE.SESSION_OK, seq: 0 },
          ),
          drops('session type without mac', ['FORGED'], plain),
          drops('session type without mac, no keys yet', ['FORGED'], plain, NO_KEY),
          drops('session type with a mac, no keys yet', ['FORGED'], good, NO_KEY),
          drops('mac cut to 7 bytes', ['FORGED', 'MALFORMED'], good.subarray(0, -1)),
          drops('mac cut to 4 bytes', ['FORGED', 'MALFORMED'], good.subarray(0, -4)),
          drops('mac zero', ['FORGED'], concat(plain, Buffer.alloc(8))),
          ...[7, 10, 14].map((index) => drops(`byte ${index - 7} of the mac turned`, ['FORGED'], flip(good, index))),
          drops('type turned from DATA to PONG', ['FORGED'], flip(good, 2, 1)),
          drops('first byte of seq turned', ['FORGED'], flip(good, 3)),
          drops('last byte of seq turned', ['FORGED'], flip(good, 6, 7)),
          drops('mac under another key', ['FORGED'], utack(TYPE.DATA, 0x01020304, COUNTING)),
          drops('mac over the last 8 bytes of the HMAC', ['FORGED'], concat(plain, hmac(KEY, plain).subarray(-8))),
          drops('mac over type and seq alone', ['FORGED'], concat(plain, hmac(KEY, plain.subarray(2)).subarray(0, 8))),
          drops('a good one and a byte behind it', ['MALFORMED'], concat(good, [0])),
          drops('handshake type with a byte behind it', ['MALFORMED'], concat(utack(TYPE.HELLO, 0, NO_KEY), [0])),
          drops(
            'handshake type with 8 bytes behind it',
            ['MALFORMED'],
            concat(utack(TYPE.HELLO, 0, NO_KEY), hmac(KEY, utack(TYPE.HELLO, 0, NO_KEY)).subarray(0, 8)),
          ),
          drops('no bytes', ['MALFORMED'], Buffer.alloc(0)),
          drops('magic alone', ['MALFORMED'], good.subarray(0, 2)),
          drops('6 bytes', ['MALFORMED'], utack(TYPE.HELLO, 0, NO_KEY).subarray(0, 6)),
          drops('second magic byte wrong', ['MALFORMED'], flip(good, 1)),
          drops('handshake type, first magic byte wrong', ['MALFORMED'], flip(utack(TYPE.HELLO, 0, NO_KEY), 0)),
        ],
      },
    ],
  })
}
