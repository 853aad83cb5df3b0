import { bytesFrom, concat, invalid, MAX_MESSAGE, MAX_PLAINTEXT, TYPE, topic, valid } from '../lib.mjs'

const piece = (type, seq, plaintext = bytesFrom(`fragment/${seq}`, 4)) => ({ type, seq, plaintext })
const frag = (seq, plaintext) => piece(TYPE.DATA_FRAG, seq, plaintext)
const data = (seq, plaintext) => piece(TYPE.DATA, seq, plaintext)
const join = (...pieces) => concat(...pieces.map(({ plaintext }) => plaintext))
const EMPTY = Buffer.alloc(0)

function split(length, firstSeq) {
  const message = bytesFrom(`fragment/message/${length}`, length)
  const frames = []
  for (let from = 0; from < length || from === 0; from += MAX_PLAINTEXT) {
    const last = from + MAX_PLAINTEXT >= length
    frames.push(
      piece(last ? TYPE.DATA : TYPE.DATA_FRAG, firstSeq + frames.length, message.subarray(from, from + MAX_PLAINTEXT)),
    )
  }
  const flags = frames.length === 1 ? ['ONE_FRAME'] : ['PIECES']
  return valid(`${length} bytes`, flags, { first_seq: firstSeq, message }, { frames })
}

const gives = (comment, flags, frames, ...messages) => valid(comment, flags, { frames }, { messages })
const breaks = (comment, flags, frames, ...messages) =>
  invalid('BAD_FRAGMENT', comment, flags, { frames }, { messages })

const FULL = [
  frag(0, bytesFrom('fragment/full/0', 452)),
  frag(1, bytesFrom('fragment/full/1', 452)),
  frag(2, bytesFrom('fragment/full/2', 452)),
]

function wholeMessages() {
  const last = data(3, bytesFrom('fragment/full/3', 452))
  return [
    gives('one frame', ['ONE_FRAME'], [data(0)], join(data(0))),
    gives('an empty message', ['ONE_FRAME', 'EMPTY_PIECE'], [data(0, EMPTY)], EMPTY),
    gives('two messages of one frame', ['ONE_FRAME'], [data(0), data(1)], join(data(0)), join(data(1))),
    gives('two pieces', ['PIECES'], [frag(4), data(5)], join(frag(4), data(5))),
    gives('four pieces, 1808 bytes', ['PIECES'], [...FULL, last], join(...FULL, last)),
    gives(
      'a message of two pieces, then one of three',
      ['PIECES'],
      [frag(0), data(1), frag(2), frag(3), data(4)],
      join(frag(0), data(1)),
      join(frag(2), frag(3), data(4)),
    ),
    gives(
      'a control frame between two messages',
      ['PIECES'],
      [frag(0), data(1), piece(TYPE.PING, 2, EMPTY), data(3)],
      join(frag(0), data(1)),
      join(data(3)),
    ),
    gives('an empty first piece', ['EMPTY_PIECE'], [frag(0, EMPTY), data(1)], join(data(1))),
    gives('an empty last piece', ['EMPTY_PIECE'], [frag(0), data(1, EMPTY)], join(frag(0))),
    gives(
      'four pieces, all empty',
      ['EMPTY_PIECE'],
      [frag(0, EMPTY), frag(1, EMPTY), frag(2, EMPTY), data(3, EMPTY)],
      EMPTY,
    ),
    gives('half a message: nothing yet', ['PIECES'], [frag(0), frag(1)]),
  ]
}

function orderedTests() {
  const between = [TYPE.PING, TYPE.PONG, TYPE.BYE, TYPE.REKEY]
  return [
    ...wholeMessages(),
    ...between.map((type) =>
      breaks(
        `type ${type} between two pieces`,
        ['BETWEEN'],
        [frag(0), piece(type, 1, type === TYPE.REKEY ? bytesFrom('fragment/rekey', 32) : EMPTY)],
      ),
    ),
    breaks(
      'PING behind an empty first piece',
      ['BETWEEN', 'EMPTY_PIECE'],
      [frag(0, EMPTY), piece(TYPE.PING, 1, EMPTY)],
    ),
    breaks(
      'PING between pieces, behind a whole message',
      ['BETWEEN'],
      [data(0), frag(1), piece(TYPE.PING, 2, EMPTY)],
      join(data(0)),
    ),
    breaks('a fourth DATA_FRAG', ['TOO_MANY'], [frag(0), frag(1), frag(2), frag(3)]),
    breaks('a fourth DATA_FRAG, all pieces full', ['TOO_MANY'], [...FULL, frag(3, bytesFrom('fragment/full/3', 452))]),
    breaks(
      'a fourth DATA_FRAG, all pieces empty',
      ['TOO_MANY', 'EMPTY_PIECE'],
      [frag(0, EMPTY), frag(1, EMPTY), frag(2, EMPTY), frag(3, EMPTY)],
    ),
    breaks('a gap before the last piece', ['GAP'], [frag(0), data(2)]),
    breaks('a gap before a middle piece', ['GAP'], [frag(0), frag(2)]),
  ]
}

function datagramTests() {
  return [
    ...wholeMessages(),
    gives('a gap before the last piece', ['GAP'], [frag(0), data(2)]),
    gives('a gap before the last piece, then a whole message', ['GAP'], [frag(0), data(2), data(3)], join(data(3))),
    gives('a gap before a middle piece, then a whole message', ['GAP'], [frag(0), frag(2), data(3)], join(data(3))),
    gives(
      'a gap before a middle piece, then a message of two pieces',
      ['GAP'],
      [frag(0), frag(2), frag(3), data(4)],
      join(frag(3), data(4)),
    ),
    gives('an older number between', ['GAP'], [frag(5), data(4), data(6)], join(data(6))),
    gives('pieces in the wrong order', ['GAP'], [frag(0), data(2), frag(1), data(3)]),
    gives('PING between two pieces', ['BETWEEN'], [frag(0), piece(TYPE.PING, 1, EMPTY), data(2)], join(data(2))),
    gives(
      'PING between two pieces, then a message of two pieces',
      ['BETWEEN'],
      [frag(0), piece(TYPE.PING, 1, EMPTY), frag(2), data(3)],
      join(frag(2), data(3)),
    ),
    gives(
      'a fourth DATA_FRAG, then a whole message',
      ['TOO_MANY'],
      [frag(0), frag(1), frag(2), frag(3), data(4)],
      join(data(4)),
    ),
    gives(
      'a fourth DATA_FRAG, then a message of two pieces',
      ['TOO_MANY'],
      [frag(0), frag(1), frag(2), frag(3), frag(4), data(5)],
      join(frag(4), data(5)),
    ),
  ]
}

export default function () {
  return topic({
    topic: 'fragment',
    source: 'spec 4.6',
    notes: {
      ONE_FRAME: 'Up to 452 bytes are one DATA frame; an empty message is one too.',
      PIECES:
        'Pieces of 452 bytes and a rest of 1 to 452; all but the last are DATA_FRAG. Catches an empty last piece at multiples of 452.',
      TOO_LARGE: 'More than 1808 bytes are refused before anything is sent.',
      EMPTY_PIECE: 'Receivers take pieces of any size. Catches counting bytes where frames must be counted.',
      BETWEEN:
        'No other frame stands between the pieces: ordered, an error; on datagrams the half-built message is dropped and the frame itself is handled as usual.',
      TOO_MANY: 'The fourth frame of a message is its last. Catches a buffer that grows as long as the peer likes.',
      GAP: 'A number is missing: ordered, an error; on datagrams the half-built message and the frame behind the gap are dropped, and the next message is taken.',
    },
    groups: [
      {
        params: { op: 'split' },
        tests: [
          ...[0, 1, 451, 452, 453, 904, 905, 1356, 1357, MAX_MESSAGE].map((length) => split(length, 7)),
          invalid('MESSAGE_TOO_LARGE', '1809 bytes', ['TOO_LARGE'], {
            first_seq: 7,
            message: bytesFrom('fragment/1809', MAX_MESSAGE + 1),
          }),
        ],
      },
      { params: { op: 'reassemble', transport: 'ordered' }, tests: orderedTests() },
      { params: { op: 'reassemble', transport: 'datagram' }, tests: datagramTests() },
    ],
  })
}
