import { EXAMPLE_KEYS } from '../example.mjs'
import { ascii, bytesFrom, concat, flip, frame, invalid, TYPE, topic, valid } from '../lib.mjs'
import { sealed } from '../script.mjs'

const MAX_RUN = 254

/** The data between zeros, each part led by its length plus one; parts of 254 bytes and more are cut into full runs first. */
function encode(data) {
  const parts = [[]]
  for (const byte of data) byte === 0 ? parts.push([]) : parts.at(-1).push(byte)
  const output = []
  parts.forEach((part, index) => {
    let rest = part
    for (; rest.length >= MAX_RUN; rest = rest.slice(MAX_RUN)) output.push(MAX_RUN + 1, ...rest.slice(0, MAX_RUN))
    const endsWithFullRun = index === parts.length - 1 && part.length > 0 && rest.length === 0
    if (!endsWithFullRun) output.push(rest.length + 1, ...rest)
  })
  return Buffer.from(output)
}

const ones = (length) => Buffer.alloc(length, 0x11)
const zeros = (length) => Buffer.alloc(length)
const hexBytes = (text) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const ping = (seq) => frame(2, TYPE.PING, seq, bytesFrom('cobs/ping', 28))
const longest = frame(
  2,
  TYPE.DATA,
  0x11111111,
  bytesFrom('cobs/longest', 480).map((byte) => byte || 1),
)
const packet = (bytes) => concat([0], encode(bytes), [0])

const codec = (comment, flags, data) => valid(comment, flags, { data }, { encoded: encode(data) })

function codecTests() {
  return [
    codec('no data', ['ZEROS'], zeros(0)),
    codec('one zero', ['ZEROS'], zeros(1)),
    codec('two zeros', ['ZEROS'], zeros(2)),
    codec('00 11 00', ['ZEROS'], hexBytes('00 11 00')),
    codec('11 22 00 33', ['ZEROS'], hexBytes('11 22 00 33')),
    codec('11 22 33 44', ['ZEROS'], hexBytes('11 22 33 44')),
    codec('11 00 00 00', ['ZEROS'], hexBytes('11 00 00 00')),
    ...[253, 254, 255, 256, 491, 492].map((length) => codec(`${length} bytes without zero`, ['RUN'], ones(length))),
    codec('253 bytes, then a zero', ['RUN'], concat(ones(253), [0])),
    codec('254 bytes, then a zero', ['RUN'], concat(ones(254), [0])),
    codec('254 bytes, then a zero and a byte', ['RUN'], concat(ones(254), [0, 0x22])),
    codec('255 bytes, then a zero', ['RUN'], concat(ones(255), [0])),
    codec('a zero, then 254 bytes', ['RUN'], concat([0], ones(254))),
    codec('a zero, then 255 bytes', ['RUN'], concat([0], ones(255))),
    codec('492 zeros', ['ZEROS'], zeros(492)),
    codec('every byte value, upwards', ['RUN'], Buffer.from([...Array(256).keys()])),
    codec('the PING of the worked example', ['PRINTED'], sealed(1, EXAMPLE_KEYS.c2s, TYPE.PING, 1)),
    codec('a frame', ['FRAME'], ping(1)),
    codec('the longest frame, with a payload without zero', ['FRAME'], longest),
  ]
}

const malformed = (comment, text) => invalid('BAD_COBS', comment, ['MALFORMED'], { encoded: hexBytes(text) })

function decodeTests() {
  return [
    malformed('distance beyond the end', '05 11 22'),
    malformed('distance beyond the end by one', '04 11 22'),
    malformed('distance alone', '02'),
    malformed('distance 255 alone', 'ff'),
    malformed('second distance beyond the end', '02 11 03 22'),
    malformed('distance 0 first', '00'),
    malformed('distance 0 within', '02 11 00 02 22'),
    malformed('zero within a run', '04 11 00 22'),
    valid(
      'a full run with an empty end behind it',
      ['LONG_FORM'],
      { encoded: concat([0xff], ones(254), [1]) },
      { data: ones(254) },
    ),
  ]
}

const takes = (comment, flags, bytes) => valid(comment, flags, { packet: encode(bytes) }, { frame: bytes })
const refuses = (error, comment, flags, bytes) => invalid(error, comment, flags, { packet: bytes })

function packetTests() {
  const good = ping(7)
  return [
    takes('a frame', ['FRAME'], good),
    takes('the longest frame, 494 bytes encoded', ['FRAME', 'OVERLONG'], longest),
    refuses('BAD_COBS', 'distance beyond the end', ['MALFORMED'], encode(good).subarray(0, -1)),
    refuses('BAD_COBS', '495 bytes encoded', ['OVERLONG'], encode(ones(493))),
    refuses('BAD_COBS', '600 zeros, 601 bytes encoded', ['OVERLONG'], encode(zeros(600))),
    refuses('INCOMPLETE', 'half a frame', ['ONE_FRAME'], encode(good.subarray(0, 20))),
    refuses('INCOMPLETE', 'a header without its payload', ['ONE_FRAME'], encode(good.subarray(0, 12))),
    refuses('TRAILING_BYTES', 'a frame and a zero', ['ONE_FRAME'], encode(concat(good, [0]))),
    refuses('TRAILING_BYTES', 'two frames', ['ONE_FRAME'], encode(concat(good, good))),
    refuses('BAD_CRC', 'a frame with a bit turned', ['ONE_FRAME'], encode(flip(good, -1))),
    refuses('BAD_VERSION', 'a frame of version 1', ['ONE_FRAME'], encode(frame(1, TYPE.PING, 1, []))),
    refuses('BAD_MAGIC', 'text', ['ONE_FRAME'], encode(ascii('hello'))),
  ]
}

const line = (comment, flags, bytes, frames, dropped) => valid(comment, flags, { line: bytes }, { frames, dropped })

const BOOT_LOG = ascii(
  'ESP-ROM:esp32c3-api1-20210207\r\nrst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\r\nI (24) boot: starting\r\n',
)

function lineTests() {
  const [a, b, c] = [ping(1), ping(2), longest]
  const noise = bytesFrom('cobs/noise', 40).map((byte) => byte || 1)
  return [
    line('nothing', ['SILENCE'], zeros(0), [], 0),
    line('zeros alone: empty packets', ['SILENCE'], zeros(9), [], 0),
    line('one frame', ['FRAMES'], packet(a), [a], 0),
    line('three frames', ['FRAMES'], concat(packet(a), packet(b), packet(c)), [a, b, c], 0),
    line(
      'three frames with one zero between them',
      ['FRAMES'],
      concat([0], encode(a), [0], encode(b), [0], encode(c), [0]),
      [a, b, c],
      0,
    ),
    line('the first zero is missing', ['FRAMES'], concat(encode(a), [0]), [a], 0),
    line('the last zero is missing: the packet has no end yet', ['SILENCE'], concat(packet(a), [0], encode(b)), [a], 0),
    line('zeros between frames', ['SILENCE'], concat(packet(a), zeros(5), packet(b)), [a, b], 0),
    line('a boot log before', ['NOISE'], concat(BOOT_LOG, packet(a)), [a], 1),
    line('a boot log between', ['NOISE'], concat(packet(a), BOOT_LOG, packet(b)), [a, b], 1),
    line('a boot log of more than one packet', ['NOISE'], concat(BOOT_LOG, [0], BOOT_LOG, [0], packet(a)), [a], 2),
    line('one byte of noise before', ['NOISE'], concat([0x55], packet(a)), [a], 1),
    line(
      'noise right before a frame that begins without zero',
      ['NOISE'],
      concat(noise, encode(a), [0], packet(b)),
      [b],
      1,
    ),
    line(
      'a break: zeros in the middle of a packet',
      ['NOISE'],
      concat([0], encode(a).subarray(0, 20), zeros(3), encode(a).subarray(20), [0], packet(b)),
      [b],
      2,
    ),
    line(
      'a frame cut short by a restart, boot log behind it',
      ['NOISE'],
      concat([0], encode(a).subarray(0, 15), BOOT_LOG, packet(b)),
      [b],
      1,
    ),
    line(
      'a byte lost',
      ['DAMAGE'],
      concat(packet(a), [0], encode(b).subarray(0, 10), encode(b).subarray(11), [0], packet(c)),
      [a, c],
      1,
    ),
    line(
      'a byte twice',
      ['DAMAGE'],
      concat([0], encode(b).subarray(0, 10), encode(b).subarray(9), [0], packet(c)),
      [c],
      1,
    ),
    line('a bit of the payload turned', ['DAMAGE'], concat([0], flip(encode(b), -1), [0], packet(a)), [a], 1),
    line('a zero lost, two packets become one', ['DAMAGE'], concat([0], encode(a), encode(b), [0], packet(c)), [c], 1),
    line('495 bytes without zero', ['OVERLONG'], concat([0], ones(495), packet(a)), [a], 1),
    line('2000 bytes without zero, dropped once', ['OVERLONG'], concat(packet(a), ones(2000), packet(b)), [a, b], 1),
    line(
      'an overlong packet that ends with a frame',
      ['OVERLONG'],
      concat([0], ones(600), encode(a), [0], packet(b)),
      [b],
      1,
    ),
    line('two overlong packets', ['OVERLONG'], concat([0], ones(500), [0], ones(800), [0], packet(a)), [a], 2),
    line('two frames in one packet', ['ONE_FRAME'], concat(packet(concat(a, b)), packet(b)), [b], 1),
    line('a frame of version 1', ['ONE_FRAME'], concat(packet(frame(1, TYPE.PING, 1, [])), packet(b)), [b], 1),
    line(
      'malformed packets between good ones',
      ['MALFORMED'],
      concat(packet(a), hexBytes('05 11 22 00 ff 00 02 00'), packet(b)),
      [a, b],
      3,
    ),
  ]
}

export default function () {
  return topic({
    topic: 'cobs',
    source: 'spec 6.4',
    notes: {
      PRINTED: 'Spec 6.4.',
      ZEROS: 'Zeros at the start, at the end and in a row.',
      RUN: 'Runs around 254 bytes. Data that ends with a run of exactly 254 has no empty end behind it.',
      FRAME: 'Frames as they occur; the longest encoded one has 494 bytes.',
      MALFORMED: 'What no encoder makes. Catches reads beyond the end.',
      LONG_FORM: 'The one packet with two encodings: receivers take the longer one too, senders make the shorter.',
      OVERLONG:
        'More than 494 bytes without a zero are dropped as one packet, up to the next zero. Catches a buffer without bound, and a receiver that loses its place.',
      ONE_FRAME: 'A packet is exactly one good frame.',
      SILENCE: 'Empty packets are ignored and not counted, and what has no end yet is waited for.',
      FRAMES: 'Every frame goes out between two zeros; a receiver needs only one of them.',
      NOISE: 'Text and noise between frames cost at most the packet they touch.',
      DAMAGE: 'A damaged packet is dropped alone.',
    },
    groups: [
      { params: { op: 'codec' }, tests: codecTests() },
      { params: { op: 'decode' }, tests: decodeTests() },
      { params: { op: 'packet', version: 2 }, tests: packetTests() },
      { params: { op: 'line', version: 2 }, tests: lineTests() },
    ],
  })
}
