import { ascii, bytesFrom, crc16, topic, u16, valid } from '../lib.mjs'

const test = (comment, flags, input) => valid(comment, flags, { input }, { crc: crc16(input), wire: u16(crc16(input)) })

export default function () {
  return topic({
    topic: 'crc16',
    source: 'spec 1.2',
    notes: {
      CHECK_VALUE:
        'A value printed in the specification. Catches another polynomial, bit order, start value or final xor.',
      LENGTH: 'Lengths around those that occur. Catches a loop that stops early or reads one byte too many.',
      BIT_PATTERN: 'Single bits and runs of one value. Catches faults of a lookup table in single entries.',
    },
    groups: [
      {
        params: { op: 'crc16' },
        tests: [
          test('the check string 123456789', ['CHECK_VALUE'], ascii('123456789')),
          test('the string hello', ['CHECK_VALUE'], ascii('hello')),
          test('no input', ['CHECK_VALUE'], Buffer.alloc(0)),
          ...[1, 2, 3, 7, 8, 9, 10, 22, 255, 256, 257, 490].map((length) =>
            test(`${length} bytes`, ['LENGTH'], bytesFrom('crc16', length)),
          ),
          ...[0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff].map((byte) =>
            test(`the single byte ${byte}`, ['BIT_PATTERN'], Buffer.from([byte])),
          ),
          test(
            'every byte value once, so every entry of a table',
            ['BIT_PATTERN'],
            Buffer.from([...Array(256).keys()]),
          ),
          test('490 zero bytes', ['BIT_PATTERN'], Buffer.alloc(490)),
          test('490 bytes 0xff', ['BIT_PATTERN'], Buffer.alloc(490, 0xff)),
        ],
      },
    ],
  })
}
