import { bytesFrom, concat, flip, frame, header, invalid, MAX_PAYLOAD, TYPE, topic, u16, valid } from '../lib.mjs'

const item = (type, seq, payload) => ({ type, seq, payload })
const encode = ({ type, seq, payload }, version = 2) => frame(version, type, seq, payload)

const A = item(TYPE.HELLO, 0, bytesFrom('stream/a', 38))
const B = item(TYPE.DATA, 1, bytesFrom('stream/b', 5))
const C = item(TYPE.PING, 2, Buffer.alloc(0))
const D = item(TYPE.DATA_FRAG, 0xfffffffe, bytesFrom('stream/d', MAX_PAYLOAD))
// Its payload looks like the start of a frame: a reader that searches for the magic loses its place.
const E = item(TYPE.DATA, 4, concat([0xcd, 0xab, 2, 5], u16(0xabcd), encode(C)))

/** Cuts `bytes` at the given places. */
function cut(bytes, ...places) {
  const ends = [...places, bytes.length]
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

const good = (comment, flags, chunks, frames) => valid(comment, flags, { chunks }, { frames })
const bad = (error, comment, flags, chunks, frames = []) => invalid(error, comment, flags, { chunks }, { frames })

export default function () {
  const two = concat(encode(A), encode(B))
  const all = [A, B, C, D, E]
  const everything = concat(...all.map((each) => encode(each)))
  const full = encode(D)
  const after = (bytes) => [concat(encode(A), encode(C), bytes)]
  return topic({
    topic: 'stream',
    source: 'spec 1.5',
    notes: {
      WHOLE: 'Frames arrive whole.',
      CUT: 'A frame arrives in pieces, cut where a field is split. Catches a reader that expects a header or a frame in one read.',
      WAITING: 'The stream stops within a frame: no frame, no error, the deframer waits.',
      EMPTY_CHUNK: 'A read without bytes changes nothing. Catches a reader that takes it for the end.',
      LOOKALIKE: 'A payload that contains the magic and whole frames. Catches a reader that searches for the magic.',
      FAULT:
        'A fault ends the stream. It is the same fault wherever the stream is cut, and no search for a new start follows.',
      GOOD_BEFORE: 'Frames that came whole before the fault are delivered first.',
      DEAD: 'Good frames behind the fault are not delivered: a deframer that failed stays failed and repeats its error.',
    },
    groups: [
      {
        params: { op: 'deframe', version: 2 },
        tests: [
          good('nothing', ['WAITING'], [], []),
          good('one frame', ['WHOLE'], [encode(A)], [A]),
          good('a frame without payload', ['WHOLE'], [encode(C)], [C]),
          good('the longest frame', ['WHOLE'], [full], [D]),
          good('five frames in one chunk', ['WHOLE'], [everything], all),
          good(
            'five frames, one chunk each',
            ['WHOLE'],
            all.map((each) => encode(each)),
            all,
          ),
          good('a payload that looks like frames', ['LOOKALIKE'], [concat(encode(E), encode(B))], [E, B]),
          good('cut within the magic', ['CUT'], cut(two, 1), [A, B]),
          good('cut between magic and version', ['CUT'], cut(two, 2), [A, B]),
          good('cut within seq', ['CUT'], cut(two, 6), [A, B]),
          good('cut within length', ['CUT'], cut(two, 9), [A, B]),
          good('cut within the CRC', ['CUT'], cut(two, 11), [A, B]),
          good('cut between header and payload', ['CUT'], cut(two, 12), [A, B]),
          good('cut before the last byte', ['CUT'], cut(two, 49), [A, B]),
          good('cut behind the first byte of the second frame', ['CUT'], cut(two, 51), [A, B]),
          good('three pieces, each with parts of two frames', ['CUT'], cut(everything, 60, 300), all),
          good('the longest frame in three pieces', ['CUT'], cut(full, 10, 491), [D]),
          good(
            'empty chunks before, within and behind',
            ['EMPTY_CHUNK', 'CUT'],
            [Buffer.alloc(0), ...cut(encode(A), 20, 20), Buffer.alloc(0)],
            [A],
          ),
          good('one byte', ['WAITING'], [encode(A).subarray(0, 1)], []),
          good('one byte that no frame begins with', ['WAITING'], [Buffer.from([0])], []),
          good('a header without its payload', ['WAITING'], [encode(A).subarray(0, 12)], []),
          good('a frame, then half a frame', ['WAITING'], [concat(encode(A), encode(B).subarray(0, 14))], [A]),
          good('a frame without its last byte', ['WAITING'], [full.subarray(0, -1)], []),
          bad('BAD_MAGIC', 'text', ['FAULT'], [Buffer.from('GET / HTTP/1.1\r\n')]),
          bad('BAD_MAGIC', 'one byte before a good frame', ['FAULT', 'DEAD'], [concat([0], encode(A))]),
          bad('BAD_MAGIC', 'zero bytes behind two frames', ['FAULT', 'GOOD_BEFORE'], after([0, 0]), [A, C]),
          bad(
            'BAD_MAGIC',
            'an acknowledgement of the datagram layer',
            ['FAULT'],
            [Buffer.from('acac0100000000', 'hex')],
          ),
          bad('BAD_VERSION', 'a frame of version 1', ['FAULT'], [encode(A, 1)]),
          bad('BAD_VERSION', 'version 3 behind two frames', ['FAULT', 'GOOD_BEFORE'], after(encode(B, 3)), [A, C]),
          bad('BAD_TYPE', 'type 0x00 behind two frames', ['FAULT', 'GOOD_BEFORE'], after(frame(2, 0, 0, [])), [A, C]),
          bad('BAD_LENGTH', 'length 481, header alone', ['FAULT'], [concat(header(2, TYPE.DATA, 0, 481), [0, 0])]),
          bad(
            'BAD_LENGTH',
            'length 0xffff, the ten bytes up to it',
            ['FAULT', 'GOOD_BEFORE'],
            after(header(2, TYPE.DATA, 0, 0xffff)),
            [A, C],
          ),
          bad(
            'BAD_LENGTH',
            'length 481 and a wrong CRC, all bytes there',
            ['FAULT'],
            [concat(header(2, TYPE.DATA, 0, 481), [0, 0], bytesFrom('stream/481', 481))],
          ),
          bad('BAD_CRC', 'CRC wrong', ['FAULT'], [flip(encode(B), 10)]),
          bad('BAD_CRC', 'payload turned, behind two frames', ['FAULT', 'GOOD_BEFORE'], after(flip(encode(B), -1)), [
            A,
            C,
          ]),
          bad(
            'BAD_CRC',
            'a wrong CRC, then a good frame',
            ['FAULT', 'DEAD', 'GOOD_BEFORE'],
            [concat(encode(C), flip(encode(B), 10), encode(A))],
            [C],
          ),
          bad(
            'BAD_CRC',
            'a wrong CRC, then a wrong magic',
            ['FAULT', 'DEAD'],
            [flip(encode(B), 10), Buffer.from([0, 0])],
          ),
          bad('BAD_CRC', 'the longest frame, last byte turned', ['FAULT'], [flip(full, -1)]),
        ],
      },
    ],
  })
}
