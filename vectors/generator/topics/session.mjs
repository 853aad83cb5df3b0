import { EXAMPLE_KEYS } from '../example.mjs'
import { ascii, bytesFrom, concat, flip, frame, mend, TYPE, topic, valid } from '../lib.mjs'
import { close, NOTHING, ping, receive, scriptParams, sealed, send, text } from '../script.mjs'

const { DATA, DATA_FRAG, PING, PONG, BYE, REKEY, ERROR } = TYPE
const LAST = 0xfffffffe
const OTHER = { client: 'server', server: 'client' }
const keyOf = { client: EXAMPLE_KEYS.c2s, server: EXAMPLE_KEYS.s2c }

const script = (comment, flags, ...steps) => valid(comment, flags, { steps })

/** Everything seen from one side: `from` makes frames of the peer, `own` the frames this side must send. */
function scripts(suite, side) {
  const from = (type, seq, plaintext) => sealed(suite, keyOf[OTHER[side]], type, seq, plaintext)
  const own = (type, seq, plaintext) => sealed(suite, keyOf[side], type, seq, plaintext)
  const hears = (bytes, expected) => receive(side, bytes, expected)
  const says = (message, expected) => send(side, message, expected)
  const data = (seq, words, expected) => hears(from(DATA, seq, text(words)), { messages: [text(words)], ...expected })
  const pinged = (seq, ownSeq, at = 0) => hears(from(PING, seq), { sends: [own(PONG, ownSeq)], at })
  const ponged = (seq, at = 0) => hears(from(PONG, seq), { at })
  const fails = (end, bytes, at = 0) => hears(bytes, { end, at })
  const eight = (at = 0, seq = 0) =>
    Array.from({ length: 8 }, (_, index) => pinged(seq + index, seq + index, at + index))
  const plain = (type, payload, seq = 0) => frame(2, type, seq, payload)
  const errorFrame = plain(ERROR, [4, 0, 0])
  const hexType = (type) => `0x${type.toString(16).padStart(2, '0')}`

  const long = bytesFrom('session/long', 1000)
  const [long1, long2, long3] = [long.subarray(0, 452), long.subarray(452, 904), long.subarray(904)]

  const messages = [
    script('a message', ['MESSAGE'], data(0, 'hello')),
    script('an empty message', ['MESSAGE'], hears(from(DATA, 0, NOTHING), { messages: [NOTHING] })),
    script('three messages', ['MESSAGE'], data(0, 'one'), data(1, 'two'), data(2, 'three')),
    script(
      'a message of three pieces',
      ['MESSAGE'],
      hears(from(DATA_FRAG, 0, long1)),
      hears(from(DATA_FRAG, 1, long2)),
      hears(from(DATA, 2, long3), { messages: [long] }),
    ),
    script(
      'messages sent',
      ['MESSAGE'],
      says(text('hello'), { sends: [own(DATA, 0, text('hello'))] }),
      says(NOTHING, { sends: [own(DATA, 1, NOTHING)] }),
    ),
    script(
      'a message of three pieces sent',
      ['MESSAGE'],
      says(long, { sends: [own(DATA_FRAG, 0, long1), own(DATA_FRAG, 1, long2), own(DATA, 2, long3)] }),
    ),
    script(
      'a message of 1809 bytes is refused and uses no number',
      ['MESSAGE'],
      says(bytesFrom('session/1809', 1809), { refused: 'MESSAGE_TOO_LARGE' }),
      says(text('next'), { sends: [own(DATA, 0, text('next'))] }),
    ),
  ]

  const control = [
    script('PING is answered', ['CONTROL'], pinged(0, 0), pinged(1, 1), data(2, 'and on')),
    script(
      'PONG is not answered',
      ['CONTROL'],
      ping(side, { sends: [own(PING, 0)] }),
      ponged(0),
      says(text('next'), { sends: [own(DATA, 1, text('next'))] }),
    ),
    script('a PONG nobody asked for', ['CONTROL'], ponged(0), data(1, 'and on')),
    script(
      'PING, PONG and messages use one count',
      ['CONTROL'],
      says(text('a'), { sends: [own(DATA, 0, text('a'))] }),
      pinged(0, 1),
      data(1, 'b'),
      says(text('c'), { sends: [own(DATA, 2, text('c'))] }),
    ),
    script('BYE received', ['BYE'], data(0, 'last'), hears(from(BYE, 1), { end: 'CLOSED' })),
    script('BYE as the first frame', ['BYE'], hears(from(BYE, 0), { end: 'CLOSED' })),
    script(
      'BYE sent',
      ['BYE'],
      says(text('last'), { sends: [own(DATA, 0, text('last'))] }),
      close(side, { sends: [own(BYE, 1)], end: 'CLOSED' }),
    ),
    ...[
      [PING, 'PING'],
      [PONG, 'PONG'],
      [BYE, 'BYE'],
    ].map(([type, name]) => script(`${name} with a byte inside`, ['INSIDE'], fails('BAD_PAYLOAD', from(type, 0, [1])))),
    ...[0, 31, 33].map((length) =>
      script(
        `REKEY with ${length} bytes inside`,
        ['INSIDE'],
        fails('BAD_PAYLOAD', from(REKEY, 0, bytesFrom('session/rekey', length))),
      ),
    ),
  ]

  const flood = [
    script('eight PINGs at once', ['FLOOD'], ...eight(), data(8, 'and on')),
    script('the ninth PING', ['FLOOD'], ...eight(), fails('FLOOD', from(PING, 8), 8)),
    script(
      'the ninth PONG',
      ['FLOOD'],
      ...Array.from({ length: 8 }, (_, seq) => ponged(seq)),
      fails('FLOOD', from(PONG, 8)),
    ),
    script(
      'PING and PONG are counted together',
      ['FLOOD'],
      ...[0, 2, 4, 6].flatMap((seq) => [pinged(seq, seq / 2), ponged(seq + 1)]),
      fails('FLOOD', from(PONG, 8)),
    ),
    script(
      'messages between do not matter',
      ['FLOOD'],
      ...eight().slice(0, 4),
      data(4, 'x'),
      ...[5, 6, 7, 8].map((seq) => pinged(seq, seq - 1, seq)),
      fails('FLOOD', from(PING, 9), 9),
    ),
    script('the ninth at 999 ms', ['FLOOD'], ...eight(), fails('FLOOD', from(PING, 8), 999)),
    script(
      'the ninth at 1001 ms begins a new window',
      ['FLOOD', 'WINDOW'],
      ...eight(),
      ...eight(1001, 8),
      fails('FLOOD', from(PING, 16), 1900),
    ),
    script(
      'a window begins with a frame, not with the clock',
      ['FLOOD', 'WINDOW'],
      pinged(0, 0, 700),
      ...Array.from({ length: 7 }, (_, index) => pinged(index + 1, index + 1, 1100 + index)),
      fails('FLOOD', from(PING, 8), 1690),
    ),
    script(
      'nine in nine seconds',
      ['FLOOD'],
      ...Array.from({ length: 9 }, (_, index) => pinged(index, index, index * 1001)),
    ),
  ]

  const plainFrames = [
    script(
      'an ERROR frame is ignored and uses no number',
      ['ERROR_IGNORED'],
      hears(errorFrame),
      data(0, 'and on'),
      hears(errorFrame),
      data(1, 'and on'),
    ),
    script(
      'ERROR frames of every code',
      ['ERROR_IGNORED'],
      ...[1, 2, 3, 4, 5, 6, 7, 0, 255].map((code) => hears(plain(ERROR, [code, 0, 0]))),
      data(0, 'and on'),
    ),
    script(
      'ERROR frames of other lengths',
      ['ERROR_IGNORED'],
      ...[0, 1, 4, 28, 480].map((length) => hears(plain(ERROR, bytesFrom('session/error', length), 5))),
      data(0, 'and on'),
    ),
    script(
      'a sealed ERROR frame is ignored as well',
      ['ERROR_IGNORED'],
      hears(from(ERROR, 0, [1, 0, 0])),
      data(0, 'and on'),
    ),
    script(
      'ERROR between two pieces',
      ['ERROR_IGNORED'],
      hears(from(DATA_FRAG, 0, long1)),
      hears(errorFrame),
      hears(from(DATA, 1, long2), { messages: [concat(long1, long2)] }),
    ),
    script(
      'an ERROR frame does not make the first sealed frame the second',
      ['ERROR_IGNORED', 'SUITE'],
      hears(errorFrame),
      fails('SUITE_MISMATCH', mend(flip(from(DATA, 0, text('x')), -1))),
    ),
    ...[0x0c, 0x42, 0xfe].flatMap((type) => [
      script(
        `type ${hexType(type)}, sealed, not registered`,
        ['UNREGISTERED'],
        data(0, 'good'),
        fails('UNEXPECTED_PACKET', from(type, 1, [1])),
      ),
      script(`type ${hexType(type)}, plain`, ['UNREGISTERED'], fails('UNEXPECTED_PACKET', plain(type, [1]))),
    ]),
    ...[1, 2, 3, 4, 0x0a].map((type) =>
      script(
        `handshake type ${hexType(type)}`,
        ['HANDSHAKE_TYPE'],
        data(0, 'good'),
        fails('UNEXPECTED_PACKET', plain(type, bytesFrom('session/handshake', 38))),
      ),
    ),
    script(
      'DATA that is not sealed',
      ['PLAIN'],
      fails('BAD_NONCE', plain(DATA, ascii('a plain message of forty bytes or more'))),
    ),
    script('BYE that is not sealed', ['PLAIN'], fails('BAD_PAYLOAD', plain(BYE, []))),
  ]

  const order = [
    script('the first frame has seq 1', ['SEQ'], fails('SEQ_MISMATCH', from(DATA, 1, text('x')))),
    script('a frame is missing', ['SEQ'], data(0, 'a'), fails('SEQ_MISMATCH', from(DATA, 2, text('c')))),
    script('a frame comes again', ['SEQ'], data(0, 'a'), data(1, 'b'), fails('SEQ_MISMATCH', from(DATA, 1, text('b')))),
    script('the first frame comes again', ['SEQ'], data(0, 'a'), fails('SEQ_MISMATCH', from(DATA, 0, text('a')))),
    script('a BYE comes too early', ['SEQ', 'BYE'], data(0, 'a'), fails('SEQ_MISMATCH', from(BYE, 2))),
    script(
      'an own frame comes back',
      ['REFLECTION'],
      says(text('x'), { sends: [own(DATA, 0, text('x'))] }),
      fails('SUITE_MISMATCH', own(DATA, 0, text('x'))),
    ),
    script(
      'an own frame comes back behind a good one',
      ['REFLECTION'],
      says(text('x'), { sends: [own(DATA, 0, text('x'))] }),
      says(text('y'), { sends: [own(DATA, 1, text('y'))] }),
      data(0, 'good'),
      fails('DECRYPT_FAILED', own(DATA, 1, text('y'))),
    ),
    script(
      'the peer uses the other suite',
      ['SUITE'],
      fails('SUITE_MISMATCH', sealed(3 - suite, keyOf[OTHER[side]], DATA, 0, text('x'))),
    ),
    script(
      'the tag is wrong, second frame',
      ['SUITE'],
      data(0, 'good'),
      fails('DECRYPT_FAILED', mend(flip(from(DATA, 1, text('x')), -1))),
    ),
    script(
      'PING between two pieces',
      ['FRAGMENT'],
      hears(from(DATA_FRAG, 0, long1)),
      fails('BAD_FRAGMENT', from(PING, 1)),
    ),
    script(
      'BYE between two pieces',
      ['FRAGMENT'],
      hears(from(DATA_FRAG, 0, long1)),
      fails('BAD_FRAGMENT', from(BYE, 1)),
    ),
    script(
      'REKEY between two pieces',
      ['FRAGMENT'],
      hears(from(DATA_FRAG, 0, long1)),
      fails('BAD_FRAGMENT', from(REKEY, 1, bytesFrom('session/rekey', 32))),
    ),
    script(
      'PING with a byte inside, between two pieces',
      ['FRAGMENT', 'INSIDE'],
      hears(from(DATA_FRAG, 0, long1)),
      fails('BAD_PAYLOAD', from(PING, 1, [1])),
    ),
    script(
      'a fourth DATA_FRAG',
      ['FRAGMENT'],
      ...[0, 1, 2].map((seq) => hears(from(DATA_FRAG, seq, [seq]))),
      fails('BAD_FRAGMENT', from(DATA_FRAG, 3, [3])),
    ),
    script(
      'a message, PING, and a message of two pieces',
      ['FRAGMENT'],
      data(0, 'a'),
      pinged(1, 0),
      hears(from(DATA_FRAG, 2, long1)),
      hears(from(DATA, 3, long2), { messages: [concat(long1, long2)] }),
    ),
  ]

  return [...messages, ...control, ...flood, ...plainFrames, ...order]
}

/** Both counters stand just before their end. */
function lastNumbers(side) {
  const from = (type, seq, plaintext) => sealed(1, keyOf[OTHER[side]], type, seq, plaintext)
  const own = (type, seq, plaintext) => sealed(1, keyOf[side], type, seq, plaintext)
  const hears = (bytes, expected) => receive(side, bytes, expected)
  const says = (message, expected) => send(side, message, expected)
  const x = text('x')
  const exhausted = { refused: 'SEQ_EXHAUSTED', end: 'SEQ_EXHAUSTED' }
  const lastSaid = [LAST - 1, LAST].map((seq) => says(x, { sends: [own(DATA, seq, x)] }))
  const lastHeard = [LAST - 1, LAST].map((seq) => hears(from(DATA, seq, x), { messages: [x] }))
  return [
    script('the last numbers are sent, then none is left', ['SEQ_END'], ...lastSaid, says(x, exhausted)),
    script('the last numbers are received', ['SEQ_END'], ...lastHeard),
    script(
      '0xffffffff under a good tag',
      ['SEQ_END'],
      ...lastHeard,
      hears(from(DATA, 0xffffffff, x), { end: 'SEQ_EXHAUSTED' }),
    ),
    script(
      '0xffffffff under a wrong tag',
      ['SEQ_END'],
      ...lastHeard,
      hears(mend(flip(from(DATA, 0xffffffff, x), -1)), { end: 'DECRYPT_FAILED' }),
    ),
    script('0 behind the last number', ['SEQ_END'], ...lastHeard, hears(from(DATA, 0, x), { end: 'SEQ_MISMATCH' })),
    script(
      'BYE with the last number',
      ['SEQ_END'],
      hears(from(DATA, LAST - 1, x), { messages: [x] }),
      hears(from(BYE, LAST), { end: 'CLOSED' }),
    ),
    script(
      'a message of three pieces, two numbers left: nothing is sent',
      ['SEQ_END'],
      says(bytesFrom('session/long', 1000), exhausted),
    ),
  ]
}

export default function () {
  const params = (suite, side, seq = 0) => ({
    ...scriptParams({ suite, keys: EXAMPLE_KEYS, c2sSeq: seq, s2cSeq: seq }),
    role: side,
  })
  const short = (tests) => tests.filter(({ flags }) => !flags.includes('FLOOD') && !flags.includes('ERROR_IGNORED'))
  return topic({
    topic: 'session',
    source: 'spec 4.3, 4.6 to 4.13',
    notes: {
      MESSAGE: 'Messages, whole and in pieces, both ways.',
      CONTROL: 'PING is answered by PONG, and PONG by nothing. All frames of a direction share one count.',
      BYE: 'BYE ends the session as CLOSED and is not answered. Only a sealed one in its place does.',
      INSIDE: 'What a type must have inside is judged under a good tag, before its place among fragments.',
      FLOOD: 'More than 8 PING and PONG in a window of 1000 ms. The ninth is not answered.',
      WINDOW: 'A window begins with the first PING or PONG behind the end of the last.',
      ERROR_IGNORED: 'ERROR is not authenticated and must not end or change anything; it uses no number.',
      UNREGISTERED: 'Types 0x0c to 0xfe are refused unless registered.',
      HANDSHAKE_TYPE: 'Handshake messages in an established session.',
      PLAIN: 'Session types that are not sealed.',
      SEQ: 'The next number and no other.',
      REFLECTION: "An endpoint's own frames, sent back.",
      SUITE: 'A wrong tag on the very first sealed frame, and later.',
      FRAGMENT: 'No other sealed frame between the pieces of a message, and at most four pieces.',
      SEQ_END:
        'Both counters begin at 0xfffffffd. 0xfffffffe is the last number; a message that needs more than are left fails before its first piece.',
    },
    groups: [
      { params: params(1, 'server'), tests: scripts(1, 'server') },
      { params: params(1, 'client'), tests: short(scripts(1, 'client')) },
      { params: params(2, 'server'), tests: short(scripts(2, 'server')) },
      { params: params(1, 'server', LAST - 1), tests: lastNumbers('server') },
      { params: params(1, 'client', LAST - 1), tests: lastNumbers('client') },
    ],
  })
}
