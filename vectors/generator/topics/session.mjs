import { EXAMPLE, EXAMPLE_KEYS } from '../example.mjs'
import { ascii, bytesFrom, concat, flip, frame, mend, rekey as newKeys, TYPE, topic, valid } from '../lib.mjs'
import { close, NOTHING, ping, receive, rekey, scriptParams, sealed, send, text } from '../script.mjs'

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
  const unanswered = (seq, at = 0) => hears(from(PING, seq), { at })
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
    script('the ninth PING gets no PONG', ['FLOOD', 'PONGS'], ...eight(), unanswered(8, 8), data(9, 'and on')),
    script(
      'nine PONGs that nothing asked for',
      ['FLOOD'],
      ...Array.from({ length: 9 }, (_, seq) => ponged(seq)),
      data(9, 'and on'),
    ),
    script(
      'PONGs received do not count for PONGs sent',
      ['FLOOD', 'PONGS'],
      ...[0, 2, 4, 6, 8, 10, 12, 14].flatMap((seq) => [pinged(seq, seq / 2), ponged(seq + 1)]),
      unanswered(16),
    ),
    script(
      'messages between do not matter',
      ['FLOOD', 'PONGS'],
      ...eight().slice(0, 4),
      data(4, 'x'),
      ...[5, 6, 7, 8].map((seq) => pinged(seq, seq - 1, seq)),
      unanswered(9, 9),
    ),
    script('the ninth PING at 999 ms', ['FLOOD', 'PONGS'], ...eight(), unanswered(8, 999)),
    script(
      'the ninth PING at 1001 ms is answered',
      ['FLOOD', 'PONGS'],
      ...eight(),
      ...eight(1001, 8),
      unanswered(16, 1900),
    ),
    script(
      'any second counts, not those of the clock',
      ['FLOOD', 'PONGS'],
      pinged(0, 0, 700),
      ...Array.from({ length: 7 }, (_, index) => pinged(index + 1, index + 1, 1100 + index)),
      unanswered(8, 1690),
      pinged(9, 8, 1701),
      unanswered(10, 2090),
      pinged(11, 9, 2101),
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

/** The flood budget of a session (spec 4.8) and the limit of its own rekeys (spec 5.2), by REKEYs, which cost most. */
function budgets(side) {
  const other = OTHER[side]
  const salt = (index) => bytesFrom(`session/budget/${index}`, 32)
  /** The keys after `count` rekeys that `initiator` began, one after the other. */
  const epochs = (initiator, count) => {
    const keys = [EXAMPLE_KEYS]
    for (let index = 0; index < count; index++) {
      keys.push(newKeys({ initiator, ...keys[index], sessionId: EXAMPLE.sessionId, salt: salt(index) }))
    }
    return keys
  }
  const direction = { client: 'c2s', server: 's2c' }
  const frameOf = (sender, keys, type, seq, plaintext) => sealed(1, keys[direction[sender]], type, seq, plaintext)

  const theirs = epochs(other, 200)
  const from = (epoch, type, seq, plaintext) => frameOf(other, theirs[epoch], type, seq, plaintext)
  const own = (epoch, type, seq, plaintext) => frameOf(side, theirs[epoch], type, seq, plaintext)
  const hears = (bytes, expected) => receive(side, bytes, expected)
  const rekeyed = (epoch, at = 0, expected = {}) => hears(from(epoch, REKEY, 0, salt(epoch)), { at, ...expected })
  const rekeys = (first, count, at = 0) => Array.from({ length: count }, (_, index) => rekeyed(first + index, at))
  const pinged = (epoch, seq, at = 0) => hears(from(epoch, PING, seq), { at, sends: [own(epoch, PONG, seq)] })
  const unanswered = (epoch, seq, at = 0) => hears(from(epoch, PING, seq), { at })
  const ponged = (epoch, seq, at = 0) => hears(from(epoch, PONG, seq), { at })
  const flood = { end: 'FLOOD' }
  const times = (count, make) => Array.from({ length: count }, (_, index) => make(index))

  const ours = epochs(side, 18)
  const ownRekey = (epoch, at, refused = '') => {
    // Behind the PING that follows each REKEY.
    const seq = epoch === 0 ? 0 : 1
    const sends = [frameOf(side, ours[epoch], REKEY, seq, salt(epoch)), frameOf(side, ours[epoch + 1], PING, 0)]
    return rekey(side, salt(epoch), refused ? { at, refused } : { at, sends })
  }
  const confirmed = (epoch, at) => hears(frameOf(other, ours[epoch], PONG, 0), { at })

  const flags = ['FLOOD', 'BUDGET']
  return [
    script(
      'a session spends 512 points at once: 60 REKEYs and 32 PINGs; the next PING is a flood',
      flags,
      ...rekeys(0, 60),
      ...times(8, (seq) => pinged(60, seq)),
      ...times(24, (index) => unanswered(60, 8 + index)),
      hears(from(60, PING, 32), flood),
    ),
    script(
      'PONGs that nothing asked for are spent from the same points',
      flags,
      ...rekeys(0, 63),
      ...times(4, (seq) => pinged(63, seq)),
      ...times(4, (index) => ponged(63, 4 + index)),
      hears(from(63, PONG, 8), flood),
    ),
    script('the 65th REKEY at once', flags, ...rekeys(0, 64), rekeyed(64, 0, flood)),
    script(
      'a REKEY with 7 points left',
      flags,
      ...rekeys(0, 63),
      pinged(63, 0),
      hears(from(63, REKEY, 1, salt(63)), flood),
    ),
    script(
      'a PING 124 ms behind the last point',
      flags,
      ...rekeys(0, 64),
      hears(from(64, PING, 0), { at: 124, ...flood }),
    ),
    script(
      'a point comes back in 125 ms, eight in a second',
      flags,
      ...rekeys(0, 64),
      pinged(64, 0, 126),
      hears(from(64, REKEY, 1, salt(64)), { at: 1126 }),
      hears(from(65, PING, 0), { at: 1249, ...flood }),
    ),
    script(
      'after a long silence there are 512 points and no more',
      flags,
      ...rekeys(0, 64),
      ...rekeys(64, 64, 200_000),
      rekeyed(128, 200_000, flood),
    ),
    script(
      'DATA and an answer cost nothing, the PONG behind it does',
      flags,
      ...rekeys(0, 64),
      hears(from(64, DATA, 0, text('and on')), { messages: [text('and on')] }),
      ping(side, { sends: [own(64, PING, 0)] }),
      ponged(64, 1),
      hears(from(64, PONG, 2), flood),
    ),
    script(
      'own rekeys: 16 in a burst and one in 4 s',
      ['OWN_REKEYS'],
      ...times(17, (epoch) => [ownRekey(epoch, 251 * epoch), confirmed(epoch + 1, 251 * epoch)]).flat(),
      ownRekey(17, 4267, 'INVALID_ARGUMENT'),
      ownRekey(17, 7999, 'INVALID_ARGUMENT'),
      ownRekey(17, 8001),
    ),
  ]
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
    source: 'spec 4.3, 4.6 to 4.13, 5.2',
    notes: {
      MESSAGE: 'Messages, whole and in pieces, both ways.',
      CONTROL: 'PING is answered by PONG, and PONG by nothing. All frames of a direction share one count.',
      BYE: 'BYE ends the session as CLOSED and is not answered. Only a sealed one in its place does.',
      INSIDE: 'What a type must have inside is judged under a good tag, before its place among fragments.',
      FLOOD: 'PING, PONG and REKEY spend the points of a session; only one that they do not cover ends it.',
      PONGS:
        'At most 8 PONGs leave in any second. Catches a limit that counts in fixed windows, and one that ends the session.',
      BUDGET: '512 points, refilled by 8 a second. PING and PONG cost 1, REKEY 8.',
      OWN_REKEYS: 'An endpoint refuses to start more than 16 rekeys in a burst and one in 4 s.',
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
      { params: params(1, 'server'), tests: budgets('server') },
    ],
  })
}
