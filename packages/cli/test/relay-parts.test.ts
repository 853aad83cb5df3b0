import { UsmpError } from '@usmp/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { HiddenLine } from '../src/hidden-input.js'
import { Output } from '../src/output.js'
import { tellCode } from '../src/relay/code.js'
import { knownPeersFile } from '../src/relay/files.js'
import { parseCover, parsePin, parseRelay, parseSide } from '../src/relay/flags.js'
import { StateReport } from '../src/relay/state-report.js'

/** An output whose stderr a test reads. */
function recorded(json = false): { output: Output; text: () => string } {
  let text = ''
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    text += chunk
    return true
  })
  onTestFinished(() => spy.mockRestore())
  return { output: new Output(json), text: () => text }
}

describe('options', () => {
  test.each(['http://relay.example', 'relay.example', 'wss://', '', 'wss://user:secret@relay.example'])(
    '%j is no address of a relay',
    (text) => {
      expect(() => parseRelay(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
      expect(() => parseRelay(text)).not.toThrow(/secret/)
    },
  )

  test('cover is off, noise, or a rate', () => {
    expect(['off', 'noise', '4', '0.25', '100'].map(parseCover)).toEqual(['off', 'noise', 4, 0.25, 100])
    for (const text of ['0', '101', '-1', 'on', '4/s', '1e2', ''])
      expect(() => parseCover(text)).toThrow('cells a second')
  })

  test('a pin is 64 hex digits, with colons or without', () => {
    const pin = 'AB'.repeat(32)
    expect(parsePin(pin)).toBe('ab'.repeat(32))
    expect(parsePin(pin.replace(/..(?=.)/g, '$&:'))).toBe('ab'.repeat(32))
    for (const text of ['', 'ab', `${pin}00`, 'xy'.repeat(32)]) expect(() => parsePin(text)).toThrow('64 hex digits')
  })

  test('a side is 0 or 1', () => {
    expect(['0', '1'].map(parseSide)).toEqual([0, 1])
    expect(() => parseSide('2')).toThrow('0 or 1')
  })

  test('the peers of an identity stand beside it', () => {
    expect(knownPeersFile('/a/identity.json')).toBe('/a/identity.peers')
    expect(knownPeersFile('bank')).toBe('bank.peers')
  })
})

describe('what is typed without being shown', () => {
  const typed = (text: string) => {
    const line = new HiddenLine()
    return { used: line.type(text), text: line.text, end: line.end }
  }

  test.each([
    ['secret\r', { used: 7, text: 'secret', end: 'line' }],
    ['secret\nrest', { used: 7, text: 'secret', end: 'line' }],
    ['grüße 😀\x7f\x7f!\r', { used: 12, text: 'grüße!', end: 'line' }],
    ['\x7f\bx\r', { used: 4, text: 'x', end: 'line' }],
    ['sec\x03', { used: 4, text: 'sec', end: 'interrupt' }],
    ['\x04', { used: 1, text: '', end: 'end' }],
    ['half', { used: 4, text: 'half', end: undefined }],
  ])('%j', (keys, expected) => expect(typed(keys)).toEqual(expected))

  test('no more than a line can hold', () => {
    expect(typed(`${'x'.repeat(5000)}\r`)).toMatchObject({ text: 'x'.repeat(1024), end: 'line' })
  })
})

describe('the code', () => {
  test('is shown in a frame, with what the other person types', () => {
    const { output, text } = recorded()
    tellCode('one-two-three-four', { relay: parseRelay('ws://127.0.0.1:8740') }, output)
    expect(text()).toContain('│   one-two-three-four   │')
    expect(text()).toContain('usmp relay peer --relay ws://127.0.0.1:8740 --code one-two-three-four\n')
  })

  test('on the same machine the other end needs an identity of its own', () => {
    const { output, text } = recorded()
    for (const relay of ['ws://localhost:1', 'ws://[::1]:1']) tellCode('a-b-c-d', { relay: parseRelay(relay) }, output)
    expect(text().match(/ {2}On this same machine .* --identity second\.json\n/g)).toHaveLength(2)
    tellCode('a-b-c-d', { relay: parseRelay('wss://relay.example') }, output)
    expect(text().match(/--identity/g)).toHaveLength(2)
  })

  test('the command names what else the other person needs, not our own files', () => {
    const { output, text } = recorded(true)
    const relay = parseRelay('wss://relay.example/there')
    tellCode('a-b-c-d', { relay, tokenFile: '/own/token', ca: '/own/ca', cert: '/own/cert', key: '/own/key' }, output)
    expect(JSON.parse(text())).toMatchObject({
      event: 'code',
      code: 'a-b-c-d',
      command:
        'usmp relay peer --relay wss://relay.example/there --code a-b-c-d --token-file FILE --ca FILE --cert FILE --key FILE',
    })
  })
})

describe('states', () => {
  const wrongProof = new UsmpError('AUTH_FAILED')

  test('the first who comes with a wrong proof is a reason to give up', () => {
    const { output, text } = recorded()
    const report = new StateReport('bank', parseRelay('ws://127.0.0.1:1'), output)
    expect(report.tell({ state: 'waiting' })).toBeUndefined()
    const error = report.tell({ state: 'connecting', error: wrongProof, pause: 500 })
    expect(error).toMatchObject({ code: 'AUTH_FAILED', hint: expect.stringContaining('usmp relay forget bank') })
    expect(error?.message).toContain('somebody who is not bank')
    expect(new Output(false).error(error)).toBe(6)
    expect(text()).toMatch(/^waiting for bank\nerror: /)
  })

  test('after a session it is told, and ends nothing', () => {
    const { output, text } = recorded()
    const report = new StateReport('bank', parseRelay('ws://127.0.0.1:1'), output)
    report.tell({ state: 'online' })
    expect(report.tell({ state: 'connecting', error: wrongProof, pause: 500 })).toBeUndefined()
    expect(text()).toContain('somebody who is not bank was there [AUTH_FAILED]; next attempt in 0.5 s')
  })

  test('a relay that refuses from the beginning is a reason to give up, and later it is told', () => {
    const { output, text } = recorded()
    const report = new StateReport('bank', parseRelay('wss://relay.example'), output)
    const refused = new UsmpError('RELAY_REFUSED', 'the token has expired')
    expect(report.tell({ state: 'away', error: new UsmpError('UNREACHABLE', 'no route'), pause: 500 })).toBeUndefined()
    expect(report.tell({ state: 'away', error: refused, pause: 500 })).toBe(refused)
    report.tell({ state: 'waiting' })
    expect(report.tell({ state: 'away', error: refused, pause: 500 })).toBeUndefined()
    expect(text()).toContain('not connected to relay.example; the relay refused: the token has expired [RELAY_REFUSED]')
  })

  test('a relay that is away is told with what to do, and then in a short line while the reason is the same', () => {
    const { output, text } = recorded()
    const report = new StateReport('bank', parseRelay('ws://127.0.0.1:1'), output)
    const away = (reason: string) => {
      const error = new UsmpError('UNREACHABLE', `ws://127.0.0.1:1/relay?s=b5: ${reason}`)
      report.tell({ state: 'away', error, pause: 500 })
    }
    for (const reason of ['connect ECONNREFUSED', 'connect ECONNREFUSED', 'no route']) away(reason)
    report.tell({ state: 'waiting' })
    away('no route')
    const hint = '  Is the relay running, and is its address right? With TLS it begins with wss://, without with ws://.'
    expect(text().trimEnd().split('\n')).toEqual([
      'not connected to 127.0.0.1:1; connect ECONNREFUSED [UNREACHABLE]; next attempt in 0.5 s',
      hint,
      'still not connected to 127.0.0.1:1; next attempt in 0.5 s',
      'not connected to 127.0.0.1:1; no route [UNREACHABLE]; next attempt in 0.5 s',
      hint,
      'waiting for bank',
      'not connected to 127.0.0.1:1; no route [UNREACHABLE]; next attempt in 0.5 s',
      hint,
    ])
  })

  test('a circuit that ended is told with the reason of the relay, without words about frames', () => {
    const { output, text } = recorded()
    const report = new StateReport('bank', parseRelay('ws://127.0.0.1:1'), output)
    report.tell({ state: 'connecting', error: new UsmpError('TRUNCATED', 'the peer has left'), pause: 400 })
    expect(text()).toMatch(/^the connection ended; the peer has left \[TRUNCATED\]; next attempt in 0\.4 s\n/)
  })

  test('a relay that is away is told with the reason, and as JSON', () => {
    const { output, text } = recorded(true)
    const report = new StateReport('bank', parseRelay('ws://127.0.0.1:1'), output)
    report.tell({ state: 'away', error: new UsmpError('UNREACHABLE', 'connection refused'), pause: 1000 })
    expect(report.state).toBe('away')
    expect(JSON.parse(text())).toMatchObject({
      event: 'state',
      state: 'away',
      peer: 'bank',
      code: 'UNREACHABLE',
      pause_ms: 1000,
    })
  })
})
