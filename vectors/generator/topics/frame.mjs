import {
  bytesFrom,
  concat,
  crc16,
  flip,
  frame,
  header,
  invalid,
  MAX_PAYLOAD,
  mend,
  TYPE,
  topic,
  u16,
  valid,
} from '../lib.mjs'

const codec = (version, comment, flags, { type, seq, payload }) =>
  valid(comment, flags, { type, seq, payload }, { frame: frame(version, type, seq, payload) })

const decodeFails = (error, comment, flags, bytes) => invalid(error, comment, flags, { frame: bytes })
const encodeFails = (comment, inputs) => invalid('INVALID_ARGUMENT', comment, ['ENCODE_LIMIT'], inputs)

function codecTests() {
  const tests = []
  for (let type = 0x01; type <= 0xff; type++) {
    const payload = bytesFrom(`frame/type/${type}`, 3)
    tests.push(codec(2, `type 0x${type.toString(16).padStart(2, '0')}`, ['TYPE'], { type, seq: type, payload }))
  }
  for (const seq of [0, 1, 0xff, 0x100, 0x01020304, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]) {
    tests.push(codec(2, `seq ${seq}`, ['SEQ'], { type: TYPE.DATA, seq, payload: bytesFrom('frame/seq', 4) }))
  }
  for (const length of [0, 1, 2, 255, 256, 257, 479, MAX_PAYLOAD]) {
    const payload = bytesFrom(`frame/length/${length}`, length)
    tests.push(codec(2, `payload of ${length} bytes`, ['LENGTH'], { type: TYPE.DATA, seq: 7, payload }))
  }
  const inner = frame(2, TYPE.PING, 1, Buffer.alloc(0))
  tests.push(codec(2, 'a frame as payload', ['LENGTH'], { type: TYPE.DATA, seq: 8, payload: inner }))
  return tests
}

const GOOD = frame(2, TYPE.DATA, 0x01020304, bytesFrom('frame/good', 5))

function ruleTests() {
  const big = (length) => mend(concat(header(2, TYPE.DATA, 1, length), [0, 0], bytesFrom('frame/big', length)))
  const tests = [
    decodeFails('BAD_MAGIC', 'first magic byte wrong', ['MAGIC'], mend(flip(GOOD, 0))),
    decodeFails('BAD_MAGIC', 'second magic byte wrong', ['MAGIC'], mend(flip(GOOD, 1))),
    decodeFails('BAD_MAGIC', 'magic in big-endian order', ['MAGIC'], mend(concat([0xab, 0xcd], GOOD.subarray(2)))),
    decodeFails(
      'BAD_MAGIC',
      'an acknowledgement of the datagram layer',
      ['MAGIC'],
      Buffer.from('acac0100000000', 'hex'),
    ),
    decodeFails('BAD_MAGIC', 'text', ['MAGIC'], Buffer.from('GET / HTTP/1.1\r\n')),
    ...[0, 1, 3, 255].map((version) =>
      decodeFails(
        'BAD_VERSION',
        `version ${version}`,
        ['VERSION'],
        frame(version, TYPE.DATA, 1, bytesFrom('frame/v', 4)),
      ),
    ),
    decodeFails('BAD_TYPE', 'type 0x00', ['TYPE'], frame(2, 0, 1, bytesFrom('frame/t0', 4))),
    decodeFails('BAD_LENGTH', 'length 481, and all bytes there', ['LENGTH'], big(481)),
    ...[481, 482, 512, 0x8000, 0xffff].map((length) =>
      decodeFails(
        'BAD_LENGTH',
        `length ${length}, header alone`,
        ['LENGTH'],
        mend(concat(header(2, TYPE.DATA, 1, length), [0, 0])),
      ),
    ),
    ...[0, 1, 7, 15].map((bit) =>
      decodeFails('BAD_CRC', `bit ${bit} of the CRC turned`, ['CRC'], flip(GOOD, 10 + (bit >> 3), bit & 7)),
    ),
    decodeFails(
      'BAD_CRC',
      'CRC in big-endian order',
      ['CRC'],
      concat(GOOD.subarray(0, 10), [GOOD[11], GOOD[10]], GOOD.subarray(12)),
    ),
    decodeFails('BAD_CRC', 'CRC zero', ['CRC'], concat(GOOD.subarray(0, 10), [0, 0], GOOD.subarray(12))),
    decodeFails(
      'BAD_CRC',
      'CRC over the payload alone',
      ['CRC'],
      concat(GOOD.subarray(0, 10), u16(crc16(GOOD.subarray(12))), GOOD.subarray(12)),
    ),
    decodeFails(
      'BAD_CRC',
      'CRC over the header alone',
      ['CRC'],
      concat(GOOD.subarray(0, 10), u16(crc16(GOOD.subarray(0, 10))), GOOD.subarray(12)),
    ),
    decodeFails('BAD_CRC', 'type turned, CRC left', ['CRC'], flip(GOOD, 3)),
    decodeFails('BAD_CRC', 'seq turned, CRC left', ['CRC'], flip(GOOD, 7, 7)),
    decodeFails('BAD_CRC', 'first byte of the payload turned, CRC left', ['CRC'], flip(GOOD, 12)),
    decodeFails('BAD_CRC', 'last byte of the payload turned, CRC left', ['CRC'], flip(GOOD, -1, 7)),
    decodeFails('TRAILING_BYTES', 'one byte behind', ['TRAILING'], concat(GOOD, [0])),
    decodeFails('TRAILING_BYTES', 'a second frame behind', ['TRAILING'], concat(GOOD, GOOD)),
    decodeFails(
      'TRAILING_BYTES',
      'length one less than the payload',
      ['TRAILING'],
      mend(concat(header(2, TYPE.DATA, 1, 4), GOOD.subarray(10))),
    ),
    decodeFails(
      'INCOMPLETE',
      'length one more than the payload',
      ['TRUNCATED'],
      mend(concat(header(2, TYPE.DATA, 1, 6), GOOD.subarray(10))),
    ),
  ]
  for (let cut = 0; cut < GOOD.length; cut++) {
    tests.push(
      decodeFails(
        'INCOMPLETE',
        `a good frame cut to ${cut} of ${GOOD.length} bytes`,
        ['TRUNCATED'],
        GOOD.subarray(0, cut),
      ),
    )
  }
  const full = frame(2, TYPE.DATA, 1, bytesFrom('frame/full', MAX_PAYLOAD))
  tests.push(decodeFails('INCOMPLETE', 'the longest frame without its last byte', ['TRUNCATED'], full.subarray(0, -1)))
  return tests
}

function shortTests() {
  const short = (error, comment, text) => decodeFails(error, comment, ['SHORT_FAULT'], Buffer.from(text, 'hex'))
  return [
    short('INCOMPLETE', 'one byte that no frame begins with', '00'),
    short('BAD_MAGIC', 'two bytes that no frame begins with', '0000'),
    short('BAD_MAGIC', 'first byte right, second wrong', 'cdac'),
    short('BAD_MAGIC', 'first byte wrong, second right', 'ceab'),
    short('BAD_VERSION', 'three bytes, version wrong', 'cdab03'),
    short('BAD_TYPE', 'four bytes, type 0x00', 'cdab0200'),
    short('INCOMPLETE', 'nine bytes, length not whole yet', 'cdab020500000000e1'),
    short('INCOMPLETE', 'nine bytes, length begins with 0xff', 'cdab020500000000ff'),
    short('BAD_LENGTH', 'ten bytes, length 481', 'cdab020500000000e101'),
    short('INCOMPLETE', 'ten bytes, length 480', 'cdab020500000000e001'),
    short('BAD_LENGTH', 'eleven bytes, length 0xffff', 'cdab020500000000ffff00'),
  ]
}

// In the order in which they are judged: the first one present in a frame is the one reported.
const FAULTS = ['BAD_MAGIC', 'BAD_VERSION', 'BAD_TYPE', 'BAD_LENGTH', 'INCOMPLETE', 'TRAILING_BYTES', 'BAD_CRC']

function precedenceTests() {
  const tests = []
  for (let set = 0; set < 1 << FAULTS.length; set++) {
    const faults = FAULTS.filter((_, index) => set & (1 << index))
    const has = (fault) => faults.includes(fault)
    if (faults.length < 2 || (has('INCOMPLETE') && has('TRAILING_BYTES'))) continue
    let bytes = frame(2, TYPE.DATA, 9, bytesFrom('frame/precedence', 6))
    if (has('BAD_MAGIC')) bytes[1] = 0xaa
    if (has('BAD_VERSION')) bytes[2] = 9
    if (has('BAD_TYPE')) bytes[3] = 0
    if (has('BAD_LENGTH')) bytes.writeUInt16LE(481, 8)
    bytes = mend(bytes)
    if (has('BAD_CRC')) bytes[10] ^= 1
    if (has('INCOMPLETE')) bytes = bytes.subarray(0, -2)
    if (has('TRAILING_BYTES')) bytes = concat(bytes, [1, 2])
    tests.push(decodeFails(faults[0], faults.join(' + '), ['PRECEDENCE'], bytes))
  }
  return tests
}

export default function () {
  const payload = bytesFrom('frame/version-1', 4)
  return topic({
    topic: 'frame',
    source: 'spec 1.1 to 1.4',
    notes: {
      TYPE: 'The codec takes every type but 0x00; whether a type is allowed is for the layers above. Catches a codec that knows only the types in use.',
      SEQ: 'Values at which signed arithmetic and byte order go wrong. 0xffffffff is never sent in a session, yet the codec carries it.',
      LENGTH:
        'Payloads at both limits, and a length field over 480. Catches an off-by-one, and a reader that trusts the field.',
      ENCODE_LIMIT: 'What must not leave: type 0x00 and a payload over 480 bytes.',
      MAGIC: 'Another start than CD AB.',
      VERSION:
        'The version byte is not the one spoken here. Catches a reader that takes older or newer frames for its own.',
      CRC: 'Every field is under the CRC, which is little-endian. Catches a CRC that is not checked, or over another range.',
      TRAILING: 'A datagram, a message or a packet carries one frame and nothing behind it.',
      TRUNCATED: 'A good frame, cut. Catches reads beyond the end.',
      SHORT_FAULT: 'A fault is reported as soon as the bytes of its field are there, and not before.',
      PRECEDENCE:
        'Several faults in one frame: the fields are judged in the order of their bytes, missing and surplus bytes after them, the CRC last.',
      WIRE_V1: 'Wire version 1, for implementations that can reach old firmware. Leave the group out otherwise.',
    },
    groups: [
      { params: { op: 'codec', version: 2 }, tests: codecTests() },
      { params: { op: 'decode', version: 2 }, tests: [...ruleTests(), ...shortTests(), ...precedenceTests()] },
      {
        params: { op: 'encode', version: 2 },
        tests: [
          encodeFails('type 0x00', { type: 0, seq: 0, payload: Buffer.alloc(0) }),
          encodeFails('payload of 481 bytes', { type: TYPE.DATA, seq: 0, payload: bytesFrom('frame/481', 481) }),
        ],
      },
      {
        params: { op: 'codec', version: 1 },
        tests: [1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff].map((type) =>
          codec(1, `type 0x${type.toString(16).padStart(2, '0')}`, ['WIRE_V1', 'TYPE'], { type, seq: type, payload }),
        ),
      },
      {
        params: { op: 'decode', version: 1 },
        tests: [
          decodeFails('BAD_VERSION', 'a frame of version 2', ['WIRE_V1', 'VERSION'], frame(2, TYPE.DATA, 1, payload)),
          decodeFails(
            'BAD_CRC',
            'the version byte turned into 1, CRC left',
            ['WIRE_V1', 'CRC'],
            concat(frame(2, TYPE.DATA, 1, payload).fill(1, 2, 3)),
          ),
        ],
      },
    ],
  })
}
