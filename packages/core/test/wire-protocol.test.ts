import { bytesOf, codeThrownBy as codeOf, DEVICE_ID_BYTES as DEVICE_ID, Pair, PSK, pseudoRandom } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { toHex } from '../src/bytes.ts'
import { MAX_PAYLOAD, PacketType, TAG_SIZE, type WireVersion } from '../src/constants.ts'
import { nobleProvider } from '../src/crypto-noble.ts'
import { decodeFrame, encodeFrame, type Frame } from '../src/frame.ts'
import type { ClientHandshake, HandshakeFrame, ServerHandshake } from '../src/handshake/handshake.ts'
import type { WireProtocol } from '../src/wire-protocol.ts'
import { wireVersion1 } from '../src/wire-version-1.ts'
import { wireVersion2 } from '../src/wire-version-2.ts'

/** A third version: version 2 with another version byte, whose sealed frames carry no nonce and so hold more. */
const toy: WireProtocol = {
  ...wireVersion2,
  version: 0x7e as WireVersion,
  recordFormat: { overhead: TAG_SIZE, maxPlaintext: MAX_PAYLOAD - TAG_SIZE, nonceOnWire: false },
}
const withToy = { unsafeWireVersion1: toy }
/** The version byte of everything that a side has sent. */
const versions = (frames: readonly Uint8Array[]) => [...new Set(frames.map((frame) => frame[2]))]

describe('a connection speaks any protocol that it is given', () => {
  test.each(['stream', 'message'] as const)('both ends, %s', (kind) => {
    const pair = new Pair({ kind, client: withToy, server: withToy }).connect()
    pair.send('client', bytesOf(100))
    pair.act('server', (end) => end.rekey(pair.now))
    pair.wait(1000)
    pair.send('server', bytesOf(200))
    pair.wait(100)
    expect(pair.messages('server').map((bytes) => toHex(bytes))).toEqual([toHex(bytesOf(100))])
    expect(pair.messages('client').map((bytes) => toHex(bytes))).toEqual([toHex(bytesOf(200))])
    expect(pair.kinds('server')).toContain('rekeyed')
    expect([versions(pair.sent.client), versions(pair.sent.server)]).toEqual([[0x7e], [0x7e]])
    expect(pair.events.server[0]).toMatchObject({ kind: 'hello', wireVersion: 0x7e })
  })

  test('a server picks it by the version byte of the first frame', () => {
    for (const [client, version] of [
      [withToy, 0x7e],
      [{}, 2],
    ] as const) {
      const pair = new Pair({ client, server: withToy }).connect()
      expect(pair.events.server[0]).toMatchObject({ kind: 'hello', wireVersion: version })
      expect(versions(pair.sent.server)).toEqual([version])
    }
  })

  test('and keeps to it', () => {
    const pair = new Pair({ kind: 'serial', client: withToy, server: withToy }).connect()
    expect(pair.events.server[0]).toMatchObject({ kind: 'hello', wireVersion: 0x7e })
    const other = new Pair({ kind: 'serial' })
    pair.deliver('server', other.sent.client[0]!)
    expect(pair.server.dropped.get('BAD_VERSION')).toBe(1)
    expect(pair.server.established).toBe(true)
  })

  test('a HELLO that is refused picks nothing', () => {
    const pair = new Pair({ kind: 'serial', server: withToy, network: () => [] })
    const short = encodeFrame({ version: toy.version, type: PacketType.HELLO, payload: bytesOf(5) })
    pair.deliver('server', Uint8Array.of(0, short.length + 1, ...short, 0))
    expect(pair.kinds('server')).toEqual([])
    pair.deliver('server', pair.sent.client[0]!)
    expect(pair.events.server[0]).toMatchObject({ kind: 'hello', wireVersion: 2 })
  })

  test('a server that was not given it refuses its frames', () => {
    const pair = new Pair({ client: withToy }).wait(100)
    expect(pair.reason('server')).toBe('BAD_VERSION')
  })
})

describe('limits belong to a connection', () => {
  test('the largest message follows from the format of the records', () => {
    const pair = new Pair({ client: withToy, server: withToy })
    expect([pair.client.maxMessage, pair.server.maxMessage]).toEqual([4 * 464, 1808])
    pair.connect()
    expect([pair.client.maxMessage, pair.server.maxMessage]).toEqual([4 * 464, 4 * 464])
    const plain = new Pair().connect()
    expect([plain.client.maxMessage, plain.server.maxMessage]).toEqual([1808, 1808])
  })

  test('a message of that size arrives, and one byte more is not taken', () => {
    for (const options of [{ client: withToy, server: withToy }, {}]) {
      const pair = new Pair(options).connect()
      const { maxMessage } = pair.client
      pair.send('client', bytesOf(maxMessage))
      pair.wait(100)
      expect(pair.messages('server').map(({ length }) => length)).toEqual([maxMessage])
      expect(codeOf(() => pair.send('client', bytesOf(maxMessage + 1)))).toBe('MESSAGE_TOO_LARGE')
    }
  })

  test('they are told after the end, too', () => {
    const pair = new Pair().connect()
    pair.act('client', (end) => end.close())
    expect(pair.client.maxMessage).toBe(1808)
  })
})

describe.each([wireVersion2, wireVersion1, toy])(
  'the handshake of version $version, without a connection',
  (protocol) => {
    const common = { provider: nobleProvider, random: pseudoRandom(1) }
    const suite = 1 as const
    const clientOf = (): ClientHandshake =>
      protocol.client({ ...common, deviceId: DEVICE_ID, psk: PSK.slice(), suite, allowMultipleChallenges: false })
    const serverOf = (): ServerHandshake =>
      protocol.server({ ...common, allowRestart: true, ignoreDuplicates: false, onUnproven: () => {} })
    /** As the other end gets it. */
    const arrive = (frame: HandshakeFrame): Frame =>
      decodeFrame(encodeFrame({ ...frame, version: protocol.version }), [protocol.version])

    test('leads both ends to the same keys', () => {
      const [client, server] = [clientOf(), serverOf()]
      expect(client.proofSent).toBe(false)
      const begun = server.receive(arrive(client.start()))
      expect(begun).toMatchObject({ progress: true, restarted: true, hello: { deviceId: DEVICE_ID } })
      const answered = client.receive(arrive(server.authorize({ psk: PSK, suite }, true)))
      expect(answered.progress).toBe(true)
      expect(client.proofSent).toBe(true)
      const accepted = server.receive(arrive(answered.send!))
      const established = client.receive(arrive(accepted.send!)).established!
      expect(established.keys.tx).toEqual(accepted.established!.keys.rx)
      expect(established.keys.rx).toEqual(accepted.established!.keys.tx)
      expect(established.sessionId).toEqual(accepted.established!.sessionId)
    })

    test('a frame that is refused leaves the state as it was', () => {
      const [client, server] = [clientOf(), serverOf()]
      const hello = arrive(client.start())
      expect(codeOf(() => client.receive(hello))).toBe('UNEXPECTED_PACKET')
      expect(codeOf(() => server.receive({ ...hello, payload: bytesOf(37) }))).toBe('BAD_PAYLOAD')
      expect([client.waitingFor, server.waitingFor]).toEqual(['awaiting challenge', 'awaiting hello'])
      server.receive(hello)
      const challenge = arrive(server.authorize({ psk: PSK, suite }, true))
      const { send } = client.receive(challenge)
      const forged = arrive({ ...send!, payload: bytesOf(32) })
      expect(codeOf(() => server.receive(forged))).toBe('AUTH_FAILED')
      expect(server.receive(arrive(send!)).established).toBeDefined()
    })

    test('a HELLO that was dropped, or that is none, waits for no key', () => {
      const server = serverOf()
      expect(server.dropHello()).toBe(false)
      expect(codeOf(() => server.authorize({ psk: PSK, suite }, true))).toBe('INVALID_ARGUMENT')
      server.receive(arrive(clientOf().start()))
      expect(server.dropHello()).toBe(true)
      expect(codeOf(() => server.authorize({ psk: PSK, suite }, true))).toBe('INVALID_ARGUMENT')
      expect(server.receive(arrive(clientOf().start())).hello).toBeDefined()
    })

    test('wipes its copy of the key when it has succeeded, and when it ends without', () => {
      const psk = PSK.slice()
      const client = protocol.client({ ...common, deviceId: DEVICE_ID, psk, suite, allowMultipleChallenges: false })
      client.wipe()
      expect(psk.every((byte) => byte === 0)).toBe(true)
    })
  },
)

test('the first handshake type begins it, and each protocol seals the types of a session', () => {
  for (const { handshakeTypes, sessionTypes } of [wireVersion1, wireVersion2]) {
    expect(handshakeTypes[0]).toBe(PacketType.HELLO)
    for (const type of handshakeTypes) expect(type in sessionTypes).toBe(false)
  }
  expect(wireVersion2.sessionTypes[PacketType.REKEY]).toBe(32)
  expect(PacketType.REKEY in wireVersion1.sessionTypes).toBe(false)
})
