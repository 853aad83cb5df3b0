import { codeThrownBy as codeOf, Pair, text } from '@usmp/testing'
import { playScript, type Script, type ScriptParams } from '@usmp/testing/internal'
import { NEAR_THE_END } from '@usmp/testing/provider-suite'
import { caseName, groupsOf } from '@usmp/testing/vectors'
import { describe, expect, test, vi } from 'vitest'
import type { Connection } from '../src/connection.ts'
import { nobleProvider } from '../src/crypto-noble.ts'

const start = vi.hoisted(() => ({ seq: 0 }))

// Nobody can send 2^32 frames in a test: sessions begin with the numbers of the group.
vi.mock('../src/record-layer.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../src/record-layer.ts')>()
  class WoundOnCipher extends original.RecordLayer {
    constructor(...[provider, protocol, result, ordered, client]: ConstructorParameters<typeof original.RecordLayer>) {
      super(provider, protocol, result, ordered, client, { tx: start.seq, rx: start.seq })
    }
  }
  return { ...original, RecordLayer: WoundOnCipher }
})

describe('session: scripts near the end of the numbers', () => {
  const groups = groupsOf<ScriptParams & { role: string }, Script>('session', 'script')
  const last = groups.filter(({ params }) => params.c2s_seq > NEAR_THE_END)

  test('there are such groups', () => expect(last.length).toBeGreaterThan(0))

  for (const { params, tests } of last) {
    for (const script of tests) {
      test(`${params.role}: ${caseName(script)}`, () => {
        start.seq = params.c2s_seq
        playScript(nobleProvider, params, script, false)
      })
    }
  }
})

describe('with no number left', () => {
  const LAST = 0xffffffff
  /** Two ends whose counters stand where `left` frames can still be sent. */
  function nearTheEnd(left: number): Pair {
    start.seq = LAST - left
    const extensions = [0x42]
    return new Pair({ client: { extensions, keepalive: 0 }, server: { extensions } }).connect()
  }

  test.each([
    ['a message', (end: Connection, now: number) => end.send(text('x'), now)],
    ['an extension', (end: Connection, now: number) => end.sendExtension(0x42, text('x'), now)],
    ['a PING', (end: Connection, now: number) => end.ping(now)],
    ['a REKEY', (end: Connection, now: number) => end.rekey(now)],
  ])('%s is SEQ_EXHAUSTED, ends the session and sends nothing', (_, call) => {
    const pair = nearTheEnd(0)
    const before = pair.sent.client.length
    expect(codeOf(() => pair.act('client', (end) => call(end, pair.now)))).toBe('SEQ_EXHAUSTED')
    expect(pair.reason('client')).toBe('SEQ_EXHAUSTED')
    expect(pair.sent.client).toHaveLength(before)
  })

  test('the keepalive and the answer to a PING end the session the same way', () => {
    start.seq = LAST
    const keepalive = new Pair().connect().wait(21_000)
    expect(keepalive.reason('client')).toBe('SEQ_EXHAUSTED')
    const pair = nearTheEnd(1)
    pair.act('client', (end) => end.ping(pair.now))
    pair.send('server', text('the last number'))
    pair.wait(100)
    expect(pair.messages('client')).toEqual([text('the last number')])
    expect(pair.reason('server')).toBe('SEQ_EXHAUSTED')
  })

  test('closing sends no BYE', () => {
    const pair = nearTheEnd(0)
    const before = pair.sent.client.length
    pair.act('client', (end) => end.close())
    expect(pair.sent.client).toHaveLength(before)
    expect(pair.reason('client')).toBe('CLOSED')
  })

  test('the last number can be a REKEY, and the new keys begin from 0', () => {
    const pair = nearTheEnd(1)
    pair.act('client', (end) => end.rekey(pair.now))
    pair.wait(100)
    pair.send('client', text('on'))
    expect(pair.wait(100).messages('server')).toEqual([text('on')])
  })
})
