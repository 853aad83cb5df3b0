// Weaknesses of published implementations that ours must not have (docs/threat-model.md), as far as no other test names them.

import { bytesOf, otherSide, Pair, type Side, text } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { toHex } from '../src/bytes.ts'
import { PacketType } from '../src/constants.js'
import type { CryptoProvider } from '../src/crypto.js'
import { nobleProvider } from '../src/crypto-noble.js'
import { decodeFrame, encodeFrame } from '../src/frame.js'

/** Numbers at which a receiver that looks before it has authenticated goes wrong. */
const NUMBERS = [0, 1, 63, 64, 1_000, 0x7fffffff, 0xfffffffe, 0xffffffff]

describe.each(['client', 'server'] as const)('W7: forged datagrams to a %s', (side: Side) => {
  test('with any number, the last one too, end nothing, move no window and are not acknowledged', () => {
    const pair = new Pair({ kind: 'datagram' }).connect()
    pair.send(otherSide(side), text('true'))
    pair.wait(100)
    const overheard = decodeFrame(pair.sent[otherSide(side)].find((bytes) => bytes[3] === PacketType.DATA)!)
    const before = pair.sent[side].length
    for (const seq of NUMBERS) {
      const payload = Uint8Array.from(overheard.payload)
      new DataView(payload.buffer).setUint32(0, seq, true)
      for (let i = 0; i < 20; i++) pair.deliver(side, encodeFrame({ type: PacketType.DATA, seq, payload }))
    }
    // The one under the number that was used may be a repeat, so it is answered; all others are junk.
    expect(pair.ends[side].dropped.get('DECRYPT_FAILED')).toBe((NUMBERS.length - 1) * 20)
    expect(pair.sent[side].length - before).toBeLessThanOrEqual(20)
    pair.send(otherSide(side), text('and on'))
    expect(pair.wait(100).messages(side)).toEqual([text('true'), text('and on')])
    expect(pair.reason(side)).toBeUndefined()
  })
})

test('a provider that calls back while it seals or opens makes no nonce seal twice', () => {
  const used: string[] = []
  let callBack: (() => void) | undefined
  const callBackOnce = () => {
    const call = callBack
    callBack = undefined
    call?.()
  }
  const provider: CryptoProvider = {
    ...nobleProvider,
    aead(suite, key) {
      const aead = nobleProvider.aead(suite, key)
      return {
        ...aead,
        seal(nonce, aad, plaintext, out) {
          callBackOnce()
          used.push(`${toHex(key)} ${toHex(nonce)}`)
          aead.seal(nonce, aad, plaintext, out)
        },
        open(nonce, aad, sealed) {
          callBackOnce()
          return aead.open(nonce, aad, sealed)
        },
      }
    },
  }
  const options = { client: { provider, keepalive: 0 }, server: { provider } }
  // On datagrams numbers may come in any order, so that the session shows whether its frames were good.
  const pair = new Pair({ kind: 'datagram', ...options }).connect()
  const other = new Pair({ kind: 'datagram', seed: 5, ...options }).connect()
  callBack = () => other.send('client', text('of another session'))
  pair.send('client', text('a'))
  callBack = () => other.send('server', text('while one is opened'))
  pair.wait(100)
  other.wait(100)
  expect(pair.messages('server')).toEqual([text('a')])
  expect(other.messages('server')).toEqual([text('of another session')])
  expect(other.messages('client')).toEqual([text('while one is opened')])
  expect(new Set(used).size).toBe(used.length)
})

describe('W10: forged and malformed datagrams in a handshake', () => {
  const frame = (type: number, size: number) => encodeFrame({ type, payload: bytesOf(size, type) })
  const junk = [
    new Uint8Array(0),
    bytesOf(7),
    bytesOf(600),
    frame(PacketType.CHALLENGE, 64),
    frame(PacketType.CHALLENGE, 63),
    frame(PacketType.SESSION_OK, 48),
    frame(PacketType.SESSION_OK, 1),
    frame(PacketType.HELLO_ACK, 32),
    frame(PacketType.HELLO, 37),
    frame(PacketType.ERROR, 3),
    frame(PacketType.BYE, 28),
    frame(PacketType.DATA, 40),
  ]

  test.each([0, 10, 15, 25, 35, 45, 55])('at %i ms cost nothing but themselves', (at) => {
    const pair = new Pair({ kind: 'datagram', latency: 10 })
    pair.wait(at)
    for (const side of ['client', 'server'] as const) for (const datagram of junk) pair.deliver(side, datagram)
    pair.wait(3_000)
    expect([pair.client.established, pair.server.established]).toEqual([true, true])
    pair.send('client', text('all the same'))
    expect(pair.wait(100).messages('server')).toEqual([text('all the same')])
  })
})

/** A provider that notes which functions are called, in order. */
function tracingProvider(): { provider: CryptoProvider; calls: string[] } {
  const calls: string[] = []
  const trace = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(_, name) {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          calls.push(String(name))
          const result = value.apply(target, args)
          return String(name).includes('eyPair') ? trace(result as object) : result
        }
      },
    })
  return { provider: trace(nobleProvider), calls }
}

test.each(['stream', 'datagram'] as const)(
  'W14: an unknown device costs the server the same work as a wrong key, %s',
  (kind) => {
    const work = [null, { psk: bytesOf(32, 5) }].map((answer) => {
      const { provider, calls } = tracingProvider()
      const pair = new Pair({ kind, server: { provider }, authorize: () => answer })
      pair.wait(9_000)
      expect(pair.server.established).toBe(false)
      return calls
    })
    expect(work[0]).toContain('generateKeyPair')
    expect(work[0]).toContain('hmacSha256')
    expect(work[0]).toEqual(work[1])
  },
)
