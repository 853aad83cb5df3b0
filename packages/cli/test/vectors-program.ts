// A program for `usmp vectors check`: this project's TypeScript core, a call at a time. Those who write one for another
// implementation find every call here, and vectors/README.md says what each means.
import { createInterface } from 'node:readline'
import type { CipherSuite, CryptoProvider, WireVersion } from '@usmp/core'
import {
  Connection,
  cobsDecode,
  cobsEncode,
  concatBytes,
  crc16,
  decodeFrame,
  deriveDevicePsk,
  encodeFrame,
  type Frame,
  FrameDecoder,
  fromHex,
  nobleProvider,
  pskFingerprint,
  SerialDecoder,
  toHex,
  UsmpError,
} from '@usmp/core'
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
  RecordLayer,
  ReplayWindow,
  splitMessage,
  verifyUtack,
  wireVersion2,
} from '@usmp/core/internal'
import { wireVersion1 } from '@usmp/core/wire-version-1'
import { decodeAnswer, decodeQuery, encodeAnswer, encodeQuery } from '@usmp/discovery/internal'
import {
  applyConfirmed,
  assertPublisherKey,
  judgeManifest,
  keyIdOf,
  OtaError,
  otaCodeName,
  parseManifest,
  verifySignature,
} from '@usmp/ota'

// biome-ignore lint/suspicious/noExplicitAny: what a call carries depends on its name, and the table below knows.
type Input = any
type Answer = Record<string, unknown>

const provider: CryptoProvider = nobleProvider
const SEALED_TAG = 16
const DEVICE = fromHex('aabbccddeeff')
const limits = messageLimits(wireVersion2.recordFormat.maxPlaintext)

const calls: Record<string, (input: Input) => Answer> = {
  crc16: ({ input }) => {
    const crc = crc16(fromHex(input))
    return { crc, wire: toHex(Uint8Array.of(crc & 0xff, crc >> 8)) }
  },
  encode: ({ version, type, seq, payload }) => ({
    frame: toHex(encodeFrame({ version, type, seq, payload: fromHex(payload) })),
  }),
  decode: ({ version, frame }) => inHex(decodeFrame(fromHex(frame), [version])),
  deframe: ({ version, chunks }) => {
    const decoder = new FrameDecoder([version])
    const frames: Answer[] = []
    const error = codeOf(() => {
      for (const chunk of chunks) for (const frame of decoder.push(fromHex(chunk))) frames.push(inHex(frame))
    })
    return { frames, error }
  },
  cobs_encode: ({ data }) => ({ encoded: toHex(cobsEncode(fromHex(data))) }),
  cobs_decode: ({ encoded }) => ({ data: toHex(cobsDecode(fromHex(encoded))) }),
  packet: ({ version, packet }) => {
    const { frames, dropped } = line(version, [`00${packet}00`])
    return frames.length > 0 ? { frame: frames[0] } : { error: dropped[0] }
  },
  line: ({ version, chunks }) => {
    const { frames, dropped } = line(version, chunks)
    return { frames, dropped: dropped.length }
  },
  x25519: (input) => {
    if (input.iterations > 1) return { unsupported: 'a thousand of them take JavaScript seconds' }
    const shared = provider.keyPairFromPrivate(fromHex(input.private)).agree(fromHex(input.peer_public))
    // The provider shows a point of low order by zeros.
    return isZero(shared) ? { error: 'LOW_ORDER_POINT' } : { shared: toHex(shared) }
  },
  hmac: ({ key, message }) => ({ mac: toHex(provider.hmacSha256(fromHex(key), fromHex(message))) }),
  hkdf: ({ ikm, salt, info, length }) => ({
    okm: toHex(provider.hkdfSha256(fromHex(ikm), fromHex(salt), fromHex(info), length)),
  }),
  aead_seal: ({ suite, key, nonce, aad, plaintext }) => {
    const sealed = new Uint8Array(plaintext.length / 2 + SEALED_TAG)
    provider.aead(suite, fromHex(key)).seal(fromHex(nonce), fromHex(aad), fromHex(plaintext), sealed)
    return { sealed: toHex(sealed) }
  },
  aead_open: ({ suite, key, nonce, aad, sealed }) => {
    const plaintext = provider.aead(suite, fromHex(key)).open(fromHex(nonce), fromHex(aad), fromHex(sealed))
    return plaintext ? { plaintext: toHex(plaintext) } : { error: 'DECRYPT_FAILED' }
  },
  agree: (input) => {
    const own = provider.keyPairFromPrivate(fromHex(input.private))
    const peer = fromHex(input.peer_public)
    const transcript = { nonce: new Uint8Array(32), clientPublic: own.publicKey, serverPublic: peer }
    deriveKeys(provider, keySchedule2, own, peer, transcript)
    return { public: toHex(own.publicKey), shared: toHex(own.agree(peer)) }
  },
  keys: ({ version, role, nonce, ...input }) => {
    const own = provider.keyPairFromPrivate(fromHex(input.private))
    const peer = fromHex(input.peer_public)
    const [clientPublic, serverPublic] = role === 'client' ? [own.publicKey, peer] : [peer, own.publicKey]
    const keys = deriveKeys(provider, version === 1 ? keySchedule1 : keySchedule2, own, peer, {
      nonce: fromHex(nonce),
      clientPublic,
      serverPublic,
    })
    return { k_c2s: toHex(keys.clientToServer), k_s2c: toHex(keys.serverToClient) }
  },
  handshake,
  seal: (input) => ({ frame: toHex(cipher(input, true, input.seq).seal(input.type, fromHex(input.plaintext))) }),
  open: (input) => {
    const frame = decodeFrame(fromHex(input.frame), [input.version])
    // Types that no session takes are refused before the cipher sees them.
    const known = [5, 6, 7, 8, 9, 0x0b, ...input.extensions]
    if (!known.includes(frame.type)) return { error: 'UNEXPECTED_PACKET' }
    const seq = input.expected_seq
    const receiver = cipher(input, false, input.first ? seq : seq - 1)
    if (!input.first) receiver.open(decodeFrame(cipher(input, true, seq - 1).seal(5, DEVICE), [input.version]))
    const { type, seq: number } = frame
    return { type, seq: number, plaintext: toHex(receiver.open(frame)) }
  },
  split: ({ first_seq, message }) => ({
    frames: splitMessage(fromHex(message), limits).map(({ type, plaintext }, i) => ({
      type,
      seq: first_seq + i,
      plaintext: toHex(plaintext),
    })),
  }),
  reassemble: ({ transport, frames }) => {
    const reassembler = new Reassembler(limits.maxFragments)
    const messages: string[] = []
    const take = ({ type, seq, plaintext }: Input): void => {
      if (type === 5 || type === 9) {
        const message = reassembler.push(type, seq, fromHex(plaintext))
        if (message) messages.push(toHex(message))
      } else if (reassembler.busy) {
        reassembler.reset()
        throw new UsmpError('BAD_FRAGMENT', 'another frame between the pieces')
      }
    }
    for (const frame of frames) {
      const error = codeOf(() => take(frame))
      if (error !== '' && transport === 'ordered') return { messages, error }
    }
    return { messages, error: '' }
  },
  replay: ({ transport, start = 0, steps }) => {
    const session = { suite: 2, sender: 'client', key: '42'.repeat(32), session_id: '17'.repeat(16), version: 2 }
    const receiver = cipher(session, false, start, transport === 'ordered')
    return {
      steps: steps.map(({ seq, authentic }: Input) => {
        const frame = decodeFrame(sealAt(session, seq))
        if (!authentic) frame.payload[frame.payload.length - 1]! ^= 1
        const code = codeOf(() => receiver.open(frame))
        return { '': 'ACCEPT', DECRYPT_FAILED: 'DROPPED' }[code] ?? code
      }),
    }
  },
  rekey_keys: ({ role, initiator, k_c2s, k_s2c, session_id, salt }) => {
    const [tx, rx] = (role === 'client' ? [k_c2s, k_s2c] : [k_s2c, k_c2s]).map(fromHex)
    const keys = { tx: tx!, rx: rx! }
    const next = deriveRekeyKeys(provider, keys, role === initiator, fromHex(salt), fromHex(session_id))
    const [c2s, s2c] = role === 'client' ? [next.tx, next.rx] : [next.rx, next.tx]
    return { new_k_c2s: toHex(c2s), new_k_s2c: toHex(s2c) }
  },
  session,
  utack: ({ type, seq, key }) => ({ utack: toHex(encodeUtack(provider, type, seq, fromHex(key))) }),
  utack_verify: ({ utack, key }) => {
    const bytes = fromHex(utack)
    const named = decodeUtack(bytes)
    return named && verifyUtack(provider, bytes, fromHex(key)) ? { ...named } : { error: 'DROPPED' }
  },
  device_psk: ({ master, device_id }) => ({ psk: toHex(deriveDevicePsk(fromHex(master), fromHex(device_id))) }),
  fingerprint: ({ psk, device_id }) => ({ fingerprint: pskFingerprint(fromHex(psk), fromHex(device_id)) }),
  ota_parse: ({ manifest }) => {
    const read = parseManifest(fromHex(manifest))
    return {
      key_id: read.keyId,
      product: read.product,
      chip: read.chip,
      version: read.version,
      counter: read.counter,
      least_version: read.leastVersion,
      size: read.size,
      sha256: toHex(read.sha256),
      not_after: read.notAfter,
      name: read.name,
      next_key: read.nextKey ? toHex(read.nextKey) : '',
      revoked_keys: read.revokedKeys,
    }
  },
  ota_key: ({ public_key }) => {
    const key = fromHex(public_key)
    return codeOf(() => assertPublisherKey(key)) === '' ? { key_id: keyIdOf(key) } : { error: 'MALFORMED' }
  },
  ota_verify: ({ public_key, message, signature }) =>
    verifySignature(fromHex(public_key), fromHex(message), fromHex(signature)) ? {} : { error: 'BAD_SIGNATURE' },
  ota_judge: ({ device, manifest }) => {
    const { product, chip, version, counter, keys, revoked, slot_size, today, busy, veto } = device
    const record = { counter, keys: keys.map(fromHex), revoked }
    const target = { product, chip, version, record, slotSize: slot_size, today: today || undefined, busy }
    const read = parseManifest(fromHex(manifest))
    const code = judgeManifest(read, { ...target, mayUpdate: () => !veto })
    if (code !== undefined) return { error: otaCodeName(code) }
    const after = applyConfirmed(record, read)
    return { record: { ...after, keys: after.keys.map((key) => toHex(key)) } }
  },
  query_encode: ({ nonce, wanted }) => {
    const roles = (['gateway', 'device'] as const).filter((_, bit) => wanted & (1 << bit))
    return { query: toHex(encodeQuery({ nonce: fromHex(nonce), roles })) }
  },
  query_decode: ({ query }) => {
    const asked = decodeQuery(fromHex(query))
    if (!asked) return { error: 'DROPPED' }
    const bits = { gateway: 1, device: 2 }
    return { nonce: toHex(asked.nonce), wanted: asked.roles.reduce((sum, role) => sum | bits[role], 0) }
  },
  answer_encode: ({ nonce, join_open, device_id, ...facts }) => {
    const id = device_id === '' ? {} : { deviceId: device_id }
    return { answer: toHex(encodeAnswer({ ...facts, ...id, nonce: fromHex(nonce), joinOpen: join_open === 1 })) }
  },
  answer_decode: ({ answer }) => {
    const said = decodeAnswer(fromHex(answer))
    if (!said) return { error: 'DROPPED' }
    const { nonce, joinOpen, deviceId = '', ...facts } = said
    return { ...facts, nonce: toHex(nonce), join_open: joinOpen ? 1 : 0, device_id: deviceId }
  },
}

/** The code that a call fails with, or nothing. */
function codeOf(call: () => unknown): string {
  try {
    call()
    return ''
  } catch (error) {
    if (error instanceof UsmpError) return error.code
    throw error
  }
}

const inHex = ({ type, seq, payload }: Frame): Answer => ({ type, seq, payload: toHex(payload) })

function line(version: WireVersion, chunks: string[]): { frames: string[]; dropped: string[] } {
  const decoder = new SerialDecoder()
  const frames: string[] = []
  const dropped: string[] = []
  for (const chunk of chunks) {
    for (const packet of decoder.push(fromHex(chunk))) {
      const code = packet instanceof UsmpError ? packet.code : codeOf(() => decodeFrame(packet, [version]))
      if (code === '') frames.push(toHex(packet as Uint8Array))
      else dropped.push(code)
    }
  }
  return { frames, dropped }
}

/** One direction of a session, at its sender or at its receiver. */
function cipher(input: Input, atSender: boolean, seq: number, ordered = true): RecordLayer {
  const client = (input.sender === 'client') === atSender
  const key = () => fromHex(input.key)
  const protocol = input.version === 1 ? wireVersion1 : wireVersion2
  const session = {
    suite: input.suite as CipherSuite,
    sessionId: fromHex(input.session_id),
    keys: { tx: key(), rx: key() },
  }
  return new RecordLayer(provider, protocol, session, ordered ? undefined : ReplayWindow, client, { tx: seq, rx: seq })
}

/** A frame with any number; also with the last one, which no cipher uses. */
function sealAt(session: Input, seq: number): Uint8Array {
  const frame = cipher(session, true, Math.min(seq, 0xfffffffe)).seal(5, DEVICE)
  if (seq < 0xffffffff) return frame
  frame.fill(0xff, 4, 8)
  frame.fill(0xff, 12, 16)
  provider
    .aead(session.suite, fromHex(session.key))
    .seal(frame.subarray(12, 24), frame.subarray(0, 10), DEVICE, frame.subarray(24))
  finishFrame(frame)
  return frame
}

/** A random source that gives what a case says, by length, and anything else after that. */
function loaded(...values: (string | undefined)[]): {
  source: (length: number) => Uint8Array
  load(value: string): void
} {
  const queue = values.flatMap((value) => (value === undefined ? [] : [fromHex(value)]))
  return {
    load: (value) => queue.push(fromHex(value)),
    source: (length) => {
      const index = queue.findIndex((value) => value.length === length)
      return index < 0 ? new Uint8Array(length).fill(7) : queue.splice(index, 1)[0]!
    },
  }
}

function handshake(input: Input): Answer {
  const ordered = input.transport === 'ordered'
  const psk = { psk: fromHex(input.psk), allowWeakPsk: true }
  const keys: Answer = {}
  const watching: CryptoProvider = {
    ...provider,
    generateKeyPair: () => provider.keyPairFromPrivate(fromHex(input.private)),
    hkdfSha256(ikm, salt, info, length) {
      const out = provider.hkdfSha256(ikm, salt, info, length)
      keys.k_c2s = toHex(out.subarray(0, 32))
      keys.k_s2c = toHex(out.subarray(-32))
      return out
    },
  }
  const common = {
    kind: ordered ? 'stream' : 'datagram',
    reliableDatagram: ReliableDatagram,
    provider: watching,
    random: loaded(input.nonce, input.session_id).source,
    ...(input.version === 1 ? { unsafeWireVersion1: wireVersion1 } : {}),
  } as const
  const cookies = {
    issue: () => fromHex(input.cookie),
    verify: (cookie: Uint8Array) => toHex(cookie) === input.cookie,
  }
  const end =
    input.role === 'client'
      ? Connection.client({ ...common, ...psk, deviceId: fromHex(input.device_id) }, 0)
      : Connection.server(ordered || !input.cookie ? common : { ...common, cookies }, 0)

  const steps = [undefined, ...input.receive].map((frame: string | undefined) => {
    const before = new Map(end.dropped)
    const over = endOf(end) !== undefined
    if (frame !== undefined) end.receive(fromHex(frame), 0)
    for (let event = end.pollEvent(); event; event = end.pollEvent()) {
      if (event.kind === 'hello') end.authorize(psk, 0)
    }
    const sends = sent(end)
    const refused = [...end.dropped].find(([code, count]) => count !== (before.get(code) ?? 0))?.[0]
    const closed = over ? undefined : endOf(end)
    return { sends, error: closed ?? (ordered ? '' : refused) ?? '', established: end.established }
  })
  return { steps: steps.slice(input.start), ...keys }
}

const endOf = (end: Connection) => end.closedReason?.code

/** What left, without acknowledgements of datagrams. */
function sent(end: Connection): string[] {
  const frames: string[] = []
  for (let bytes = end.pollTransmit(); bytes; bytes = end.pollTransmit()) if (!isUtack(bytes)) frames.push(toHex(bytes))
  return frames
}

function session(input: Input): Answer {
  if (Math.max(input.c2s_seq, input.s2c_seq) > 10_000) {
    return { unsupported: 'numbers near 2^32 cannot be reached by sending' }
  }
  const random = loaded(input.role === 'server' ? input.session_id : undefined)
  const peerRandom = loaded(input.role === 'client' ? input.session_id : undefined)
  // A real handshake, in which the session keys are replaced by those of the case.
  const fixed: CryptoProvider = {
    ...provider,
    hkdfSha256(ikm, salt, info, length) {
      const ofHandshake = String.fromCharCode(...info.subarray(0, 6)) === 'usmp-v'
      if (ofHandshake) return concatBytes(fromHex(input.k_c2s), fromHex(input.k_s2c))
      return provider.hkdfSha256(ikm, salt, info, length)
    },
  }
  const psk = new Uint8Array(32).map((_, i) => i * 7 + 1)
  const common = { kind: 'stream', provider: fixed, keepalive: 0, idleTimeout: 0 } as const
  const isClient = input.role === 'client'
  const client = Connection.client(
    { ...common, random: (isClient ? random : peerRandom).source, deviceId: DEVICE, psk, suite: input.suite },
    0,
  )
  const server = Connection.server({ ...common, random: (isClient ? peerRandom : random).source }, 0)
  const carry = (from: Connection, to: Connection) => {
    for (let bytes = from.pollTransmit(); bytes; bytes = from.pollTransmit()) to.receive(bytes, 0)
  }
  carry(client, server)
  server.authorize({ psk, suite: input.suite }, 0)
  carry(server, client)
  carry(client, server)
  carry(server, client)
  const windOn = (from: Connection, to: Connection, count: number) => {
    for (let i = 0; i < count; i++) from.send(DEVICE, 0)
    carry(from, to)
  }
  windOn(client, server, input.c2s_seq)
  windOn(server, client, input.s2c_seq)
  const end = isClient ? client : server
  while (end.pollEvent());

  const steps = input.steps.map((step: Input) => {
    if (step.do === 'rekey') random.load(step.input)
    const refused = codeOf(() => {
      if (step.do === 'receive') end.receive(fromHex(step.input), step.at)
      else if (step.do === 'send') end.send(fromHex(step.input), step.at)
      else if (step.do === 'ping') end.ping(step.at)
      else if (step.do === 'rekey') end.rekey(step.at)
      else if (step.do === 'close') end.close()
      else throw new Error(`what is "${step.do}"?`)
    })
    const messages: string[] = []
    let ending = ''
    const sends = sent(end)
    for (let event = end.pollEvent(); event; event = end.pollEvent()) {
      if (event.kind === 'message') messages.push(toHex(event.data))
      if (event.kind === 'closed') ending = event.reason.code
    }
    return { messages, sends, end: ending, refused }
  })
  return { steps }
}

/** One fault, on request, to see that it is found: the name of a call whose answers are then wrong. */
const faulty = process.env.VECTORS_FAULT

function answer({ call, ...input }: Input): Answer {
  if (input.version === 1) return { unsupported: 'wire version 1 is broken as encryption' }
  try {
    if (call === faulty) return { error: 'WRONG_ON_PURPOSE' }
    return calls[call]?.(input) ?? { unsupported: `no call "${call}"` }
  } catch (error) {
    if (error instanceof UsmpError || error instanceof OtaError) return { error: error.code }
    throw error
  }
}

for await (const request of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(request)))}\n`)
}
