import type { CipherSuite, CryptoProvider, UsmpError, WireVersion } from '@usmp/core'
import { Connection, decodeFrame, fromHex, toHex } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import {
  decodeUtack,
  deriveKeys,
  deriveRekeyKeys,
  encodeUtack,
  finishFrame,
  isUtack,
  isZero,
  keySchedule1,
  keySchedule2,
  messageLimits,
  Reassembler,
  splitMessage,
  verifyUtack,
  wireVersion2,
} from '@usmp/core/internal'
import { wireVersion1 } from '@usmp/core/wire-version-1'
import { describe, expect, test } from 'vitest'
import { bytesOf } from './bytes.js'
import { codeThrownBy } from './failures.js'
import { cipherOf, connectWith, type FixedSession, LoadedRandom, windOn } from './fixed-session.js'
import { otherSide, type Side } from './pair.js'
import { describePrimitives } from './primitives-suite.js'
import { playScript, type Script, type ScriptParams } from './scripts.js'
import { type Case, caseName, groupsOf } from './vectors.js'

const SCHEDULES = { 1: keySchedule1, 2: keySchedule2 }
const LIMITS = messageLimits(wireVersion2.recordFormat.maxPlaintext)

/** What {@link describeProvider} runs, by topic of vectors/. */
export const providerOps: Record<string, readonly string[]> = {
  primitives: ['x25519', 'x25519_iterated', 'hmac', 'hkdf', 'aead', 'aead_open'],
  'key-schedule': ['agree', 'keys'],
  handshake: ['transcript', 'step'],
  sealed: ['seal', 'open'],
  fragment: ['split', 'reassemble'],
  replay: ['window'],
  rekey: ['derive', 'script'],
  session: ['script'],
  utack: ['encode', 'verify'],
}

/** Numbers that cannot be reached by sending; those groups run in exhaustion.test.ts. */
export const NEAR_THE_END = 0xffff0000

/** Everything a crypto provider has to pass: its interface's promises, and every case of vectors/ that needs cryptography. */
export function describeProvider(provider: CryptoProvider): void {
  describe(`provider ${provider.name}`, () => {
    describePrimitives(provider)
    describeKeySchedule(provider)
    describeTranscripts(provider)
    describeHandshakeSteps(provider)
    describeSeal(provider)
    describeOpen(provider)
    describeFragments(provider)
    describeReplay(provider)
    describeRekeyDerivation(provider)
    describeScripts(provider)
    describeUtack(provider)
  })
}

function describeKeySchedule(provider: CryptoProvider): void {
  interface Agree extends Case {
    private: string
    peer_public: string
    public: string
    shared: string
  }
  describe('key-schedule: agree', () => {
    for (const { tests } of groupsOf<object, Agree>('key-schedule', 'agree')) {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const own = provider.keyPairFromPrivate(fromHex(vector.private))
          const shared = own.agree(fromHex(vector.peer_public))
          if (vector.result === 'valid') {
            expect(toHex(own.publicKey)).toBe(vector.public)
            return expect(toHex(shared)).toBe(vector.shared)
          }
          expect(isZero(shared)).toBe(true)
          const transcript = {
            nonce: bytesOf(32),
            clientPublic: own.publicKey,
            serverPublic: fromHex(vector.peer_public),
          }
          expect(codeThrownBy(() => deriveKeys(provider, keySchedule2, own, transcript.serverPublic, transcript))).toBe(
            vector.error,
          )
        })
      }
    }
  })

  interface Keys extends Case {
    client_private: string
    server_private: string
    nonce: string
    client_public: string
    server_public: string
    k_c2s: string
    k_s2c: string
  }
  for (const { params, tests } of groupsOf<{ version: WireVersion }, Keys>('key-schedule', 'keys')) {
    describe(`key-schedule: keys, version ${params.version}`, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const client = provider.keyPairFromPrivate(fromHex(vector.client_private))
          const server = provider.keyPairFromPrivate(fromHex(vector.server_private))
          expect([client, server].map((pair) => toHex(pair.publicKey))).toEqual([
            vector.client_public,
            vector.server_public,
          ])
          const transcript = {
            nonce: fromHex(vector.nonce),
            clientPublic: client.publicKey,
            serverPublic: server.publicKey,
          }
          for (const [own, peer] of [
            [client, server],
            [server, client],
          ] as const) {
            const keys = deriveKeys(provider, SCHEDULES[params.version], own, peer.publicKey, transcript)
            expect(toHex(keys.clientToServer)).toBe(vector.k_c2s)
            expect(toHex(keys.serverToClient)).toBe(vector.k_s2c)
          }
        })
      }
    })
  }
}

interface HandshakeInputs {
  readonly psk: string
  readonly device_id: string
  readonly client_private: string
  readonly server_private: string
  readonly nonce: string
  readonly session_id: string
  readonly cookie?: string
}
interface HandshakeParams {
  readonly version: WireVersion
  readonly transport: 'ordered' | 'datagram'
}

/** A connection of one side whose random values are those of a case. */
function handshakeEnd(
  provider: CryptoProvider,
  side: Side,
  params: HandshakeParams,
  given: HandshakeInputs,
): Connection {
  const random = new LoadedRandom()
  const privateKey = fromHex(side === 'client' ? given.client_private : given.server_private)
  const common = {
    kind: params.transport === 'ordered' ? 'stream' : 'datagram',
    reliableDatagram: ReliableDatagram,
    random: random.source,
    provider: { ...provider, generateKeyPair: () => provider.keyPairFromPrivate(privateKey) },
    ...(params.version === 1 ? { unsafeWireVersion1: wireVersion1 } : {}),
  } as const
  if (side === 'client') {
    const { psk, device_id } = given
    return Connection.client({ ...common, psk: fromHex(psk), deviceId: fromHex(device_id), allowWeakPsk: true }, 0)
  }
  random.load(fromHex(given.nonce), fromHex(given.session_id))
  const cookie = given.cookie
  const guard = cookie && { issue: () => fromHex(cookie), verify: (bytes: Uint8Array) => toHex(bytes) === cookie }
  return Connection.server(params.transport === 'datagram' && guard ? { ...common, cookies: guard } : common, 0)
}

/** Feeds one frame, answers a `hello` event with the key of the case, and returns what is sent. */
function exchange(end: Connection, frame: string, given: HandshakeInputs): string[] {
  end.receive(fromHex(frame), 0)
  return collect(end, given)
}

function collect(end: Connection, given: HandshakeInputs): string[] {
  const sent: string[] = []
  for (let event = end.pollEvent(); event; event = end.pollEvent()) {
    if (event.kind !== 'hello') continue
    expect(toHex(event.deviceId)).toBe(given.device_id)
    end.authorize({ psk: fromHex(given.psk), allowWeakPsk: true }, 0)
  }
  // vectors/README.md: acknowledgements of datagrams are left out of the comparison.
  for (let bytes = end.pollTransmit(); bytes; bytes = end.pollTransmit()) if (!isUtack(bytes)) sent.push(toHex(bytes))
  return sent
}

function describeTranscripts(provider: CryptoProvider): void {
  interface Transcript extends Case, HandshakeInputs {
    hello: string
    hello_retry?: string
    hello_cookie?: string
    challenge: string
    hello_ack: string
    session_ok: string
    k_c2s: string
    k_s2c: string
  }
  for (const { params, tests } of groupsOf<HandshakeParams, Transcript>('handshake', 'transcript')) {
    describe(`handshake: transcript, ${params.transport}, version ${params.version}`, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const client = handshakeEnd(provider, 'client', params, vector)
          const server = handshakeEnd(provider, 'server', params, vector)
          expect(collect(client, vector)).toEqual([vector.hello])
          let hello = vector.hello
          if (vector.hello_retry && vector.hello_cookie) {
            expect(exchange(server, hello, vector)).toEqual([vector.hello_retry])
            hello = vector.hello_cookie
            expect(exchange(client, vector.hello_retry, vector)).toEqual([hello])
          }
          expect(exchange(server, hello, vector)).toEqual([vector.challenge])
          expect(exchange(client, vector.challenge, vector)).toEqual([vector.hello_ack])
          expect(exchange(server, vector.hello_ack, vector)).toEqual([vector.session_ok])
          expect(exchange(client, vector.session_ok, vector)).toEqual([])
          const session = {
            suite: 1,
            sessionId: fromHex(vector.session_id),
            clientToServer: fromHex(vector.k_c2s),
            serverToClient: fromHex(vector.k_s2c),
          } as const
          for (const [side, end] of [
            ['client', client],
            ['server', server],
          ] as const) {
            const peer = cipherOf(provider, session, otherSide(side), { wireVersion: params.version })
            // Receiving first: on datagrams a server sends nothing before it knows that SESSION_OK has arrived.
            end.receive(peer.seal(5, fromHex('ef')), 0)
            expect(end.pollEvent()).toMatchObject({ kind: 'message', data: fromHex('ef') })
            end.send(fromHex('abcd'), 0)
            const [sent] = collect(end, vector)
            expect(toHex(peer.open(decodeFrame(fromHex(sent!), [params.version])))).toBe('abcd')
          }
        })
      }
    })
  }
}

function describeHandshakeSteps(provider: CryptoProvider): void {
  interface StepParams extends HandshakeParams, HandshakeInputs {
    role: Side
    awaiting: string
  }
  interface StepCase extends Case {
    prefix: string[]
    frame: string
    reply: string[]
    established: boolean
    next?: string
    next_reply: string[]
    next_established: boolean
  }
  for (const { params, tests } of groupsOf<StepParams, StepCase>('handshake', 'step')) {
    describe(`handshake: ${params.role} awaiting ${params.awaiting}, ${params.transport}`, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const end = handshakeEnd(provider, params.role, params, params)
          collect(end, params)
          for (const frame of vector.prefix) exchange(end, frame, params)
          expect(end.established).toBe(false)
          const before = new Map(end.dropped)
          const reply = exchange(end, vector.frame, params)
          if (vector.result === 'valid') {
            expect(reply).toEqual(vector.reply)
            return expect(end.established).toBe(vector.established)
          }
          expect(reply).toEqual([])
          if (params.transport === 'ordered') return expect(end.closedReason?.code).toBe(vector.error)
          const code = vector.error as UsmpError['code']
          expect(end.dropped.get(code)).toBe((before.get(code) ?? 0) + 1)
          expect(exchange(end, vector.next!, params)).toEqual(vector.next_reply)
          expect(end.established).toBe(vector.next_established)
        })
      }
    })
  }
}

interface SealParams {
  readonly version: WireVersion
  readonly suite: CipherSuite
  readonly sender: Side
  readonly key: string
  readonly session_id: string
}

/** A session of which only the sender's direction is known. */
function oneWay({ suite, sender, key, session_id }: SealParams): FixedSession {
  const [known, unknown] = [fromHex(key), bytesOf(32, 5)]
  const [clientToServer, serverToClient] = sender === 'client' ? [known, unknown] : [unknown, known]
  return { suite, sessionId: fromHex(session_id), clientToServer, serverToClient }
}

function describeSeal(provider: CryptoProvider): void {
  interface Seal extends Case {
    type: number
    seq: number
    plaintext: string
    frame: string
  }
  for (const { params, tests } of groupsOf<SealParams, Seal>('sealed', 'seal')) {
    describe(`sealed: seal, suite ${params.suite}, ${params.sender}, version ${params.version}`, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const session = oneWay(params)
          const wireVersion = params.version
          const sender = cipherOf(provider, session, params.sender, { tx: vector.seq, wireVersion })
          const frame = sender.seal(vector.type, fromHex(vector.plaintext))
          expect(toHex(frame)).toBe(vector.frame)
          const receiver = cipherOf(provider, session, otherSide(params.sender), { rx: vector.seq, wireVersion })
          expect(toHex(receiver.open(decodeFrame(frame, [wireVersion])))).toBe(vector.plaintext)
        })
      }
    })
  }
}

function describeOpen(provider: CryptoProvider): void {
  interface Open extends Case {
    frame: string
    expected_seq: number
    first: boolean
  }
  for (const { params, tests } of groupsOf<SealParams, Open>('sealed', 'open')) {
    describe(`sealed: open, suite ${params.suite}, from ${params.sender}`, () => {
      const session = oneWay(params)
      const side = otherSide(params.sender)
      for (const vector of tests) {
        test(caseName(vector), () => {
          if (vector.error === 'UNEXPECTED_PACKET') {
            // Judged by the type alone, before the number, so the counters need not stand at expected_seq.
            const end = connectWith(provider, session)[side]
            end.receive(fromHex(vector.frame), 0)
            return expect(end.closedReason?.code).toBe(vector.error)
          }
          const begin = vector.first ? vector.expected_seq : vector.expected_seq - 1
          const receiver = cipherOf(provider, session, side, { rx: begin })
          if (!vector.first)
            receiver.open(decodeFrame(cipherOf(provider, session, params.sender, { tx: begin }).seal(5, bytesOf(1))))
          expect(codeThrownBy(() => receiver.open(decodeFrame(fromHex(vector.frame))))).toBe(vector.error)
        })
      }
    })
  }
}

const FRAGMENT_SESSION: FixedSession = {
  suite: 2,
  sessionId: bytesOf(16, 21),
  clientToServer: bytesOf(32, 22),
  serverToClient: bytesOf(32, 23),
}

function describeFragments(provider: CryptoProvider): void {
  interface Piece {
    type: number
    seq: number
    plaintext: string
  }
  interface Split extends Case {
    first_seq: number
    message: string
    frames: Piece[]
  }
  describe('fragment: split', () => {
    for (const { tests } of groupsOf<object, Split>('fragment', 'split')) {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const message = fromHex(vector.message)
          const ends = connectWith(provider, FRAGMENT_SESSION)
          windOn(ends.client, ends.server, vector.first_seq)
          const code = codeThrownBy(() => ends.client.send(message, 0))
          if (vector.result === 'invalid') {
            expect(code).toBe(vector.error)
            expect(ends.client.pollTransmit()).toBeUndefined()
            return expect(codeThrownBy(() => splitMessage(message, LIMITS))).toBe(vector.error)
          }
          const peer = cipherOf(provider, FRAGMENT_SESSION, 'server', { rx: vector.first_seq })
          const pieces: Piece[] = []
          for (let bytes = ends.client.pollTransmit(); bytes; bytes = ends.client.pollTransmit()) {
            const frame = decodeFrame(bytes)
            pieces.push({ type: frame.type, seq: frame.seq, plaintext: toHex(peer.open(frame)) })
          }
          expect(pieces).toEqual(vector.frames)
        })
      }
    }
  })

  interface Reassemble extends Case {
    frames: Piece[]
    messages: string[]
  }
  for (const { params, tests } of groupsOf<HandshakeParams, Reassemble>('fragment', 'reassemble')) {
    describe(`fragment: reassemble, ${params.transport}`, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const ordered = params.transport === 'ordered'
          const gap = vector.frames.some(({ seq }, i) => i > 0 && seq !== vector.frames[i - 1]!.seq + 1)
          // On an ordered transport a gap never gets as far as the fragments: the number is judged before.
          if (ordered && gap)
            return expect(reassembleAlone(vector.frames)).toEqual({ messages: vector.messages, error: vector.error })
          const ends = connectWith(provider, FRAGMENT_SESSION, {
            kind: ordered ? 'stream' : 'datagram',
            // The cases begin at any number, and are about what becomes of frames once they have their turn.
            server: { datagram: { delivery: 'on-arrival' } },
          })
          if (ordered) windOn(ends.client, ends.server, vector.frames[0]!.seq)
          for (const { type, seq, plaintext } of vector.frames) {
            const sealed = cipherOf(provider, FRAGMENT_SESSION, 'client', { tx: seq }).seal(type, fromHex(plaintext))
            ends.server.receive(sealed, 0)
          }
          const messages: string[] = []
          for (let event = ends.server.pollEvent(); event; event = ends.server.pollEvent()) {
            if (event.kind === 'message') messages.push(toHex(event.data))
          }
          expect(messages).toEqual(vector.messages)
          const ending = vector.frames.at(-1)!.type === 8 && !ordered ? 'CLOSED' : vector.error
          expect(ends.server.closedReason?.code).toBe(ending)
        })
      }
    })
  }

  function reassembleAlone(frames: readonly Piece[]): { messages: string[]; error: string } {
    const reassembler = new Reassembler(LIMITS.maxFragments)
    const messages: string[] = []
    const error = codeThrownBy(() => {
      for (const { type, seq, plaintext } of frames) {
        const message = reassembler.push(type, seq, fromHex(plaintext))
        if (message) messages.push(toHex(message))
      }
    })
    return { messages, error }
  }
}

function describeReplay(provider: CryptoProvider): void {
  interface Replay extends Case {
    start?: number
    steps: { seq: number; authentic: boolean; expect: string }[]
  }
  for (const { params, tests } of groupsOf<HandshakeParams, Replay>('replay', 'window')) {
    describe(`replay: ${params.transport}`, () => {
      const ordered = params.transport === 'ordered'
      for (const vector of tests) {
        test(caseName(vector), () => {
          const receiver = cipherOf(provider, FRAGMENT_SESSION, 'server', { ordered, rx: vector.start ?? 0 })
          vector.steps.forEach((step, index) => {
            const frame = decodeFrame(sealAt(step.seq))
            if (!step.authentic) frame.payload[frame.payload.length - 1]! ^= 1
            const seen = codeThrownBy(() => receiver.open(frame))
            const expected = { ACCEPT: 'no error', DROPPED: 'DECRYPT_FAILED' }[step.expect] ?? step.expect
            expect(seen, `step ${index}, number ${step.seq}`).toBe(expected)
          })
        })
      }
    })
  }

  /** A frame with any number; 0xffffffff, which the cipher refuses to use, included. */
  function sealAt(seq: number): Uint8Array {
    if (seq < 0xffffffff) return cipherOf(provider, FRAGMENT_SESSION, 'client', { tx: seq }).seal(5, bytesOf(3))
    const frame = cipherOf(provider, FRAGMENT_SESSION, 'client', { tx: 0 }).seal(5, bytesOf(3))
    frame.fill(0xff, 4, 8)
    frame.fill(0xff, 12, 16)
    const key = provider.aead(FRAGMENT_SESSION.suite, FRAGMENT_SESSION.clientToServer)
    key.seal(frame.subarray(12, 24), frame.subarray(0, 10), bytesOf(3), frame.subarray(24))
    return withCrc(frame)
  }
}

/** A frame with its checksum made right. */
export function withCrc(frame: Uint8Array): Uint8Array {
  const out = frame.slice()
  finishFrame(out)
  return out
}

function describeUtack(provider: CryptoProvider): void {
  interface UtackCase extends Case {
    type: number
    seq: number
    key: string
    utack: string
  }
  for (const { params, tests } of groupsOf<object, UtackCase>('utack', 'encode', 'verify')) {
    describe(`utack: ${params.op}`, () => {
      for (const vector of tests) {
        test(caseName(vector), () => {
          const key = fromHex(vector.key)
          const bytes = fromHex(vector.utack)
          if (params.op === 'encode') {
            expect(toHex(encodeUtack(provider, vector.type, vector.seq, key))).toBe(vector.utack)
          }
          const { type, seq } = vector
          const named = decodeUtack(bytes)
          const verified = named && verifyUtack(provider, bytes, key) ? named : undefined
          expect(verified).toEqual(vector.result === 'valid' ? { type, seq } : undefined)
        })
      }
    })
  }
}

function describeRekeyDerivation(provider: CryptoProvider): void {
  interface Derive extends Case {
    initiator: Side
    k_c2s: string
    k_s2c: string
    session_id: string
    salt: string
    new_k_c2s: string
    new_k_s2c: string
  }
  describe('rekey: derive', () => {
    for (const { tests } of groupsOf<object, Derive>('rekey', 'derive')) {
      for (const vector of tests) {
        test(caseName(vector), () => {
          for (const side of ['client', 'server'] as const) {
            const [c2s, s2c] = [fromHex(vector.k_c2s), fromHex(vector.k_s2c)]
            const keys = side === 'client' ? { tx: c2s, rx: s2c } : { tx: s2c, rx: c2s }
            const initiator = side === vector.initiator
            const next = deriveRekeyKeys(provider, keys, initiator, fromHex(vector.salt), fromHex(vector.session_id))
            const expected = [vector.new_k_c2s, vector.new_k_s2c]
            expect([next.tx, next.rx].map((key) => toHex(key))).toEqual(
              side === 'client' ? expected : expected.reverse(),
            )
          }
        })
      }
    }
  })
}

function describeScripts(provider: CryptoProvider): void {
  for (const topic of ['rekey', 'session']) {
    for (const { params, tests } of groupsOf<ScriptParams & { role?: Side }, Script>(topic, 'script')) {
      if (params.c2s_seq > NEAR_THE_END) continue
      describe(`${topic}: script, suite ${params.suite}${params.role ? `, ${params.role}` : ''}`, () => {
        for (const script of tests) test(caseName(script), () => playScript(provider, params, script))
      })
    }
  }
}
