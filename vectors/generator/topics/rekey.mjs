import { EXAMPLE, EXAMPLE_KEYS, EXAMPLE_SALT } from '../example.mjs'
import { bytesFrom, hex, rekey as newKeys, TYPE, topic, valid } from '../lib.mjs'
import { receive, rekey, scriptParams, sealed, send, text } from '../script.mjs'

const { DATA, DATA_FRAG, PING, PONG, REKEY } = TYPE
const after = (initiator, { c2s, s2c }, salt) => newKeys({ initiator, c2s, s2c, sessionId: EXAMPLE.sessionId, salt })

function derive(comment, flags, initiator, keys, salt, sessionId = EXAMPLE.sessionId) {
  const made = newKeys({ initiator, ...keys, sessionId, salt })
  return valid(
    comment,
    flags,
    { initiator, k_c2s: keys.c2s, k_s2c: keys.s2c, session_id: sessionId, salt },
    { new_k_c2s: made.c2s, new_k_s2c: made.s2c },
  )
}

function deriveTests() {
  const keys = { c2s: bytesFrom('rekey/c2s', 32), s2c: bytesFrom('rekey/s2c', 32) }
  const salt = bytesFrom('rekey/salt', 32)
  const sessionId = bytesFrom('rekey/session-id', 16)
  return [
    derive('the client begins', ['PRINTED'], 'client', EXAMPLE_KEYS, EXAMPLE_SALT.client),
    derive('the server begins', ['PRINTED'], 'server', EXAMPLE_KEYS, EXAMPLE_SALT.server),
    derive('the client begins', ['DERIVE'], 'client', keys, salt, sessionId),
    derive('the server begins, same salt', ['DERIVE'], 'server', keys, salt, sessionId),
    derive('salt of zeros', ['DERIVE'], 'client', keys, Buffer.alloc(32), sessionId),
    derive(
      'session id changed in its last byte',
      ['DERIVE'],
      'client',
      keys,
      salt,
      bytesFrom('rekey/session-id', 16).fill(0, 15),
    ),
  ]
}

/** Where the scripts begin: the client has sent the numbers 0 and 1, the server 0. */
const [C2S, S2C] = [2, 1]

function scripts(suite) {
  const frame = (key, type, seq, plaintext) => sealed(suite, key, type, seq, plaintext)
  const K = EXAMPLE_KEYS
  const [saltC, saltS] = [EXAMPLE_SALT.client, EXAMPLE_SALT.server]
  const C = after('client', K, saltC)
  const S = after('server', K, saltS)
  const script = (comment, flags, ...steps) => valid(comment, flags, { steps })

  const rekeyC = frame(K.c2s, REKEY, C2S, saltC)
  const pingC = frame(C.c2s, PING, 0)
  const pongC = frame(C.s2c, PONG, 0)
  const rekeyS = frame(K.s2c, REKEY, S2C, saltS)
  const pingS = frame(S.s2c, PING, 0)
  const pongS = frame(S.c2s, PONG, 0)

  const clientBegins = rekey('client', saltC, { sends: [rekeyC, pingC] })
  const serverBegins = rekey('server', saltS, { sends: [rekeyS, pingS] })
  const clientConfirmed = [
    clientBegins,
    receive('server', rekeyC),
    receive('server', pingC, { sends: [pongC] }),
    receive('client', pongC),
  ]

  /** One message: sent by one side, received by the other. */
  const message = (from, key, seq, words) => {
    const bytes = frame(key, DATA, seq, text(words))
    return {
      bytes,
      sent: send(from, text(words), { sends: [bytes] }),
      received: receive(from === 'client' ? 'server' : 'client', bytes, { messages: [text(words)] }),
    }
  }
  const both = (part) => [part.sent, part.received]

  const single = [
    script(
      'the client begins, nothing under way',
      ['INITIATOR_CLIENT', 'PRINTED'],
      ...clientConfirmed,
      ...both(message('client', C.c2s, 1, 'new key')),
      ...both(message('server', C.s2c, 1, 'new key too')),
    ),
    script(
      'the server begins, nothing under way',
      ['INITIATOR_SERVER'],
      serverBegins,
      receive('client', rekeyS),
      receive('client', pingS, { sends: [pongS] }),
      receive('server', pongS),
      ...both(message('server', S.s2c, 1, 'new key')),
      ...both(message('client', S.c2s, 1, 'new key too')),
    ),
  ]

  const crossing = () => {
    const [old1, old2] = [message('server', K.s2c, 1, 'old key'), message('server', K.s2c, 2, 'old key again')]
    const [early1, early2] = [message('client', K.c2s, 2, 'old key'), message('client', K.c2s, 3, 'old key again')]
    return [
      script(
        'the client begins while two messages of the server are under way',
        ['INITIATOR_CLIENT', 'CROSSING'],
        clientBegins,
        old1.sent,
        old2.sent,
        old1.received,
        old2.received,
        ...clientConfirmed.slice(1),
        ...both(message('server', C.s2c, 1, 'new key')),
      ),
      script(
        'the server begins while two messages of the client are under way',
        ['INITIATOR_SERVER', 'CROSSING'],
        serverBegins,
        early1.sent,
        early2.sent,
        early1.received,
        early2.received,
        receive('client', rekeyS),
        receive('client', pingS, { sends: [pongS] }),
        receive('server', pongS),
        ...both(message('client', S.c2s, 1, 'new key')),
      ),
      script(
        'the initiator sends on without waiting for the PONG',
        ['INITIATOR_CLIENT', 'AT_ONCE'],
        clientBegins,
        send('client', text('at once'), { sends: [frame(C.c2s, DATA, 1, text('at once'))] }),
        receive('server', rekeyC),
        receive('server', pingC, { sends: [pongC] }),
        receive('server', frame(C.c2s, DATA, 1, text('at once')), { messages: [text('at once')] }),
        receive('client', pongC),
      ),
    ]
  }

  const peerWithoutPing = [
    script(
      'a peer that sends no PING behind REKEY',
      ['NO_PING'],
      receive('server', rekeyC),
      receive('server', frame(C.c2s, DATA, 0, text('new key')), { messages: [text('new key')] }),
      send('server', text('answer'), { sends: [frame(C.s2c, DATA, 0, text('answer'))] }),
    ),
    script(
      'the receiver speaks first under the new keys',
      ['NO_PING'],
      receive('client', rekeyS),
      send('client', text('first'), { sends: [frame(S.c2s, DATA, 0, text('first'))] }),
      receive('client', pingS, { sends: [frame(S.c2s, PONG, 1)] }),
    ),
    script(
      'a peer that answers the PING with a message first',
      ['NO_PING'],
      clientBegins,
      receive('client', frame(C.s2c, DATA, 0, text('first')), { messages: [text('first')] }),
      receive('client', frame(C.s2c, PONG, 1)),
    ),
  ]

  const refusals = [
    script(
      'the initiator forgets the old key with the first frame under the new one',
      ['OLD_KEY'],
      ...clientConfirmed.filter(({ side }) => side === 'client'),
      receive('client', frame(K.s2c, DATA, S2C, text('old key')), { end: 'DECRYPT_FAILED' }),
    ),
    script(
      'the receiver forgets the old key with the first frame under the new one',
      ['OLD_KEY'],
      receive('server', rekeyC),
      receive('server', pingC, { sends: [pongC] }),
      receive('server', frame(K.c2s, DATA, C2S + 1, text('old key')), { end: 'DECRYPT_FAILED' }),
    ),
    script(
      'the old key keeps its own count: one left out',
      ['OLD_KEY'],
      clientBegins,
      receive('client', frame(K.s2c, DATA, S2C + 1, text('left out')), { end: 'SEQ_MISMATCH' }),
    ),
    script(
      'the new key begins with 0: its first frame has the number of the old count',
      ['NEW_COUNT'],
      clientBegins,
      receive('client', frame(C.s2c, DATA, S2C, text('old count')), { end: 'SEQ_MISMATCH' }),
    ),
    script(
      'a frame under none of the keys, old and new alive',
      ['OLD_KEY'],
      clientBegins,
      receive('client', frame(bytesFrom('rekey/other', 32), DATA, 0, text('?')), { end: 'DECRYPT_FAILED' }),
    ),
    script(
      'the receiver derives from the wrong side: input keys exchanged',
      ['NEW_COUNT'],
      clientBegins,
      receive('client', frame(after('server', K, saltC).s2c, PONG, 0), { end: 'DECRYPT_FAILED' }),
    ),
    script(
      'a second rekey before the first is confirmed',
      ['SECOND'],
      clientBegins,
      rekey('client', saltS, { refused: 'INVALID_ARGUMENT' }),
      receive('client', pongC),
      ...both(message('client', C.c2s, 1, 'still alive')).slice(0, 1),
    ),
  ]

  const again = () => {
    const salt = bytesFrom('rekey/again', 32)
    const [CC, CS] = [after('client', C, salt), after('server', C, salt)]
    const [rekeyCC, pingCC, pongCC] = [frame(C.c2s, REKEY, 1, salt), frame(CC.c2s, PING, 0), frame(CC.s2c, PONG, 0)]
    const [rekeyCS, pingCS, pongCS] = [frame(C.s2c, REKEY, 1, salt), frame(CS.s2c, PING, 0), frame(CS.c2s, PONG, 0)]
    return [
      script(
        'the client twice, one after the other',
        ['CHAIN'],
        ...clientConfirmed,
        rekey('client', salt, { sends: [rekeyCC, pingCC] }),
        receive('server', rekeyCC),
        receive('server', pingCC, { sends: [pongCC] }),
        receive('client', pongCC),
        ...both(message('server', CC.s2c, 1, 'third keys')),
      ),
      script(
        'the client, then the server',
        ['CHAIN'],
        ...clientConfirmed,
        rekey('server', salt, { sends: [rekeyCS, pingCS] }),
        receive('client', rekeyCS),
        receive('client', pingCS, { sends: [pongCS] }),
        receive('server', pongCS),
        ...both(message('client', CS.c2s, 1, 'third keys')),
      ),
    ]
  }

  const atOnce = () => {
    const lateK = {
      c: message('client', K.c2s, C2S, 'old key, client'),
      s: message('server', K.s2c, S2C, 'old key, server'),
    }
    const [rekeyC3, rekeyS2] = [frame(K.c2s, REKEY, C2S + 1, saltC), frame(K.s2c, REKEY, S2C + 1, saltS)]
    const underS = message('server', S.s2c, 1, 'losing key')
    const underC = message('client', C.c2s, 1, 'winning key')
    const salt = bytesFrom('rekey/at-once', 32)
    const CS = after('server', C, salt)
    const [rekeyCS, pingCS] = [frame(C.s2c, REKEY, 1, salt), frame(CS.s2c, PING, 0)]
    return [
      script(
        'both at once, as drawn in the specification',
        ['BOTH', 'PRINTED'],
        clientBegins,
        serverBegins,
        receive('client', rekeyS),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 1)] }),
        receive('server', rekeyC),
        receive('server', pingC, { sends: [pongC] }),
        receive('client', pongC),
        receive('server', frame(C.c2s, PONG, 1)),
        ...both(message('client', C.c2s, 2, 'winning keys')),
        ...both(message('server', C.s2c, 1, 'winning keys too')),
      ),
      script(
        'both at once, the server sees it first',
        ['BOTH'],
        serverBegins,
        clientBegins,
        receive('server', rekeyC),
        receive('server', pingC, { sends: [pongC] }),
        receive('client', rekeyS),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 1)] }),
        receive('client', pongC),
        receive('server', frame(C.c2s, PONG, 1)),
        ...both(message('server', C.s2c, 1, 'winning keys')),
      ),
      script(
        'both at once, messages under all three keys under way',
        ['BOTH', 'CROSSING'],
        lateK.c.sent,
        rekey('client', saltC, { sends: [rekeyC3, pingC] }),
        underC.sent,
        lateK.s.sent,
        rekey('server', saltS, { sends: [rekeyS2, pingS] }),
        underS.sent,
        lateK.c.received,
        lateK.s.received,
        receive('client', rekeyS2),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 2)] }),
        underS.received,
        receive('server', rekeyC3),
        receive('server', pingC, { sends: [pongC] }),
        underC.received,
        receive('server', frame(C.c2s, PONG, 2)),
        receive('client', pongC),
        ...both(message('server', C.s2c, 1, 'winning keys')),
      ),
      script(
        'both at once, then the server begins anew',
        ['BOTH', 'CHAIN'],
        clientBegins,
        serverBegins,
        receive('server', rekeyC),
        receive('server', pingC, { sends: [pongC] }),
        rekey('server', salt, { sends: [rekeyCS, pingCS] }),
        receive('client', rekeyS),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 1)] }),
        receive('client', pongC),
        receive('server', frame(C.c2s, PONG, 1)),
        receive('client', rekeyCS),
        receive('client', pingCS, { sends: [frame(CS.c2s, PONG, 0)] }),
        receive('server', frame(CS.c2s, PONG, 0)),
        ...both(message('client', CS.c2s, 1, 'fourth keys')),
      ),
      script(
        'both at once, the client sends a message before the PONG',
        ['BOTH', 'AT_ONCE'],
        clientBegins,
        receive('client', rekeyS),
        send('client', text('at once'), { sends: [frame(C.c2s, DATA, 1, text('at once'))] }),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 2)] }),
        receive('client', pongC),
      ),
      script(
        'both at once: the client refuses a frame of the server under the old key behind the losing one',
        ['BOTH', 'OLD_KEY'],
        clientBegins,
        receive('client', rekeyS),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 1)] }),
        receive('client', frame(K.s2c, DATA, S2C + 1, text('old key')), { end: 'DECRYPT_FAILED' }),
      ),
      script(
        'both at once: the client refuses the losing key once its own is confirmed',
        ['BOTH', 'OLD_KEY'],
        clientBegins,
        receive('client', rekeyS),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 1)] }),
        receive('client', pongC),
        receive('client', frame(S.s2c, DATA, 1, text('losing key')), { end: 'DECRYPT_FAILED' }),
      ),
      script(
        'both at once: the server never opens under its losing keys',
        ['BOTH', 'OLD_KEY'],
        serverBegins,
        receive('server', rekeyC),
        receive('server', frame(S.c2s, PONG, 0), { end: 'DECRYPT_FAILED' }),
      ),
      script(
        'both at once: a second REKEY of the server under the old key',
        ['BOTH', 'SECOND'],
        clientBegins,
        receive('client', rekeyS),
        receive('client', frame(K.s2c, REKEY, S2C + 1, salt), { end: 'UNEXPECTED_PACKET' }),
      ),
      script(
        'both at once: a REKEY of the server under its losing key',
        ['BOTH', 'SECOND'],
        clientBegins,
        receive('client', rekeyS),
        receive('client', pingS, { sends: [frame(C.c2s, PONG, 1)] }),
        receive('client', frame(S.s2c, REKEY, 1, salt), { end: 'UNEXPECTED_PACKET' }),
      ),
    ]
  }

  const all = [...single, ...crossing(), ...peerWithoutPing, ...refusals, ...again(), ...atOnce()]
  // The suite changes no rule; the other one runs the two scripts that use every step.
  return suite === 1 ? all : all.filter(({ flags }) => flags.includes('PRINTED'))
}

/** Added later, behind the others: the numbers of cases stay. */
function laterRefusals() {
  const frame = (key, type, seq, plaintext) => sealed(1, key, type, seq, plaintext)
  const K = EXAMPLE_KEYS
  const { client: saltC, server: saltS } = EXAMPLE_SALT
  const C = after('client', K, saltC)
  const S = after('server', K, saltS)
  const again = bytesFrom('rekey/second', 32)
  const [rekeyC, pingC] = [frame(K.c2s, REKEY, C2S, saltC), frame(C.c2s, PING, 0)]
  const [rekeyS, pingS] = [frame(K.s2c, REKEY, S2C, saltS), frame(S.s2c, PING, 0)]
  const script = (comment, flags, ...steps) => valid(comment, flags, { steps })
  return [
    script(
      'a second REKEY of the client under the old key',
      ['SECOND'],
      receive('server', rekeyC),
      receive('server', frame(K.c2s, REKEY, C2S + 1, again), { end: 'UNEXPECTED_PACKET' }),
    ),
    script(
      'a second REKEY of the server under the old key',
      ['SECOND'],
      receive('client', rekeyS),
      receive('client', frame(K.s2c, REKEY, S2C + 1, again), { end: 'UNEXPECTED_PACKET' }),
    ),
    script(
      'both at once: a second REKEY of the client under the old key',
      ['BOTH', 'SECOND'],
      rekey('server', saltS, { sends: [rekeyS, pingS] }),
      receive('server', rekeyC),
      receive('server', frame(K.c2s, REKEY, C2S + 1, again), { end: 'UNEXPECTED_PACKET' }),
    ),
    script(
      'the same REKEY once more',
      ['SECOND'],
      receive('server', rekeyC),
      receive('server', rekeyC, { end: 'SEQ_MISMATCH' }),
    ),
    script(
      'the pieces of a message under two keys, at the initiator',
      ['PIECES'],
      rekey('client', saltC, { sends: [rekeyC, pingC] }),
      receive('client', frame(K.s2c, DATA_FRAG, S2C, text('half'))),
      receive('client', frame(C.s2c, DATA, 0, text('the other half')), { end: 'BAD_FRAGMENT' }),
    ),
    script(
      'the pieces of a message under two keys, at the receiver',
      ['PIECES'],
      receive('server', rekeyC),
      receive('server', frame(K.c2s, DATA_FRAG, C2S + 1, text('half'))),
      receive('server', frame(C.c2s, DATA, 0, text('the other half')), { end: 'BAD_FRAGMENT' }),
    ),
    script(
      'the pieces of a message under the losing and the winning key',
      ['BOTH', 'PIECES'],
      rekey('client', saltC, { sends: [rekeyC, pingC] }),
      receive('client', rekeyS),
      receive('client', frame(S.s2c, DATA_FRAG, 0, text('half'))),
      receive('client', frame(C.s2c, DATA, 0, text('the other half')), { end: 'BAD_FRAGMENT' }),
    ),
  ]
}

const params = (suite) => ({
  ...scriptParams({ suite, keys: EXAMPLE_KEYS, c2sSeq: C2S, s2cSeq: S2C }),
  salt_client: hex(EXAMPLE_SALT.client),
  salt_server: hex(EXAMPLE_SALT.server),
})

export default function () {
  return topic({
    topic: 'rekey',
    source: 'spec 5.1 to 5.5',
    notes: {
      PRINTED: 'Spec 5.5 and 5.8.',
      DERIVE:
        "The initiator's tx key stands first, in the input and in the output. Catches keys named by role where they must be named by initiator.",
      INITIATOR_CLIENT: 'The client begins.',
      INITIATOR_SERVER: 'The server begins.',
      CROSSING: 'Frames under the old key that were under way are still delivered. Published peers lose them.',
      AT_ONCE: 'The initiator may send under the new key before the rekey is confirmed.',
      NO_PING:
        'Any frame under the new key confirms; the PING is a courtesy of the initiator, and published peers send none.',
      OLD_KEY: 'The old key has its own count, and ends with the first frame under a newer one.',
      NEW_COUNT: 'The new keys begin with seq 0, and tx and rx must not be exchanged.',
      SECOND:
        'A second REKEY before the first is confirmed is refused: an own one as a mistake of the caller, that of the peer as an error.',
      PIECES: 'The pieces of one message come under one key. Catches a message joined across a change of keys.',
      CHAIN: 'Each rekey derives from the keys before it.',
      BOTH: "Both begin before either has seen the other's REKEY: the client's wins, from the old keys, without a further message.",
    },
    groups: [
      { params: { op: 'derive' }, tests: deriveTests() },
      { params: params(1), tests: scripts(1) },
      { params: params(2), tests: scripts(2) },
      { params: params(1), tests: laterRefusals() },
    ],
  })
}
