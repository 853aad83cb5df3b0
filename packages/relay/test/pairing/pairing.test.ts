import { fc, test } from '@fast-check/vitest'
import { CipherSuite, concatBytes, nobleProvider, Session, type Transport, toHex, type UsmpError } from '@usmp/core'
import { nodeProvider } from '@usmp/node'
import { pseudoRandom, type Recording, recordingProvider, SimulatedClock, turn, turns } from '@usmp/testing'
import { describe, expect } from 'vitest'
import { cpaceGenerator, cpaceKey, cpaceScalar, cpaceShare } from '../../src/cpace.ts'
import { Identity } from '../../src/identity.ts'
import { hostPairing, joinPairing, PAIRING_TIMEOUT, type PairedPeer, type PairingOptions } from '../../src/pairing.ts'
import { CODE_LIFETIME, PairingCode } from '../../src/pairing-code.ts'
import { decodeAnswer, encodeOffer } from '../../src/pairing-messages.ts'
import { type Circuit, circuit, type End, type Network } from './circuits.ts'
import vectors from './vectors.json' with { type: 'json' }

const CODE = 'able-about-zoo-zone'
const random = pseudoRandom(14)
const identities = { guest: Identity.generate(random, nodeProvider), host: Identity.generate(random, nodeProvider) }
const names = { guest: 'Anna', host: 'Bank of Æther' }
const PEERS: Readonly<Record<End, PairedPeer>> = {
  guest: { name: names.host, publicKey: identities.host.publicKey },
  host: { name: names.guest, publicKey: identities.guest.publicKey },
}
const BOTH = ['guest', 'host'] as const

type Outcome = PairedPeer | UsmpError
const isPeer = (outcome: Outcome): outcome is PairedPeer => !(outcome instanceof Error)

interface Attempt {
  readonly clock: SimulatedClock
  readonly line: Circuit
  readonly codes: Readonly<Record<End, PairingCode>>
  readonly outcome: Readonly<Record<End, Promise<Outcome>>>
}

type Overrides = Partial<Readonly<Record<End, Partial<PairingOptions>>>> & {
  readonly codes?: readonly [string, string]
}

const settle = (promise: Promise<PairedPeer>): Promise<Outcome> => promise.catch((error: UsmpError) => error)

function attempt(network?: Network, { codes: texts = [CODE, CODE], ...overrides }: Overrides = {}): Attempt {
  const clock = new SimulatedClock()
  const line = circuit(network)
  const codes = { guest: PairingCode.parse(texts[0], clock), host: PairingCode.parse(texts[1], clock) }
  const start = (end: End, pair: typeof joinPairing) =>
    settle(
      pair({
        circuit: line[end],
        code: codes[end],
        identity: identities[end],
        name: names[end],
        provider: nodeProvider,
        clock,
        ...overrides[end],
      }),
    )
  return { clock, line, codes, outcome: { host: start('host', hostPairing), guest: start('guest', joinPairing) } }
}

/** What both ends say in the end; time passes only where they wait for it. */
async function ends({ clock, outcome }: Attempt): Promise<Record<End, Outcome>> {
  let done = false
  const all = Promise.all([outcome.guest, outcome.host]).then(([guest, host]) => {
    done = true
    return { guest, host }
  })
  while (!done) {
    await turns(3)
    if (!done) clock.advance(500)
  }
  return all
}

const codesOf = (result: Record<End, Outcome>) =>
  BOTH.map((end) => {
    const outcome = result[end]
    return isPeer(outcome) ? outcome.name : outcome.code
  })
const causeOf = (outcome: Outcome) => ((outcome as UsmpError).cause as UsmpError | undefined)?.code

describe.each([nobleProvider, nodeProvider])('with the provider $name', (provider) => {
  test('two ends that know the code know each other afterwards', async () => {
    const run = attempt(undefined, { guest: { provider }, host: { provider } })
    expect(await ends(run)).toEqual(PEERS)
    expect(run.clock.pending).toBe(0)
    const [guest, host] = [
      identities.guest.pairWith(identities.host.publicKey),
      identities.host.pairWith(identities.guest.publicKey),
    ]
    expect(toHex(guest.psk)).toBe(toHex(host.psk))
    expect(guest.side + host.side).toBe(1)
  })
})

test('the relay sees messages of these sizes, and neither names nor keys', async () => {
  const run = attempt()
  await ends(run)
  const sizes = run.line.seen.map(({ bytes }) => bytes.length)
  // P1, P2, the four messages of the handshake, both introductions and confirmations, BYE.
  expect(sizes.slice(0, 6)).toEqual([53, 37, 50, 76, 44, 60])
  const sealed = 12 + 12 + 16
  expect(
    sizes
      .slice(6)
      .sort((a, b) => a - b)
      .filter((size) => size !== sealed),
  ).toEqual([sealed + 33, sealed + 33, sealed + 34 + 4, sealed + 34 + 14].sort((a, b) => a - b))
  const all = toHex(concatBytes(...run.line.seen.map(({ bytes }) => bytes)))
  for (const end of BOTH) {
    expect(all).not.toContain(toHex(identities[end].publicKey))
    expect(all).not.toContain(toHex(new TextEncoder().encode(names[end])))
  }
})

test('confirmations are those of the vectors', async () => {
  const [vector] = vectors.pairs
  const confirmations: string[] = []
  const provider = {
    ...nodeProvider,
    hmacSha256(key: Uint8Array, message: Uint8Array) {
      const mac = nodeProvider.hmacSha256(key, message)
      if (new TextDecoder().decode(message).startsWith('usmp-relay paired')) confirmations.push(toHex(mac))
      return mac
    },
  }
  const [one, two] = vector!.secrets.map((secret) => Identity.fromSecret(Buffer.from(secret, 'hex'), nodeProvider))
  const run = attempt(undefined, { guest: { identity: one!, provider }, host: { identity: two! } })
  expect(codesOf(await ends(run))).toEqual([names.host, names.guest])
  expect(confirmations.sort()).toEqual([...vector!.confirmations].sort())
})

test('two ends with the same identity are told so, both', async () => {
  const result = await ends(attempt(undefined, { host: { identity: identities.guest } }))
  for (const end of BOTH) {
    expect(result[end]).toMatchObject({ code: 'PAIRING_FAILED', hint: expect.stringContaining('--identity FILE') })
    expect((result[end] as UsmpError).message).toContain('both ends have the same identity')
  }
})

test('a wrong password fails at both ends, is told, and uses the code up', async () => {
  const run = attempt(undefined, { codes: ['able-about-zoo-zero', CODE] })
  const result = await ends(run)
  expect(codesOf(result)).toEqual(['PAIRING_FAILED', 'PAIRING_FAILED'])
  expect(causeOf(result.host)).toBe('AUTH_FAILED')
  expect(causeOf(result.guest)).toBe('HANDSHAKE_REFUSED')
  for (const end of BOTH) {
    expect((result[end] as UsmpError).message).toContain('wrong code, or somebody else tried it')
    expect(run.codes[end].remaining).toBe(0)
  }
  // The identities were never told.
  expect(run.line.seen.length).toBeLessThan(8)
})

test('a code that was used is refused, and the circuit is ended', async () => {
  const run = attempt()
  await ends(run)
  const again = circuit()
  let ended = false
  again.guest.open({ receive() {}, drain() {}, end: () => (ended = true) })
  const options = { circuit: again.host, code: run.codes.host, identity: identities.host, name: 'Bank' }
  expect(await settle(hostPairing(options))).toMatchObject({
    code: 'PAIRING_FAILED',
    message: expect.stringContaining('used before'),
  })
  await turn()
  expect(ended).toBe(true)
  expect(again.seen).toEqual([])
})

test('two attempts at once cannot share a code', async () => {
  const code = PairingCode.parse(CODE)
  const one = attempt(undefined, { host: { code } })
  const two = attempt(undefined, { host: { code } })
  expect(codesOf(await ends(one))).toEqual([names.host, names.guest])
  expect(codesOf(await ends(two))).toEqual(['PAIRING_FAILED', 'PAIRING_FAILED'])
})

test('a code of ten minutes ago is refused', async () => {
  const clock = new SimulatedClock()
  const code = PairingCode.generate(random, clock)
  clock.advance(CODE_LIFETIME)
  const run = attempt(undefined, { host: { code } })
  const result = await ends(run)
  expect(codesOf(result)).toEqual(['PAIRING_FAILED', 'PAIRING_FAILED'])
  expect((result.host as UsmpError).message).toContain('ten minutes')
})

/** Up to its confirmation, message 4, an end must say everything. Then comes a BYE. */
const CONFIRMATION = 4
const STEPS = BOTH.flatMap((from) => Array.from({ length: CONFIRMATION + 1 }, (_, index) => ({ from, index })))

test.each(STEPS)(
  'an end that stalls at message $index of the $from is given up after a while',
  async ({ from, index }) => {
    const run = attempt((message) => (message.from === from && message.index >= index ? [] : [message.bytes]))
    const started = run.clock.now()
    const result = await ends(run)
    expect(run.clock.now() - started).toBeLessThanOrEqual(PAIRING_TIMEOUT + 10_000)
    for (const end of BOTH) {
      const outcome = result[end]
      if (isPeer(outcome)) expect(outcome).toEqual(PEERS[end])
      else expect(outcome.code).toBe('PAIRING_FAILED')
      expect(run.codes[end].remaining).toBe(0)
    }
    // Nobody has a peer that has not confirmed.
    if (index < CONFIRMATION) expect(codesOf(result)).toEqual(['PAIRING_FAILED', 'PAIRING_FAILED'])
    else expect(isPeer(result[from === 'guest' ? 'host' : 'guest'])).toBe(false)
    run.clock.advance(60_000)
    await turns()
    expect(run.clock.pending).toBe(0)
  },
)

test.each(STEPS)('a circuit that is cut at message $index of the $from is a used guess', async ({ from, index }) => {
  const run = attempt((message) => (message.from === from && message.index === index ? 'cut' : [message.bytes]))
  const result = await ends(run)
  const waiting = from === 'guest' ? 'host' : 'guest'
  expect(isPeer(result[waiting])).toBe(false)
  for (const end of BOTH) {
    if (!isPeer(result[end])) expect(result[end]).toMatchObject({ code: 'PAIRING_FAILED' })
    expect(run.codes[end].remaining).toBe(0)
  }
  run.clock.advance(60_000)
  await turns()
  expect(run.clock.pending).toBe(0)
})

const changes = fc.record({
  from: fc.constantFrom(...BOTH),
  index: fc.nat(5),
  what: fc.constantFrom('flip', 'twice', 'junk before', 'junk after', 'short', 'long', 'other way', 'drop'),
  at: fc.nat(),
})
test.prop([changes], { numRuns: 150 })(
  'whatever the relay changes, nobody gets a wrong peer',
  async ({ from, index, what, at }) => {
    const alter = (bytes: Uint8Array): Uint8Array[] => {
      const flipped = bytes.slice()
      flipped[at % bytes.length]! ^= 1 << (at % 8)
      switch (what) {
        case 'flip':
          return [flipped]
        case 'twice':
          return [bytes, bytes]
        case 'junk before':
          return [Uint8Array.of(at), bytes]
        case 'junk after':
          return [bytes, flipped]
        case 'short':
          return [bytes.subarray(0, at % bytes.length)]
        case 'long':
          return [concatBytes(bytes, Uint8Array.of(at))]
        case 'drop':
          return []
        default:
          return [bytes]
      }
    }
    let altered = false
    const network: Network = (message) => {
      if (message.from !== from || message.index !== index) return [message.bytes]
      altered = true
      return alter(message.bytes)
    }
    const run = attempt(network)
    const result = await ends(run)
    for (const end of BOTH) {
      const outcome = result[end]
      if (isPeer(outcome)) expect(outcome).toEqual(PEERS[end])
      else expect(outcome.code).toBe('PAIRING_FAILED')
    }
    const receiver = from === 'guest' ? 'host' : 'guest'
    // Up to its confirmation all that an end sends counts.
    const counts =
      altered &&
      index <= CONFIRMATION &&
      what !== 'other way' &&
      !(index === CONFIRMATION && what === 'junk after') &&
      !(index === CONFIRMATION && what === 'twice')
    if (counts) expect(isPeer(result[receiver])).toBe(false)
  },
)

test('a relay that speaks with both ends itself learns that its guess was wrong, and nothing else', async () => {
  const clock = new SimulatedClock()
  const [left, right] = [circuit(), circuit()]
  const common = { clock, provider: nodeProvider }
  const guess = () => PairingCode.parse('able-about-wolf-wrist', clock)
  const mallory = Identity.generate(random, nodeProvider)
  const results = Promise.all([
    settle(
      joinPairing({
        ...common,
        circuit: left.guest,
        code: PairingCode.parse(CODE, clock),
        identity: identities.guest,
        name: 'Anna',
      }),
    ),
    settle(hostPairing({ ...common, circuit: left.host, code: guess(), identity: mallory, name: 'Bank' })),
    settle(joinPairing({ ...common, circuit: right.guest, code: guess(), identity: mallory, name: 'Anna' })),
    settle(
      hostPairing({
        ...common,
        circuit: right.host,
        code: PairingCode.parse(CODE, clock),
        identity: identities.host,
        name: 'Bank',
      }),
    ),
  ])
  expect((await results).map((outcome) => (isPeer(outcome) ? 'a peer' : outcome.code))).toEqual(
    Array(4).fill('PAIRING_FAILED'),
  )
})

test('a relay in the middle has one guess at each end: a wrong one at the guest leaves it that at the host', async () => {
  const clock = new SimulatedClock()
  const [left, right] = [circuit(), circuit()]
  const mallory = Identity.generate(random, nodeProvider)
  const codeOf = (text: string) => ({ code: PairingCode.parse(text, clock), clock, provider: nodeProvider })
  const wrong = await Promise.all([
    settle(joinPairing({ ...codeOf(CODE), circuit: left.guest, identity: identities.guest, name: 'Anna' })),
    settle(hostPairing({ ...codeOf('able-about-wolf-wrist'), circuit: left.host, identity: mallory, name: 'Bank' })),
  ])
  expect(wrong.map(isPeer)).toEqual([false, false])
  const lucky = await Promise.all([
    settle(joinPairing({ ...codeOf(CODE), circuit: right.guest, identity: mallory, name: 'Anna' })),
    settle(hostPairing({ ...codeOf(CODE), circuit: right.host, identity: identities.host, name: 'Bank' })),
  ])
  expect(lucky.map(isPeer)).toEqual([true, true])
})

test('a relay that sends messages back to their sender gets nowhere', async () => {
  for (const end of BOTH) {
    const clock = new SimulatedClock()
    const line = circuit()
    const other = line[end === 'guest' ? 'host' : 'guest']
    other.open({ receive: (bytes) => other.write([bytes]), drain() {}, end() {} })
    const pair = end === 'guest' ? joinPairing : hostPairing
    const outcome = settle(
      pair({ circuit: line[end], code: PairingCode.parse(CODE, clock), identity: identities[end], name: 'x', clock }),
    )
    await turns()
    clock.advance(PAIRING_TIMEOUT)
    expect(await outcome).toMatchObject({ code: 'PAIRING_FAILED' })
  }
})

// ─── an end that knows the code, and is hostile ───

/** A guest made of the parts, up to a session. */
async function guestSession(circuit: Transport, clock: SimulatedClock, deviceId = new Uint8Array(6)): Promise<Session> {
  const runId = random(16)
  const scalar = cpaceScalar(random)
  const channel = new TextEncoder().encode('usmp-relay pair v1')
  const password = new TextEncoder().encode('zoo-zone')
  const share = cpaceShare(cpaceGenerator({ password, channel, sessionId: runId }), scalar)
  const waiting: Uint8Array[] = []
  let arrived: (nothing?: unknown) => void = () => {}
  let sink: Parameters<Transport['open']>[0] | undefined
  const first = new Promise((resolve) => (arrived = resolve))
  circuit.open({
    receive: (bytes) => (sink ? sink.receive(bytes) : arrived(void waiting.push(bytes))),
    drain: () => sink?.drain(),
    end: (cause) => sink?.end(cause),
  })
  circuit.write([encodeOffer({ runId, share })])
  await first
  const answer = decodeAnswer(waiting[0]!)
  const sides = [
    { share, data: new TextEncoder().encode('guest') },
    { share: answer, data: new TextEncoder().encode('host') },
  ] as const
  const key = cpaceKey(runId, scalar, answer, ...sides)
  const psk = nodeProvider.hkdfSha256(key, runId, new TextEncoder().encode('usmp-relay pairing psk v1'), 32)
  const rest: Transport = {
    kind: 'message',
    address: 'host',
    open: (target) => (sink = target),
    write: (frames) => circuit.write(frames),
    pause() {},
    resume() {},
    close: () => circuit.close(),
    abort: () => circuit.abort(),
  }
  return Session.connect(rest, {
    deviceId,
    psk,
    random,
    provider: nodeProvider,
    clock,
    suite: CipherSuite.CHACHA20_POLY1305,
  })
}

/** What a host says to a guest that knows the code and then does this. */
async function hostAgainst(act: (session: Session) => Promise<unknown>): Promise<Outcome> {
  const clock = new SimulatedClock()
  const line = circuit()
  const code = PairingCode.parse(CODE, clock)
  const common = { provider: nodeProvider, clock }
  const outcome = settle(hostPairing({ ...common, circuit: line.host, code, identity: identities.host, name: 'Bank' }))
  const session = await guestSession(line.guest, clock)
  await act(session)
  await turns()
  clock.advance(PAIRING_TIMEOUT)
  await turns()
  clock.advance(PAIRING_TIMEOUT)
  return outcome
}

const introduction = (publicKey: Uint8Array, name: Uint8Array | string, flags = 0, kind = 1): Uint8Array =>
  concatBytes(
    Uint8Array.of(kind, ...publicKey, flags),
    typeof name === 'string' ? new TextEncoder().encode(name) : name,
  )
const macOf = (identity: Identity, side: number): Uint8Array =>
  nodeProvider.hmacSha256(
    identity.pairKey(identities.host.publicKey),
    concatBytes(new TextEncoder().encode('usmp-relay paired v1'), Uint8Array.of(side)),
  )
const sideOf = (identity: Identity): number => identity.pairWith(identities.host.publicKey).side

test('a guest made of the parts is a guest', async () => {
  const { guest } = identities
  const outcome = await hostAgainst(async (session) => {
    await session.send(introduction(guest.publicKey, 'Anna'))
    await session.send(concatBytes(Uint8Array.of(2), macOf(guest, sideOf(guest))))
  })
  expect(outcome).toEqual({ name: 'Anna', publicKey: guest.publicKey })
})

const anna = identities.guest.publicKey
const flippedTop = anna.slice()
flippedTop[31]! |= 0x80
test.each<[string, Uint8Array]>([
  ['nothing', new Uint8Array(0)],
  ['no name', introduction(anna, '')],
  ['a name that is too long', introduction(anna, 'x'.repeat(33))],
  ['a name with a control character', introduction(anna, 'An\u0007na')],
  ['a name with an end of line', introduction(anna, 'Anna\nBert')],
  ['a name with a bidi override', introduction(anna, 'An\u202ena')],
  ['a name of nothing visible', introduction(anna, '\u3164')],
  ['a name with a joiner', introduction(anna, 'An\u200dna')],
  ['a name that is not UTF-8', introduction(anna, Uint8Array.of(0x41, 0xff))],
  ['a name with half a surrogate', introduction(anna, Uint8Array.of(0xed, 0xa0, 0x80))],
  ['a name with a byte order mark', introduction(anna, '\ufeffAnna')],
  ['a name in another normal form', introduction(anna, 'A\u0301nna')],
  ['a name with a space at its end', introduction(anna, 'Anna ')],
  ['flags', introduction(anna, 'Anna', 1)],
  ['another message', introduction(anna, 'Anna', 0, 3)],
  ['a key of low order', introduction(new Uint8Array(32), 'Anna')],
  ['a key in another form', introduction(flippedTop, 'Anna')],
  ['a message of two frames', introduction(anna, 'x'.repeat(900))],
])('a guest that introduces itself by %s is refused', async (_, message) => {
  const outcome = await hostAgainst((session) => session.send(message))
  expect(outcome).toMatchObject({ code: 'PAIRING_FAILED', message: expect.stringContaining('knew the code') })
  // At once, and not as nothing else came.
  expect(['BAD_PAYLOAD', 'INVALID_ARGUMENT', 'LOW_ORDER_POINT']).toContain(causeOf(outcome))
})

test.each<[string, (mac: Uint8Array) => Uint8Array]>([
  [
    'the host’s own confirmation',
    () => concatBytes(Uint8Array.of(2), macOf(identities.guest, 1 - sideOf(identities.guest))),
  ],
  [
    'one of another identity',
    () => concatBytes(Uint8Array.of(2), macOf(Identity.generate(random), sideOf(identities.guest))),
  ],
  ['one that is cut', (mac) => concatBytes(Uint8Array.of(2), mac.subarray(0, 31))],
  ['one with more behind it', (mac) => concatBytes(Uint8Array.of(2), mac, Uint8Array.of(0))],
  ['another message', (mac) => concatBytes(Uint8Array.of(1), mac)],
  ['zeros', () => concatBytes(Uint8Array.of(2), new Uint8Array(32))],
])('a guest that confirms by %s is refused', async (_, make) => {
  const { guest } = identities
  const outcome = await hostAgainst(async (session) => {
    await session.send(introduction(guest.publicKey, 'Anna'))
    await session.send(make(macOf(guest, sideOf(guest))))
  })
  expect(outcome).toMatchObject({ code: 'PAIRING_FAILED' })
  expect(['BAD_PAYLOAD', 'AUTH_FAILED']).toContain(causeOf(outcome))
})

test('a session of a device is no pairing', async () => {
  const clock = new SimulatedClock()
  const line = circuit()
  const code = PairingCode.parse(CODE, clock)
  const options = { circuit: line.host, code, identity: identities.host, name: 'Bank', provider: nodeProvider, clock }
  const outcome = settle(hostPairing(options))
  const session = settle(guestSession(line.guest, clock, Uint8Array.of(2, 0, 0, 0, 0, 1)) as Promise<never>)
  expect(causeOf(await outcome)).toBe('UNKNOWN_DEVICE')
  expect(await session).toMatchObject({ code: 'HANDSHAKE_REFUSED' })
})

test('a guest that leaves, or says nothing, is refused', async () => {
  expect(await hostAgainst((session) => session.close())).toMatchObject({ code: 'PAIRING_FAILED' })
  expect(await hostAgainst(async () => {})).toMatchObject({ code: 'PAIRING_FAILED' })
  const introduced = hostAgainst(async (session) => {
    await session.send(introduction(anna, 'Anna'))
    await session.close()
  })
  expect(await introduced).toMatchObject({ code: 'PAIRING_FAILED' })
})

// ─── callers ───

test.each(BOTH)('the caller of the %s can call it off', async (end) => {
  const controller = new AbortController()
  const silent: Network = ({ bytes, index }) => (index < 1 ? [bytes] : [])
  const run = attempt(silent, { [end]: { signal: controller.signal } })
  await turns()
  controller.abort(new Error('changed my mind'))
  expect(codesOf(await ends(run))[end === 'guest' ? 0 : 1]).toBe('ABORTED')
  expect(run.codes[end].remaining).toBe(0)
})

test('a signal that has aborted leaves the code as it is', async () => {
  const run = attempt(undefined, { guest: { signal: AbortSignal.abort() } })
  expect(codesOf(await ends(run))).toEqual(['ABORTED', 'PAIRING_FAILED'])
  expect(run.codes.guest.remaining).toBeGreaterThan(0)
})

test.each([
  ['name', ''],
  ['name', 'a\tb'],
  ['code', CODE],
  ['identity', {}],
  ['circuit', {}],
  ['random', 4],
])('an argument that is wrong is told, and uses no code up: %s', async (name, value) => {
  const run = attempt(undefined, { guest: { [name]: value } })
  expect(codesOf(await ends(run))[0]).toBe('INVALID_ARGUMENT')
  expect(run.codes.guest.remaining).toBeGreaterThan(0)
})

test('faults of our own platform are told as what they are', async () => {
  const broken = () => {
    throw new Error('no entropy')
  }
  const result = await ends(attempt(undefined, { guest: { random: broken } }))
  expect(codesOf(result)).toEqual(['RANDOM_FAILED', 'PAIRING_FAILED'])
})

test.each(['open', 'write', 'close'] as const)('a circuit whose %s throws is a failure', async (method) => {
  const line = circuit()
  const faulty = new Proxy(line.guest, {
    get: (target, name: keyof Transport) => {
      if (name === method || name === 'abort') {
        return () => {
          throw new Error('faulty')
        }
      }
      const value = target[name]
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const options = {
    circuit: faulty,
    code: PairingCode.parse('able-about-zoo-zero'),
    identity: identities.guest,
    name: 'Anna',
  }
  const host = hostPairing({ ...options, circuit: line.host, code: PairingCode.parse(CODE) }).catch(() => {})
  expect(await settle(joinPairing(options))).toMatchObject({ code: 'PAIRING_FAILED' })
  line.guest.abort()
  await host
})

test.each([
  ['after a success', CODE],
  ['after a failure', 'able-about-zoo-zero'],
])('no secret of the pairing is left %s', async (_, code) => {
  const recordings: Record<End, Recording> = { guest: recordingProvider(), host: recordingProvider() }
  const own = (end: End) => {
    const identity = Identity.generate(random, recordings[end])
    return { provider: recordings[end], identity }
  }
  await ends(attempt(undefined, { codes: [code, CODE], guest: own('guest'), host: own('host') }))
  for (const end of BOTH) {
    const left = recordings[end].secrets.filter(({ bytes }) => bytes.some((byte) => byte !== 0))
    expect(left.map(({ name }) => name)).toEqual([])
    expect(recordings[end].alive()).toEqual([])
  }
})
