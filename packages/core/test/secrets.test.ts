import { bytesOf, Pair, type PairOptions, PSK, recordingProvider, text } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { isZero, toHex } from '../src/bytes.ts'
import { PacketType } from '../src/constants.ts'
import { encodeFrame } from '../src/frame.ts'

function recorded(options: PairOptions = {}) {
  const provider = recordingProvider()
  const pair = new Pair({
    ...options,
    client: { ...options.client, provider },
    server: { ...options.server, provider },
  })
  /** Secrets that still hold what they held. */
  const left = () => provider.secrets.filter(({ bytes }) => !isZero(bytes)).map(({ name }) => name)
  return { provider, pair, left }
}

describe('secrets are wiped', () => {
  test.each(['stream', 'datagram'] as const)(
    'when the handshake is done: private keys and what was agreed, %s',
    (kind) => {
      const { provider, pair, left } = recorded({ kind })
      expect(provider.alive()).toHaveLength(1)
      pair.connect()
      expect(provider.alive().filter((name) => name.startsWith('private'))).toEqual([])
      expect(provider.alive()).toHaveLength(4)
      // What stays are the keys of the two directions at both ends.
      expect(left()).toEqual(['session key', 'session key', 'session key', 'session key'])
    },
  )

  test.each([
    ['BYE', (pair: Pair) => pair.act('client', (end) => end.close())],
    [
      'a fault at both ends',
      (pair: Pair) => {
        for (const side of ['client', 'server'] as const) pair.deliver(side, text('no frame at all'))
      },
    ],
    ['time', (pair: Pair) => pair.run(1_000_000)],
    [
      'the end of the transport',
      (pair: Pair) => {
        for (const side of ['client', 'server'] as const) pair.act(side, (end) => end.receiveEnd())
      },
    ],
  ])('when a session ends by %s: every key', (_, endIt) => {
    const { provider, pair, left } = recorded({ client: { keepalive: 0 } })
    pair.connect()
    endIt(pair)
    pair.wait(100)
    expect([pair.client.closedReason, pair.server.closedReason]).not.toContain(undefined)
    expect(provider.alive()).toEqual([])
    expect(left()).toEqual([])
  })

  test.each([
    ['before CHALLENGE', (pair: Pair) => pair.run(20_000), { network: () => [] }],
    ['with a wrong key', (pair: Pair) => pair.run(20_000), { authorize: () => ({ psk: bytesOf(32, 6) }) }],
    ['with an unknown device', (pair: Pair) => pair.run(20_000), { authorize: () => null }],
    [
      'with a low-order point',
      (pair: Pair) => {
        pair.deliver('client', encodeFrame({ type: PacketType.CHALLENGE, payload: new Uint8Array(64) }))
        pair.run(20_000)
      },
      { network: () => [] },
    ],
    [
      'after several challenges',
      (pair: Pair) => {
        for (let i = 0; i < 7; i++)
          pair.deliver('client', encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64, i) }))
        pair.run(20_000)
        pair.act('server', (end) => end.close())
      },
      { kind: 'datagram', network: () => [] },
    ],
  ] as [string, (pair: Pair) => void, PairOptions][])('when a handshake ends %s', (_, endIt, options) => {
    const { provider, pair, left } = recorded(options)
    endIt(pair)
    expect(pair.client.closedReason).toBeDefined()
    expect(pair.server.closedReason).toBeDefined()
    expect(provider.alive()).toEqual([])
    expect(left()).toEqual([])
  })

  test('when a session was won among several challenges: the keys of the others', () => {
    const { provider, pair } = recorded({ kind: 'datagram' })
    for (let i = 0; i < 2; i++)
      pair.deliver('client', encodeFrame({ type: PacketType.CHALLENGE, payload: bytesOf(64, i) }))
    pair.connect()
    expect(provider.alive()).toHaveLength(4)
    pair.act('client', (end) => end.close())
    pair.wait(100)
    expect(provider.alive()).toEqual([])
  })

  test('when a device restarts its handshake: the keys of the first', () => {
    const { provider, pair } = recorded({ kind: 'datagram', network: () => [] })
    const hello = (seed: number) => encodeFrame({ type: PacketType.HELLO, payload: bytesOf(38, seed) })
    for (let i = 0; i < 4; i++) pair.deliver('server', hello(i))
    // The client's own pair, and the server's newest.
    expect(provider.alive()).toHaveLength(2)
  })

  test('in a rekey: old keys live until the first frame under the new ones, and no longer', () => {
    const { provider, pair, left } = recorded()
    pair.connect()
    pair.act('client', (end) => end.rekey(pair.now))
    expect(provider.alive()).toHaveLength(5)
    pair.wait(100)
    expect(provider.alive()).toHaveLength(4)
    expect(left()).toHaveLength(4)
  })

  test('in a rekey of both at once', () => {
    const { provider, pair, left } = recorded()
    pair.connect()
    for (const side of ['client', 'server'] as const) pair.act(side, (end) => end.rekey(pair.now))
    pair.wait(100)
    expect(provider.alive()).toHaveLength(4)
    expect(left()).toHaveLength(4)
    pair.act('client', (end) => end.close())
    pair.wait(100)
    expect(provider.alive()).toEqual([])
    expect(left()).toEqual([])
  })

  test('the PSK of the caller is copied, never changed', () => {
    const before = toHex(PSK)
    const { pair } = recorded()
    pair.connect()
    pair.act('client', (end) => end.close())
    pair.wait(100)
    expect(toHex(PSK)).toBe(before)
  })

  test('copies of the PSK are wiped after the handshake', () => {
    const macKeys: Uint8Array[] = []
    const base = recordingProvider()
    const provider = {
      ...base,
      hmacSha256(key: Uint8Array, message: Uint8Array) {
        macKeys.push(key)
        return base.hmacSha256(key, message)
      },
    }
    new Pair({ client: { provider }, server: { provider } }).connect()
    expect(macKeys).toHaveLength(4)
    expect(macKeys.filter((key) => !isZero(key))).toEqual([])
    macKeys.length = 0
    new Pair({ client: { provider }, server: { provider }, authorize: () => ({ psk: bytesOf(32, 4) }) }).run(20_000)
    expect(macKeys).toHaveLength(2)
    expect(macKeys.filter((key) => !isZero(key))).toEqual([])
  })
})
