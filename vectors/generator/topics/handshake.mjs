import { EXAMPLE, EXAMPLE_COOKIE } from '../example.mjs'
import {
  bytesFrom,
  concat,
  flip,
  frame,
  handshakeMac,
  invalid,
  keySchedule,
  mend,
  TYPE,
  topic,
  unhex,
  valid,
  x25519,
  x25519Public,
} from '../lib.mjs'

/** Every message of one handshake from the values that are random in life. */
function play({ version = 2, psk, deviceId, clientPrivate, serverPrivate, nonce, sessionId, cookie }) {
  const [clientPublic, serverPublic] = [x25519Public(clientPrivate), x25519Public(serverPrivate)]
  const shared = x25519(clientPrivate, serverPublic)
  const mac = (type, who) => handshakeMac({ version, psk, type, nonce, who, clientPublic, serverPublic })
  const macC = mac(TYPE.HELLO_ACK, deviceId)
  const macS = mac(TYPE.SESSION_OK, sessionId)
  return {
    clientPublic,
    serverPublic,
    macC,
    macS,
    ...keySchedule({ version, shared, nonce, clientPublic, serverPublic }),
    hello: frame(version, TYPE.HELLO, 0, concat(deviceId, clientPublic)),
    helloRetry: cookie && frame(version, TYPE.HELLO_RETRY, 0, cookie),
    helloCookie: cookie && frame(version, TYPE.HELLO, 1, concat(deviceId, clientPublic, cookie)),
    challenge: frame(version, TYPE.CHALLENGE, 0, concat(nonce, serverPublic)),
    // Old firmware numbers no handshake frame.
    helloAck: frame(version, TYPE.HELLO_ACK, version === 2 ? 2 : 0, macC),
    sessionOk: frame(version, TYPE.SESSION_OK, 0, concat(sessionId, macS)),
  }
}

const inputs = (label, { pskLength = 32, cookie = true } = {}) => ({
  psk: bytesFrom(`${label}/psk`, pskLength),
  deviceId: bytesFrom(`${label}/device-id`, 6),
  clientPrivate: bytesFrom(`${label}/client`, 32),
  serverPrivate: bytesFrom(`${label}/server`, 32),
  nonce: bytesFrom(`${label}/nonce`, 32),
  sessionId: bytesFrom(`${label}/session-id`, 16),
  ...(cookie ? { cookie: bytesFrom(`${label}/cookie`, 16) } : {}),
})

const inputFields = (given) => ({
  psk: given.psk,
  device_id: given.deviceId,
  client_private: given.clientPrivate,
  server_private: given.serverPrivate,
  nonce: given.nonce,
  session_id: given.sessionId,
  ...(given.cookie ? { cookie: given.cookie } : {}),
})

function transcript(comment, flags, given, version = 2) {
  const made = play({ version, ...given })
  return valid(comment, flags, inputFields(given), {
    client_public: made.clientPublic,
    server_public: made.serverPublic,
    hello: made.hello,
    ...(given.cookie ? { hello_retry: made.helloRetry, hello_cookie: made.helloCookie } : {}),
    challenge: made.challenge,
    hello_ack: made.helloAck,
    session_ok: made.sessionOk,
    mac_c: made.macC,
    mac_s: made.macS,
    k_c2s: made.c2s,
    k_s2c: made.s2c,
  })
}

function transcripts(name, cookie) {
  const of = (label, pskLength) => inputs(`handshake/${name}/${label}`, { pskLength, cookie })
  return [
    ...[16, 32, 63, 64, 65, 100].map((length) =>
      transcript(`PSK of ${length} bytes`, ['PSK_LENGTH'], of(`psk-${length}`, length)),
    ),
    transcript('device id of zeros', ['DEVICE_ID'], { ...of('zeros', 32), deviceId: Buffer.alloc(6) }),
    transcript('the example of the specification', ['PRINTED'], {
      ...EXAMPLE,
      ...(cookie ? { cookie: EXAMPLE_COOKIE } : {}),
    }),
    transcript('device id of ones', ['DEVICE_ID'], { ...of('ones', 32), deviceId: Buffer.alloc(6, 0xff) }),
  ]
}

// ---- one frame fed to one side ----

const LOW_ORDER = unhex('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800')
const GIVEN = inputs('handshake/step')
const GOOD = play(GIVEN)
const OTHER = inputs('handshake/other')
/** The same client, answered by somebody else. */
const ANOTHER = play({ ...GIVEN, serverPrivate: OTHER.serverPrivate, nonce: OTHER.nonce })

const of = (type, seq, payload) => frame(2, type, seq, payload)
const payloadOf = (bytes) => bytes.subarray(12)
const asVersion = (version, bytes) => mend(concat(bytes.subarray(0, 2), [version], bytes.subarray(3)))
const withSeq = (bytes, seq) => of(bytes[3], seq, payloadOf(bytes))
const cutBy = (bytes, count) => mend(bytes.subarray(0, -count), { length: true })
const grownBy = (bytes, count) => mend(concat(bytes, Buffer.alloc(count)), { length: true })
const macWith = (changes) =>
  handshakeMac({
    version: 2,
    nonce: GIVEN.nonce,
    psk: GIVEN.psk,
    clientPublic: GOOD.clientPublic,
    serverPublic: GOOD.serverPublic,
    ...changes,
  })
const macC = (changes = {}) => macWith({ type: TYPE.HELLO_ACK, who: GIVEN.deviceId, ...changes })
const macS = (changes = {}) => macWith({ type: TYPE.SESSION_OK, who: GIVEN.sessionId, ...changes })
const helloAck = (mac) => of(TYPE.HELLO_ACK, 2, mac)
const sessionOk = (mac, sessionId = GIVEN.sessionId) => of(TYPE.SESSION_OK, 0, concat(sessionId, mac))

/** Faults that any message can have, tried on the good message of the state. */
function commonFaults(good, wrongTypes) {
  return [
    ...wrongTypes.map(([name, bytes]) => ['UNEXPECTED_PACKET', `${name} instead`, ['WRONG_TYPE'], bytes]),
    ...[TYPE.DATA, TYPE.PING, TYPE.BYE, TYPE.REKEY, 0x0c, 0xfe].map((type) => [
      'UNEXPECTED_PACKET',
      `type 0x${type.toString(16).padStart(2, '0')} with the payload of the good message`,
      ['WRONG_TYPE'],
      of(type, 0, payloadOf(good)),
    ]),
    ['BAD_PAYLOAD', 'payload one byte short', ['WRONG_LENGTH'], cutBy(good, 1)],
    ['BAD_PAYLOAD', 'payload one byte long', ['WRONG_LENGTH'], grownBy(good, 1)],
    ['BAD_PAYLOAD', 'no payload', ['WRONG_LENGTH'], of(good[3], 0, [])],
    ['BAD_PAYLOAD', 'payload of 480 bytes', ['WRONG_LENGTH'], of(good[3], 0, bytesFrom('handshake/480', 480))],
    ['BAD_VERSION', 'the good message as a frame of version 1', ['FRAME_FAULT'], asVersion(1, good)],
    ['BAD_VERSION', 'the good message as a frame of version 3', ['FRAME_FAULT'], asVersion(3, good)],
    ['BAD_CRC', 'the good message with a wrong CRC', ['FRAME_FAULT'], flip(good, 11)],
    ['BAD_CRC', 'the good message, payload turned, CRC left', ['FRAME_FAULT'], flip(good, -1)],
    ['BAD_MAGIC', 'the good message with a wrong magic', ['FRAME_FAULT'], mend(flip(good, 0))],
  ]
}

const DATAGRAM_FAULTS = (good) => [
  ['INCOMPLETE', 'the good message without its last byte', ['FRAME_FAULT'], good.subarray(0, -1)],
  ['TRAILING_BYTES', 'the good message and a byte behind it', ['FRAME_FAULT'], concat(good, [0])],
]

const CLIENT_CHALLENGE = [
  ...commonFaults(GOOD.challenge, [
    ['HELLO', GOOD.hello],
    ['HELLO_ACK', GOOD.helloAck],
    ['SESSION_OK', GOOD.sessionOk],
  ]),
  [
    'LOW_ORDER_POINT',
    'public key of the server of order 8',
    ['LOW_ORDER'],
    of(TYPE.CHALLENGE, 0, concat(GIVEN.nonce, LOW_ORDER)),
  ],
  [
    'LOW_ORDER_POINT',
    'public key of the server zero',
    ['LOW_ORDER'],
    of(TYPE.CHALLENGE, 0, concat(GIVEN.nonce, Buffer.alloc(32))),
  ],
]

const HELLO_RETRY_FAULTS = [
  ['BAD_PAYLOAD', 'HELLO_RETRY with a cookie of 15 bytes', ['WRONG_LENGTH', 'COOKIE'], cutBy(GOOD.helloRetry, 1)],
  ['BAD_PAYLOAD', 'HELLO_RETRY with a cookie of 17 bytes', ['WRONG_LENGTH', 'COOKIE'], grownBy(GOOD.helloRetry, 1)],
]

const macFaults = (carry, mac, otherRole) => [
  ['AUTH_FAILED', 'first bit of the mac turned', ['WRONG_MAC'], carry(flip(mac(), 0, 0))],
  ['AUTH_FAILED', 'last bit of the mac turned', ['WRONG_MAC'], carry(flip(mac(), -1, 7))],
  ['AUTH_FAILED', 'mac zero', ['WRONG_MAC'], carry(Buffer.alloc(32))],
  ['AUTH_FAILED', 'mac under another PSK', ['WRONG_MAC'], carry(mac({ psk: OTHER.psk }))],
  ['AUTH_FAILED', 'mac over another nonce', ['WRONG_MAC'], carry(mac({ nonce: OTHER.nonce }))],
  [
    'AUTH_FAILED',
    'mac over another public key of the client',
    ['WRONG_MAC'],
    carry(mac({ clientPublic: x25519Public(OTHER.clientPrivate) })),
  ],
  [
    'AUTH_FAILED',
    'mac over another public key of the server',
    ['WRONG_MAC'],
    carry(mac({ serverPublic: x25519Public(OTHER.serverPrivate) })),
  ],
  [
    'AUTH_FAILED',
    'mac over the public keys in the other order',
    ['WRONG_MAC'],
    carry(mac({ clientPublic: GOOD.serverPublic, serverPublic: GOOD.clientPublic })),
  ],
  ['AUTH_FAILED', 'mac with the prefix of the other role', ['REFLECTION'], carry(mac({ type: otherRole }))],
  ['AUTH_FAILED', 'mac without prefix, as in wire version 1', ['DOWNGRADE'], carry(mac({ version: 1 }))],
]

const CLIENT_SESSION_OK = [
  ...commonFaults(GOOD.sessionOk, [
    ['HELLO', GOOD.hello],
    ['HELLO_ACK', GOOD.helloAck],
  ]),
  ...macFaults((mac) => sessionOk(mac), macS, TYPE.HELLO_ACK),
  ['AUTH_FAILED', 'the own mac, sent back', ['REFLECTION'], sessionOk(GOOD.macC)],
  [
    'AUTH_FAILED',
    'mac over the first 8 bytes of the session id',
    ['WRONG_MAC'],
    sessionOk(macS({ who: GIVEN.sessionId.subarray(0, 8) })),
  ],
  ['AUTH_FAILED', 'the session id changed, the mac left', ['WRONG_MAC'], sessionOk(GOOD.macS, OTHER.sessionId)],
  [
    'AUTH_FAILED',
    'last bit of the session id turned, the mac left',
    ['WRONG_MAC'],
    sessionOk(GOOD.macS, flip(GIVEN.sessionId, 15, 7)),
  ],
]

const SERVER_HELLO = commonFaults(GOOD.hello, [
  ['CHALLENGE', GOOD.challenge],
  ['HELLO_ACK', GOOD.helloAck],
  ['SESSION_OK', GOOD.sessionOk],
  ['HELLO_RETRY', GOOD.helloRetry],
])

const SERVER_HELLO_ACK = [
  ...commonFaults(GOOD.helloAck, [
    ['CHALLENGE', GOOD.challenge],
    ['SESSION_OK', GOOD.sessionOk],
    ['HELLO_RETRY', GOOD.helloRetry],
  ]),
  ...macFaults(helloAck, macC, TYPE.SESSION_OK),
  ['AUTH_FAILED', 'mac over another device id', ['OTHER_DEVICE'], helloAck(macC({ who: OTHER.deviceId }))],
  [
    'AUTH_FAILED',
    'mac over the session id that is yet to come',
    ['WRONG_MAC'],
    helloAck(macC({ who: GIVEN.sessionId })),
  ],
]

const HELLO_LOW_ORDER = of(TYPE.HELLO, 0, concat(GIVEN.deviceId, LOW_ORDER))
const SERVER_LOW_ORDER = [
  [
    'LOW_ORDER_POINT',
    'public key of the client of order 8, mac good',
    ['LOW_ORDER'],
    helloAck(macC({ clientPublic: LOW_ORDER })),
  ],
  ['AUTH_FAILED', 'public key of the client of order 8, mac wrong', ['LOW_ORDER', 'WRONG_MAC'], helloAck(GOOD.macC)],
]

const rejects = (prefix, list, next) =>
  list.map(([error, comment, flags, bytes]) =>
    invalid(error, comment, flags, { prefix, frame: bytes, ...(next ?? {}) }),
  )

const accepts = (comment, flags, prefix, bytes, reply, established = false) =>
  valid(comment, flags, { prefix, frame: bytes }, { reply, established })

const errorFrame = of(TYPE.ERROR, 0, [2, 0, 0])
const longErrorFrame = of(TYPE.ERROR, 9, bytesFrom('handshake/error', 40))
const helloOf = (cookie) => of(TYPE.HELLO, 1, concat(GIVEN.deviceId, GOOD.clientPublic, cookie))

function group(transport, role, awaiting, tests) {
  return { params: { op: 'step', version: 2, transport, role, awaiting, ...hexFields(inputFields(GIVEN)) }, tests }
}

const hexFields = (fields) =>
  Object.fromEntries(Object.entries(fields).map(([name, bytes]) => [name, bytes.toString('hex')]))

function orderedGroups() {
  const { hello, helloRetry, helloCookie, challenge, helloAck: ack, sessionOk: ok } = GOOD
  return [
    group('ordered', 'client', 'challenge', [
      accepts('CHALLENGE', ['GOOD'], [], challenge, [ack]),
      accepts('CHALLENGE with another seq', ['SEQ_NOT_JUDGED'], [], withSeq(challenge, 0xffffffff), [ack]),
      accepts('an ERROR frame', ['ERROR_IS_A_HINT'], [], errorFrame, []),
      accepts(
        'CHALLENGE behind two ERROR frames, one too long',
        ['ERROR_IS_A_HINT'],
        [errorFrame, longErrorFrame],
        challenge,
        [ack],
      ),
      accepts('HELLO_RETRY', ['COOKIE'], [], helloRetry, [helloCookie]),
      accepts('CHALLENGE behind HELLO_RETRY', ['COOKIE'], [helloRetry], challenge, [ack]),
      ...rejects([], [...CLIENT_CHALLENGE, ...HELLO_RETRY_FAULTS]),
      ...rejects(
        [helloRetry],
        [
          ['UNEXPECTED_PACKET', 'a second HELLO_RETRY', ['COOKIE'], helloRetry],
          [
            'UNEXPECTED_PACKET',
            'a second HELLO_RETRY with another cookie',
            ['COOKIE'],
            of(TYPE.HELLO_RETRY, 0, OTHER.cookie),
          ],
        ],
      ),
    ]),
    group('ordered', 'client', 'session_ok', [
      accepts('SESSION_OK', ['GOOD'], [challenge], ok, [], true),
      accepts('SESSION_OK with another seq', ['SEQ_NOT_JUDGED'], [challenge], withSeq(ok, 3), [], true),
      accepts('an ERROR frame', ['ERROR_IS_A_HINT'], [challenge], errorFrame, []),
      accepts('SESSION_OK behind an ERROR frame', ['ERROR_IS_A_HINT'], [challenge, errorFrame], ok, [], true),
      ...rejects(
        [challenge],
        [
          ...CLIENT_SESSION_OK,
          ['UNEXPECTED_PACKET', 'a second CHALLENGE', ['WRONG_TYPE'], challenge],
          ['UNEXPECTED_PACKET', 'HELLO_RETRY behind CHALLENGE', ['WRONG_TYPE', 'COOKIE'], helloRetry],
        ],
      ),
    ]),
    group('ordered', 'server', 'hello', [
      accepts('HELLO', ['GOOD'], [], hello, [challenge]),
      accepts('HELLO with another seq', ['SEQ_NOT_JUDGED'], [], withSeq(hello, 77), [challenge]),
      accepts('HELLO with 16 bytes behind, which mean nothing here', ['COOKIE'], [], helloOf(OTHER.cookie), [
        challenge,
      ]),
      accepts('HELLO with a public key of order 8: judged after the mac', ['LOW_ORDER'], [], HELLO_LOW_ORDER, [
        challenge,
      ]),
      accepts('an ERROR frame', ['ERROR_IS_A_HINT'], [], errorFrame, []),
      ...rejects(
        [],
        [
          ...SERVER_HELLO,
          ['BAD_PAYLOAD', 'cookie one byte short', ['WRONG_LENGTH', 'COOKIE'], cutBy(helloCookie, 1)],
          ['BAD_PAYLOAD', 'cookie one byte long', ['WRONG_LENGTH', 'COOKIE'], grownBy(helloCookie, 1)],
        ],
      ),
    ]),
    group('ordered', 'server', 'hello_ack', [
      accepts('HELLO_ACK', ['GOOD'], [hello], ack, [ok], true),
      accepts('HELLO_ACK with another seq', ['SEQ_NOT_JUDGED'], [hello], withSeq(ack, 0), [ok], true),
      accepts('HELLO_ACK behind an ERROR frame', ['ERROR_IS_A_HINT'], [hello, errorFrame], ack, [ok], true),
      ...rejects([hello], [...SERVER_HELLO_ACK, ['UNEXPECTED_PACKET', 'a second HELLO', ['WRONG_TYPE'], hello]]),
      ...rejects([HELLO_LOW_ORDER], SERVER_LOW_ORDER),
    ]),
  ]
}

function datagramGroups() {
  const { hello, helloRetry, helloCookie, challenge, helloAck: ack, sessionOk: ok } = GOOD
  const goesOn = (next, reply, established) => ({ next, next_reply: reply, next_established: established })
  return [
    group('datagram', 'client', 'challenge', [
      accepts('HELLO_RETRY', ['COOKIE', 'GOOD'], [], helloRetry, [helloCookie]),
      accepts('CHALLENGE behind HELLO_RETRY', ['COOKIE', 'GOOD'], [helloRetry], challenge, [ack]),
      accepts('CHALLENGE without HELLO_RETRY', ['GOOD'], [], challenge, [ack]),
      accepts('HELLO_RETRY once more', ['REPEAT'], [helloRetry], helloRetry, []),
      ...rejects([helloRetry], [...CLIENT_CHALLENGE, ...DATAGRAM_FAULTS(challenge)], goesOn(challenge, [ack], false)),
      ...rejects([], HELLO_RETRY_FAULTS, goesOn(helloRetry, [helloCookie], false)),
    ]),
    group('datagram', 'client', 'session_ok', [
      accepts('SESSION_OK', ['GOOD'], [helloRetry, challenge], ok, [], true),
      accepts('CHALLENGE once more', ['REPEAT'], [helloRetry, challenge], challenge, []),
      accepts('HELLO_RETRY once more', ['REPEAT'], [helloRetry, challenge], helloRetry, []),
      accepts('another CHALLENGE, which may be the true one', ['OTHER_CHALLENGE'], [challenge], ANOTHER.challenge, [
        ANOTHER.helloAck,
      ]),
      accepts(
        'SESSION_OK for the first of two challenges',
        ['OTHER_CHALLENGE'],
        [challenge, ANOTHER.challenge],
        ok,
        [],
        true,
      ),
      accepts(
        'SESSION_OK for the second of two challenges',
        ['OTHER_CHALLENGE'],
        [ANOTHER.challenge, challenge],
        ok,
        [],
        true,
      ),
      ...rejects([helloRetry, challenge], [...CLIENT_SESSION_OK, ...DATAGRAM_FAULTS(ok)], goesOn(ok, [], true)),
    ]),
    group('datagram', 'server', 'hello', [
      accepts('HELLO without cookie', ['COOKIE', 'GOOD'], [], hello, [helloRetry]),
      accepts('HELLO with the cookie', ['COOKIE', 'GOOD'], [], helloCookie, [challenge]),
      accepts('HELLO with the cookie and another seq', ['SEQ_NOT_JUDGED'], [], withSeq(helloCookie, 0), [challenge]),
      ...rejects(
        [],
        [
          ...SERVER_HELLO,
          ...DATAGRAM_FAULTS(helloCookie),
          ['BAD_COOKIE', 'another cookie', ['COOKIE'], helloOf(OTHER.cookie)],
          ['BAD_COOKIE', 'first bit of the cookie turned', ['COOKIE'], helloOf(flip(GIVEN.cookie, 0))],
          ['BAD_COOKIE', 'last bit of the cookie turned', ['COOKIE'], helloOf(flip(GIVEN.cookie, -1, 7))],
          ['BAD_PAYLOAD', 'cookie one byte short', ['WRONG_LENGTH', 'COOKIE'], cutBy(helloCookie, 1)],
          ['BAD_PAYLOAD', 'cookie one byte long', ['WRONG_LENGTH', 'COOKIE'], grownBy(helloCookie, 1)],
        ],
        goesOn(helloCookie, [challenge], false),
      ),
    ]),
    group('datagram', 'server', 'hello_ack', [
      accepts('HELLO_ACK', ['GOOD'], [helloCookie], ack, [ok], true),
      accepts('HELLO with the cookie once more', ['REPEAT'], [helloCookie], helloCookie, []),
      ...rejects([helloCookie], [...SERVER_HELLO_ACK, ...DATAGRAM_FAULTS(ack)], goesOn(ack, [ok], true)),
    ]),
  ]
}

// ---- added later, behind the others: the numbers of cases stay ----

const LITTLE_ENDIAN_P = unhex(`ed${'ff'.repeat(30)}7f`)

/** Of another exchange, with the right key: old messages that somebody sends again. */
function replayedGroups() {
  const { hello, helloRetry, helloCookie, challenge, helloAck: ack, sessionOk: ok } = GOOD
  const next = (bytes, reply, established) => ({ next: bytes, next_reply: reply, next_established: established })
  const otherRetry = of(TYPE.HELLO_RETRY, 0, OTHER.cookie)
  const lowOrder = (point) => of(TYPE.CHALLENGE, 0, concat(OTHER.nonce, point))
  const helloFrom = (point) => of(TYPE.HELLO, 0, concat(GIVEN.deviceId, point))
  const proofFor = (point) => helloAck(macC({ clientPublic: point }))
  const oldProof = ['AUTH_FAILED', 'the proof for another challenge', ['REPLAY'], ANOTHER.helloAck]
  const oldOk = ['AUTH_FAILED', 'SESSION_OK for another challenge', ['REPLAY'], ANOTHER.sessionOk]
  return [
    group('ordered', 'client', 'challenge', [
      ...rejects(
        [],
        [
          [
            'LOW_ORDER_POINT',
            'public key of the server p, which is 0 not reduced',
            ['LOW_ORDER'],
            lowOrder(LITTLE_ENDIAN_P),
          ],
        ],
      ),
    ]),
    group('ordered', 'client', 'session_ok', rejects([challenge], [oldOk])),
    group('ordered', 'server', 'hello_ack', [
      ...rejects([hello], [oldProof]),
      ...[
        ['zero', Buffer.alloc(32)],
        ['p, which is 0 not reduced', LITTLE_ENDIAN_P],
      ].flatMap(([name, point]) =>
        rejects(
          [helloFrom(point)],
          [['LOW_ORDER_POINT', `public key of the client ${name}, mac good`, ['LOW_ORDER'], proofFor(point)]],
        ),
      ),
    ]),
    group(
      'datagram',
      'client',
      'challenge',
      rejects(
        [helloRetry],
        [['UNEXPECTED_PACKET', 'a second HELLO_RETRY with another cookie', ['COOKIE'], otherRetry]],
        next(challenge, [ack], false),
      ),
    ),
    group(
      'datagram',
      'client',
      'session_ok',
      rejects(
        [helloRetry, challenge],
        [
          ['UNEXPECTED_PACKET', 'HELLO_RETRY with another cookie', ['WRONG_TYPE', 'COOKIE'], otherRetry],
          [
            'LOW_ORDER_POINT',
            'another CHALLENGE, public key of order 8',
            ['OTHER_CHALLENGE', 'LOW_ORDER'],
            lowOrder(LOW_ORDER),
          ],
          [
            'BAD_PAYLOAD',
            'another CHALLENGE, one byte short',
            ['OTHER_CHALLENGE', 'WRONG_LENGTH'],
            cutBy(ANOTHER.challenge, 1),
          ],
          [
            'BAD_PAYLOAD',
            'another CHALLENGE, one byte long',
            ['OTHER_CHALLENGE', 'WRONG_LENGTH'],
            grownBy(ANOTHER.challenge, 1),
          ],
          oldOk,
        ],
        next(ok, [], true),
      ),
    ),
    group(
      'datagram',
      'server',
      'hello_ack',
      rejects(
        [helloCookie],
        [
          ['BAD_COOKIE', 'HELLO with another cookie', ['COOKIE'], helloOf(OTHER.cookie)],
          ['BAD_PAYLOAD', 'HELLO with a cookie of 15 bytes', ['COOKIE', 'WRONG_LENGTH'], cutBy(helloCookie, 1)],
          oldProof,
        ],
        next(ack, [ok], true),
      ),
    ),
  ]
}

/** On datagrams a wrong proof does not end the attempt, and the fifth does (spec 3.12). */
function guessGroups() {
  const { helloCookie, helloAck: ack, sessionOk: ok } = GOOD
  const guess = (index) => helloAck(bytesFrom(`handshake/guess/${index}`, 32))
  const guesses = (count) => Array.from({ length: count }, (_, index) => guess(index))
  const next = (reply, established) => ({ next: ack, next_reply: reply, next_established: established })
  const otherDevice = of(TYPE.HELLO, 1, concat(OTHER.deviceId, GOOD.clientPublic, GIVEN.cookie))
  return [
    group('datagram', 'server', 'hello_ack', [
      ...rejects(
        [helloCookie, ...guesses(3)],
        [['AUTH_FAILED', 'the fourth wrong proof, then the right one', ['GUESSES'], guess(3)]],
        next([ok], true),
      ),
      ...rejects(
        [helloCookie, ...guesses(4)],
        [['AUTH_FAILED', 'the fifth wrong proof, then the right one', ['GUESSES'], guess(4)]],
        next([], false),
      ),
      ...rejects(
        [helloCookie],
        [['UNEXPECTED_PACKET', 'HELLO of another device, with a good cookie', ['GUESSES'], otherDevice]],
        next([ok], true),
      ),
    ]),
  ]
}

/** Wire version 1: what came with version 2 is none of its messages. */
function version1Groups() {
  const { cookie: _cookie, ...given } = GIVEN
  const made = play({ version: 1, ...given })
  const flags = ['WIRE_V1']
  const old = (role, awaiting, prefix, list) => ({
    params: { op: 'step', version: 1, transport: 'ordered', role, awaiting, ...hexFields(inputFields(given)) },
    tests: rejects(prefix, list),
  })
  const version2 = (bytes) => ['BAD_VERSION', 'the good message as a frame of version 2', flags, asVersion(2, bytes)]
  const withPrefix = (type, who) =>
    handshakeMac({ ...given, version: 2, type, who, clientPublic: made.clientPublic, serverPublic: made.serverPublic })
  return [
    old(
      'client',
      'challenge',
      [],
      [
        version2(made.challenge),
        ['UNEXPECTED_PACKET', 'SESSION_OK instead', flags, made.sessionOk],
        ['BAD_PAYLOAD', 'payload one byte short', flags, cutBy(made.challenge, 1)],
      ],
    ),
    old(
      'client',
      'session_ok',
      [made.challenge],
      [
        version2(made.sessionOk),
        [
          'AUTH_FAILED',
          'mac with the prefix of wire version 2',
          flags,
          frame(1, TYPE.SESSION_OK, 0, concat(given.sessionId, withPrefix(TYPE.SESSION_OK, given.sessionId))),
        ],
        ['AUTH_FAILED', 'last bit of the mac turned', flags, mend(flip(made.sessionOk, -1, 7))],
      ],
    ),
    old(
      'server',
      'hello_ack',
      [made.hello],
      [
        version2(made.helloAck),
        [
          'AUTH_FAILED',
          'mac with the prefix of wire version 2',
          flags,
          frame(1, TYPE.HELLO_ACK, 0, withPrefix(TYPE.HELLO_ACK, given.deviceId)),
        ],
        ['AUTH_FAILED', 'last bit of the mac turned', flags, mend(flip(made.helloAck, -1, 7))],
      ],
    ),
  ]
}

export default function () {
  return topic({
    topic: 'handshake',
    source: 'spec 3.1 to 3.10, 3.12, 7.2, 7.8, 9.3',
    notes: {
      PSK_LENGTH: 'HMAC hashes keys over 64 bytes and fills up shorter ones. Catches a fixed-size key buffer.',
      DEVICE_ID: 'The device id is bytes, not text and not a number.',
      PRINTED: 'Spec 3.14 and 9.3.',
      OTHER_CHALLENGE:
        'Before SESSION_OK nobody can tell a forged CHALLENGE from the true one: on datagrams each is answered, and SESSION_OK decides.',
      GOOD: 'The expected message.',
      REPEAT:
        'On datagrams a repeat of a message already accepted, byte for byte, is acknowledged and has no other effect.',
      SEQ_NOT_JUDGED: 'The seq of a handshake frame means nothing to the handshake.',
      ERROR_IS_A_HINT: 'An ERROR frame is not authenticated: nothing is answered and nothing changes.',
      COOKIE:
        'HELLO_RETRY: at most once, the same HELLO again with the cookie behind and seq 1. Only a server on datagrams judges the cookie.',
      WRONG_TYPE: 'A message that does not belong into this state. The type is judged before the payload.',
      WRONG_LENGTH: 'A payload that is not as long as the type asks for. Catches reading a longer one as a good one.',
      FRAME_FAULT:
        'Faults of the frame, which the layer below the handshake reports. Version 1 is never taken up by itself.',
      WRONG_MAC:
        'Everything under the mac is changed once. Catches a mac over too little, and a comparison that stops early.',
      REFLECTION: 'The mac of the other role must not pass: the prefix names the message.',
      REPLAY: 'A message with a good mac, from another exchange with the same key.',
      GUESSES:
        'One attempt is for one device and takes at most five wrong proofs: behind the fourth the right one is still good, behind the fifth nothing is.',
      DOWNGRADE: 'A mac as wire version 1 makes it must not pass.',
      OTHER_DEVICE: 'A mac for another device id than that of HELLO must not pass.',
      LOW_ORDER:
        'A public key that makes the shared secret zero. The client refuses at once; the server only after the mac, so that nobody without the PSK makes it compute.',
      WIRE_V1:
        'Wire version 1, for implementations that can reach old firmware: no prefix under the macs, one key for both directions. Leave the group out otherwise.',
    },
    groups: [
      { params: { op: 'transcript', version: 2, transport: 'ordered' }, tests: transcripts('ordered', false) },
      { params: { op: 'transcript', version: 2, transport: 'datagram' }, tests: transcripts('datagram', true) },
      {
        params: { op: 'transcript', version: 1, transport: 'ordered' },
        tests: [
          ...[16, 32, 65].map((pskLength) =>
            transcript(
              `PSK of ${pskLength} bytes`,
              ['WIRE_V1', 'PSK_LENGTH'],
              inputs(`handshake/v1/${pskLength}`, { pskLength, cookie: false }),
              1,
            ),
          ),
          transcript('the example of the specification', ['WIRE_V1', 'PRINTED'], EXAMPLE, 1),
        ],
      },
      ...orderedGroups(),
      ...datagramGroups(),
      ...replayedGroups(),
      ...version1Groups(),
      ...guessGroups(),
    ],
  })
}
