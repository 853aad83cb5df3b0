// From the cases of vectors/ to calls of a program under test: what it is given, and what it has to answer.
// vectors/README.md, "One program for all", is the description for those who write such a program.

/** Any value of JSON, as it stands in the files. */
export type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json }
export type Fields = { readonly [name: string]: Json }

/** One group of cases of a topic, as in its file. */
export interface Group {
  readonly params: Fields
  readonly tests: readonly Fields[]
}

/** One line to the program, and the answer that is right. */
export interface Call {
  readonly call: string
  readonly input: Fields
  readonly answer: Fields
}

type Side = 'client' | 'server'
type Calls = (params: Fields, test: Fields) => Call[]

/** The calls of one case. Throws for a topic or an operation it does not know: nothing is skipped in silence. */
export function callsOf(topic: string, { op, ...params }: Fields, test: Fields): Call[] {
  const calls = operations[`${topic}/${String(op)}`]
  if (!calls)
    throw new Error(`this version of the command does not know the operation ${String(op)} of vectors/${topic}.json`)
  return calls(params, test)
}

const operations: Record<string, Calls> = {
  'crc16/crc16': (_, test) => [call('crc16', pick(test, 'input'), pick(test, 'crc', 'wire'))],

  'frame/codec': ({ version }, test) => [
    call('encode', { version: version!, ...pick(test, 'type', 'seq', 'payload') }, pick(test, 'frame')),
    call('decode', { version: version!, ...pick(test, 'frame') }, pick(test, 'type', 'seq', 'payload')),
  ],
  'frame/decode': (params, test) => [call('decode', { ...params, ...pick(test, 'frame') }, fault(test))],
  'frame/encode': (params, test) => [
    call('encode', { ...params, ...pick(test, 'type', 'seq', 'payload') }, fault(test)),
  ],

  'stream/deframe': (params, test) =>
    cuts(test.chunks as string[]).map((chunks) =>
      call('deframe', { ...params, chunks }, { ...pick(test, 'frames'), error: test.error ?? '' }),
    ),

  'cobs/codec': (_, test) => [
    call('cobs_encode', pick(test, 'data'), pick(test, 'encoded')),
    call('cobs_decode', pick(test, 'encoded'), pick(test, 'data')),
  ],
  'cobs/decode': (_, test) => [call('cobs_decode', pick(test, 'encoded'), outcome(test, 'data'))],
  'cobs/packet': (params, test) => [call('packet', { ...params, ...pick(test, 'packet') }, outcome(test, 'frame'))],
  'cobs/line': (params, test) =>
    cuts([test.line as string]).map((chunks) => call('line', { ...params, chunks }, pick(test, 'frames', 'dropped'))),

  'primitives/x25519': (_, test) => [
    call('x25519', { ...pick(test, 'private', 'peer_public'), iterations: 1 }, outcome(test, 'shared')),
  ],
  'primitives/x25519_iterated': (_, test) => [
    call('x25519', pick(test, 'private', 'peer_public', 'iterations'), pick(test, 'shared')),
  ],
  'primitives/hmac': (_, test) => [call('hmac', pick(test, 'key', 'message'), pick(test, 'mac'))],
  'primitives/hkdf': (_, test) => [call('hkdf', pick(test, 'ikm', 'salt', 'info', 'length'), pick(test, 'okm'))],
  'primitives/aead': (params, test) => {
    const given = { ...params, ...pick(test, 'key', 'nonce', 'aad') }
    return [
      call('aead_seal', { ...given, ...pick(test, 'plaintext') }, pick(test, 'sealed')),
      call('aead_open', { ...given, ...pick(test, 'sealed') }, pick(test, 'plaintext')),
    ]
  },
  'primitives/aead_open': (params, test) => [
    call('aead_open', { ...params, ...pick(test, 'key', 'nonce', 'aad', 'sealed') }, fault(test)),
  ],

  'key-schedule/agree': (_, test) => [
    call('agree', pick(test, 'private', 'peer_public'), outcome(test, 'public', 'shared')),
  ],
  'key-schedule/keys': (params, test) => {
    const keys = (role: Side, own: string, peer: string) =>
      call(
        'keys',
        { ...params, role, private: test[own]!, peer_public: test[peer]!, nonce: test.nonce! },
        pick(test, 'k_c2s', 'k_s2c'),
      )
    return [keys('client', 'client_private', 'server_public'), keys('server', 'server_private', 'client_public')]
  },

  'handshake/transcript': (params, test) => {
    const retry = test.hello_retry === undefined ? [] : [test.hello_retry]
    const hellos = [test.hello!, ...(test.hello_cookie === undefined ? [] : [test.hello_cookie])]
    const keys = pick(test, 'k_c2s', 'k_s2c')
    const client = [...retry, test.challenge!, test.session_ok!]
    const server = [...hellos, test.hello_ack!]
    return [
      handshake(
        'client',
        params,
        test,
        client,
        [...hellos, test.hello_ack!].map((frame) => [frame]).concat([[]]),
        keys,
      ),
      handshake(
        'server',
        params,
        test,
        server,
        [[], ...[...retry, test.challenge!, test.session_ok!].map((frame) => [frame])],
        keys,
      ),
    ]
  },
  'handshake/step': (params, test) => [handshakeStep(params, test)],

  'sealed/seal': (params, test) => {
    const session = pick(params, 'version', 'suite', 'sender', 'key', 'session_id')
    const inside = pick(test, 'type', 'seq', 'plaintext')
    return [
      call('seal', { ...session, ...inside }, pick(test, 'frame')),
      call(
        'open',
        { ...session, extensions: extensions(test.type), frame: test.frame!, expected_seq: test.seq!, first: true },
        inside,
      ),
    ]
  },
  'sealed/open': (params, test) => [
    call('open', { ...params, extensions: [], ...pick(test, 'frame', 'expected_seq', 'first') }, fault(test)),
  ],

  'fragment/split': (_, test) => [call('split', pick(test, 'first_seq', 'message'), outcome(test, 'frames'))],
  'fragment/reassemble': (params, test) => [
    call('reassemble', { ...params, ...pick(test, 'frames') }, { ...pick(test, 'messages'), error: test.error ?? '' }),
  ],

  'replay/window': (params, test) => {
    const steps = test.steps as Fields[]
    return [
      call(
        'replay',
        { ...params, ...pick(test, 'start'), steps: steps.map((step) => pick(step, 'seq', 'authentic')) },
        { steps: steps.map((step) => step.expect!) },
      ),
    ]
  },

  'rekey/derive': (_, test) =>
    (['client', 'server'] as const).map((role) =>
      call(
        'rekey_keys',
        { role, ...pick(test, 'initiator', 'k_c2s', 'k_s2c', 'session_id', 'salt') },
        pick(test, 'new_k_c2s', 'new_k_s2c'),
      ),
    ),
  'rekey/script': (params, test) => [session('client', params, test), session('server', params, test)],
  'session/script': (params, test) => [session(params.role as Side, params, test)],

  'utack/encode': (_, test) => [call('utack', pick(test, 'type', 'seq', 'key'), pick(test, 'utack'))],
  'utack/verify': (_, test) => [call('utack_verify', pick(test, 'utack', 'key'), outcome(test, 'type', 'seq'))],

  'device-psk/derive': (_, test) => [call('device_psk', pick(test, 'master', 'device_id'), outcome(test, 'psk'))],
  'fingerprint/fingerprint': (_, test) => [
    call('fingerprint', pick(test, 'psk', 'device_id'), outcome(test, 'fingerprint')),
  ],

  'ota-manifest/parse': (_, test) => [call('ota_parse', pick(test, 'manifest'), outcome(test, ...MANIFEST_FIELDS))],
  'ota-manifest/key': (_, test) => [call('ota_key', pick(test, 'public_key'), outcome(test, 'key_id'))],
  'ota-manifest/verify': (_, test) => [
    call('ota_verify', pick(test, 'public_key', 'message', 'signature'), outcome(test)),
  ],
  'ota-manifest/judge': (_, test) => [call('ota_judge', pick(test, 'device', 'manifest'), outcome(test, 'record'))],

  'discovery/query': (_, test) => [
    call('query_encode', pick(test, 'nonce', 'wanted'), pick(test, 'query')),
    call('query_decode', pick(test, 'query'), pick(test, 'nonce', 'wanted')),
  ],
  'discovery/query_decode': (_, test) => [call('query_decode', pick(test, 'query'), fault(test))],
  'discovery/answer': (_, test) => [
    call('answer_encode', pick(test, ...ANSWER_FACTS), pick(test, 'answer')),
    call('answer_decode', pick(test, 'answer'), pick(test, ...ANSWER_FACTS)),
  ],
  'discovery/answer_decode': (_, test) => [call('answer_decode', pick(test, 'answer'), fault(test))],
}

/** What a manifest of an update says. */
const MANIFEST_FIELDS = [
  'key_id',
  'product',
  'chip',
  'version',
  'counter',
  'least_version',
  'size',
  'sha256',
  'not_after',
  'name',
  'next_key',
  'revoked_keys',
] as const

/** What an answer of discovery says. */
const ANSWER_FACTS = ['nonce', 'role', 'instance', 'join_open', 'carriers', 'site', 'path', 'device_id'] as const

const call = (name: string, input: Fields, answer: Fields): Call => ({ call: name, input, answer })

/** Those of the fields that are there. */
function pick(from: Fields, ...names: readonly string[]): Fields {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]!]])))
}

/** The types that the session is to know besides those of the specification. */
const extensions = (type: Json | undefined): Json => (Number(type) > 0x0b ? [type!] : [])

const fault = ({ error }: Fields): Fields => ({ error: error! })
const outcome = (test: Fields, ...names: readonly string[]): Fields =>
  test.result === 'valid' ? pick(test, ...names) : fault(test)

/** The bytes as given, whole, byte by byte, and cut in two at each place: it must make no difference. */
function cuts(chunks: readonly string[]): string[][] {
  const whole = chunks.join('')
  const pieces: string[][] = [[...chunks], [whole], whole.match(/../g) ?? []]
  for (let at = 2; at < whole.length; at += 2) pieces.push([whole.slice(0, at), whole.slice(at)])
  return pieces
}

const NOT_YET = { sends: [], error: '', established: false } as const

/**
 * A run of one role that is fed frames: the first step is its start, each other one a frame. A step says which frames
 * leave, the code by which the frame was refused, and whether the session is established then.
 */
function handshake(
  role: Side,
  params: Fields,
  given: Fields,
  receive: readonly Json[],
  sends: readonly Json[][],
  keys: Fields,
): Call {
  const last = sends.length - 1
  const steps = sends.map((frames, index) => ({ sends: frames, error: '', established: index === last }))
  return call('handshake', { ...handshakeInput(role, params, given), receive }, { steps, ...keys })
}

function handshakeStep(params: Fields, test: Fields): Call {
  const prefix = test.prefix as string[]
  // What the frames before it bring is the matter of other cases.
  const before = { start: prefix.length + 1 }
  const input = handshakeInput(params.role as Side, params, params)
  const good = (sends: Json, established: Json) => ({ sends, error: '', established })
  const receive = [...prefix, test.frame!]
  if (test.result === 'valid') {
    return call('handshake', { ...input, ...before, receive }, { steps: [good(test.reply!, test.established!)] })
  }
  const refused = { ...NOT_YET, error: test.error! }
  if (params.transport === 'ordered') return call('handshake', { ...input, ...before, receive }, { steps: [refused] })
  return call(
    'handshake',
    { ...input, ...before, receive: [...receive, test.next!] },
    { steps: [refused, good(test.next_reply!, test.next_established!)] },
  )
}

function handshakeInput(role: Side, params: Fields, given: Fields): Fields {
  const own = role === 'client' ? ['device_id'] : ['nonce', 'session_id', 'cookie']
  return {
    role,
    ...pick(params, 'version', 'transport'),
    ...pick(given, 'psk', ...own),
    private: given[`${role}_private`]!,
    start: 0,
  }
}

/** The steps of one side of a script. */
function session(role: Side, params: Fields, test: Fields): Call {
  const steps = (test.steps as Fields[]).filter((step) => step.side === role)
  return call(
    'session',
    {
      ...pick(params, 'version', 'transport', 'suite', 'session_id', 'k_c2s', 'k_s2c', 'c2s_seq', 's2c_seq'),
      role,
      steps: steps.map((step) => pick(step, 'do', 'at', 'input')),
    },
    { steps: steps.map((step) => pick(step, 'messages', 'sends', 'end', 'refused')) },
  )
}
