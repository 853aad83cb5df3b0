import { fc, test as property } from '@fast-check/vitest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { faultOfToken } from '../../src/server/tokens.ts'
import { formatToken, issueToken, parseToken, type Relay, startRelay } from '../../src/server.ts'
import { CloseCode, MAX_TOKEN } from '../../src/wire.ts'
import { newRoute, TestPeer } from './test-peer.ts'

const KEY = Uint8Array.from({ length: 32 }, (_, index) => index)
const NOW = new Date('2026-03-01T12:00:00Z')
const LATER = new Date('2026-03-31T12:00:00Z')

const names = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((name) => Buffer.byteLength(name) <= 8)

property.prop([names, fc.nat({ max: 10 ** 8 })])('a token is good until the second it expires', (name, seconds) => {
  const expires = new Date(NOW.getTime() + 1000 * (seconds + 1))
  const token = issueToken(KEY, { expires, name })
  expect(token.length).toBeLessThanOrEqual(MAX_TOKEN)
  expect(parseToken(formatToken(token))).toEqual(token)
  expect(faultOfToken(KEY, token, NOW)).toBeUndefined()
  expect(faultOfToken(KEY, token, new Date(expires.getTime() - 1))).toBeUndefined()
  expect(faultOfToken(KEY, token, expires)).toBe('the token has expired')
})

property.prop([fc.nat(), fc.integer({ min: 1, max: 255 })])('no byte of a token can be changed', (place, mask) => {
  const token = issueToken(KEY, { expires: LATER, name: 'bank' })
  token[place % token.length]! ^= mask
  expect(faultOfToken(KEY, token, NOW)).toBeTypeOf('string')
})

property.prop([fc.uint8Array({ maxLength: MAX_TOKEN })])('other bytes are no token', (bytes) => {
  expect(faultOfToken(KEY, bytes, NOW)).toBeTypeOf('string')
})

test('the layout is that of the specification', () => {
  const token = Buffer.from(issueToken(KEY, { expires: LATER, name: 'bank' })).toString('hex')
  // Computed with the hmac module of Python.
  expect(token).toBe('69cbb7400462616e6bf2cfbc6c586236b1b80dd33dbe84c6b3')
})

test('a key is long enough, a name short enough, and a date one of this century or the next', () => {
  const fails = (work: () => unknown) => expect(work).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  fails(() => issueToken(KEY.subarray(1), { expires: LATER }))
  fails(() => issueToken(KEY, { expires: LATER, name: 'ninebytes' }))
  fails(() => issueToken(KEY, { expires: new Date('2106-02-08') }))
  fails(() => issueToken(KEY, { expires: new Date(Number.NaN) }))
  for (const text of ['', ' ', 'a', 'ab=', 'a b', 'ä', 'A'.repeat(200)]) fails(() => parseToken(text))
})

describe('a relay with a key', () => {
  let relay: Relay
  let today = NOW
  beforeAll(async () => {
    relay = await startRelay({ port: 0, tokenKey: KEY, date: () => today })
  })
  afterAll(() => relay.close())

  const refusal = async (token: Uint8Array) => {
    const peer = await TestPeer.join(relay.url, { route: newRoute(), side: 0, token })
    return peer.closed
  }

  test('lets those in who have a token of it, until it expires', async () => {
    const token = issueToken(KEY, { expires: LATER, name: 'bank' })
    await TestPeer.waiting(relay.url, { route: newRoute(), side: 0, token })
    today = LATER
    expect(await refusal(token)).toEqual({ code: CloseCode.TOKEN, reason: 'the token has expired' })
    today = NOW
  })

  test('closes with 4003, and says why', async () => {
    const token = issueToken(KEY, { expires: LATER, name: 'bank' })
    const otherName = token.slice()
    otherName.set(Buffer.from('bonk'), 5)
    const longer = token.slice()
    longer[0]! ^= 0x40
    const forged = { code: CloseCode.TOKEN, reason: 'the token is not of this relay' }
    expect(await refusal(new Uint8Array())).toEqual({ code: CloseCode.TOKEN, reason: 'this relay needs a token' })
    expect(await refusal(token.subarray(1))).toEqual({
      code: CloseCode.TOKEN,
      reason: 'the token has not the form of one',
    })
    expect(await refusal(otherName)).toEqual(forged)
    expect(await refusal(longer)).toEqual(forged)
    expect(await refusal(issueToken(KEY.slice().reverse(), { expires: LATER }))).toEqual(forged)
  })
})
