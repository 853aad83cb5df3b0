import { type Transport, UsmpError } from '@usmp/core'
import { codeOf, failureOf, SimulatedClock, turns, until } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { type CircuitOptions, openCircuit } from '../../src/circuit.ts'
import { CloseCode, type Join, type Side } from '../../src/wire.ts'
import { MemoryRelay } from './memory-relay.ts'

const RELAY = new URL('wss://relay.example')
const route = Uint8Array.from({ length: 16 }, (_, index) => index)

function joinOf(side: Side, pairing = false): Join {
  return { route, side, pairing, token: new Uint8Array(0) }
}

function open(relay: MemoryRelay, side: Side, more: Partial<CircuitOptions> = {}): Promise<Transport> {
  return openCircuit({ url: RELAY, dial: relay.dial, join: joinOf(side), ...more })
}

/** What a transport delivers. */
function listen(transport: Transport): { received: number[]; ends: unknown[] } {
  const heard = { received: [] as number[], ends: [] as unknown[] }
  transport.open({
    receive: (bytes) => heard.received.push(bytes[0]!),
    drain() {},
    end: (cause) => heard.ends.push(cause),
  })
  return heard
}

describe('a circuit', () => {
  test('is there for both when both are; the first one hears that it is alone', async () => {
    const relay = new MemoryRelay()
    let waiting = 0
    const first = open(relay, 0, { onWaiting: () => void waiting++ })
    await until(() => waiting === 1)
    const [a, b] = await Promise.all([first, open(relay, 1)])
    const [atA, atB] = [listen(a), listen(b)]
    a.write([Uint8Array.of(7)])
    b.write([Uint8Array.of(8), Uint8Array.of(9)])
    await until(() => atA.received.length === 2 && atB.received.length === 1)
    expect([atA.received, atB.received]).toEqual([[8, 9], [7]])
    await a.close()
    await until(() => atB.ends.length === 1)
    expect((atB.ends[0] as UsmpError).code).toBe('TRUNCATED')
    expect(atA.ends).toEqual([])
  })

  test('the URL tells one byte of a hash, and nothing else of the route', async () => {
    const relay = new MemoryRelay()
    void open(relay, 0).catch(() => {})
    void open(relay, 0, { url: new URL('wss://relay.example/behind/front?x=1') }).catch(() => {})
    await until(() => relay.urls.length === 2)
    expect(relay.urls.map(String)).toEqual([
      'wss://relay.example/relay?s=be',
      'wss://relay.example/behind/front?x=1&s=be',
    ])
  })

  test('what the peer sends at once waits for `open`, in order, and its end behind it', async () => {
    const relay = new MemoryRelay()
    const [a, b] = await Promise.all([open(relay, 0), open(relay, 1)])
    for (let i = 1; i <= 5; i++) a.write([Uint8Array.of(i)])
    // Words of the relay are words no more.
    a.write([Uint8Array.of(2)])
    await turns()
    await a.close()
    await turns()
    const atB = listen(b)
    await until(() => atB.ends.length === 1)
    expect(atB.received).toEqual([1, 2, 3, 4, 5, 2])
  })

  test('nothing is read between PEER and `open`, so that a peer that floods is slowed down', async () => {
    const relay = new MemoryRelay()
    const calls: string[] = []
    const dial: CircuitOptions['dial'] = async (url, options) => {
      const below = await relay.dial(url, options)
      const { pause, resume } = below
      below.pause = () => {
        calls.push('pause')
        pause.call(below)
      }
      below.resume = () => {
        calls.push('resume')
        resume.call(below)
      }
      return below
    }
    const [a] = await Promise.all([open(relay, 0, { dial }), open(relay, 1)])
    await turns()
    const before = calls.filter((call) => call === 'pause').length
    expect([before, calls.at(-1)]).toEqual([1, 'pause'])
    listen(a)
    expect(calls.at(-1)).toBe('resume')
  })

  test('a transport below that goes on though it is paused is bounded', async () => {
    const relay = new MemoryRelay()
    const [, b] = await Promise.all([open(relay, 0), open(relay, 1)])
    const [below] = [...relay.sockets].filter(({ join }) => join?.side === 1)
    below!.pause = () => {}
    below!.resume()
    for (let i = 0; i < 1_000; i++) below!.deliver(new Uint8Array(492))
    await turns()
    const atB = listen(b)
    expect((atB.ends[0] as UsmpError).code).toBe('QUEUE_FULL')
    expect(atB.received.length * 492).toBeLessThan(300 * 1024)
  })

  test('a sink that pauses while it takes what waited is not resumed; one that leaves hears nothing more', async () => {
    const relay = new MemoryRelay()
    const [a, b] = await Promise.all([open(relay, 0), open(relay, 1)])
    const [below] = [...relay.sockets].filter(({ join }) => join?.side === 1)
    const pause = below!.pause
    below!.pause = () => {}
    below!.resume()
    a.write([Uint8Array.of(1), Uint8Array.of(2)])
    await turns()
    below!.pause = pause
    const received: number[] = []
    const takeOne = (bytes: Uint8Array) => {
      received.push(bytes[0]!)
      b.pause()
    }
    b.open({ receive: takeOne, drain() {}, end() {} })
    a.write([Uint8Array.of(3)])
    await turns()
    expect(received).toEqual([1, 2])
    b.resume()
    await until(() => received.length === 3)
    const [c, d] = await Promise.all([open(relay, 0), open(relay, 1)])
    const [belowD] = [...relay.sockets]
      .filter(({ join, peer: other }) => join?.side === 1 && other?.join?.side === 0)
      .slice(-1)
    belowD!.pause = () => {}
    belowD!.resume()
    c.write([Uint8Array.of(1), Uint8Array.of(2)])
    let calls = 0
    const leave = () => {
      calls++
      d.abort()
    }
    await turns()
    d.open({ receive: leave, drain() {}, end: () => void calls++ })
    await turns()
    expect(calls).toBe(1)
  })

  test('an abort while it waits ends it at once, and later it has no effect', async () => {
    const relay = new MemoryRelay()
    const stop = new AbortController()
    const waiting = codeOf(open(relay, 0, { signal: stop.signal, onWaiting: () => stop.abort() }))
    expect(await waiting).toBe('ABORTED')
    await until(() => relay.sockets.size === 0)
    expect(await codeOf(open(relay, 0, { signal: stop.signal }))).toBe('ABORTED')
    const late = new AbortController()
    const [a, b] = await Promise.all([open(relay, 0, { signal: late.signal }), open(relay, 1)])
    late.abort()
    const atB = listen(b)
    a.write([Uint8Array.of(1)])
    await until(() => atB.received.length === 1)
  })

  test('a callback that throws, at once or later, changes nothing', async () => {
    const relay = new MemoryRelay()
    const first = open(relay, 0, {
      onWaiting: () => {
        throw new Error('of the application')
      },
    })
    const second = open(relay, 1, { onWaiting: (async () => Promise.reject(new Error('later'))) as never })
    await Promise.all([first, second])
  })

  test('plain ws only on this machine, as it shows the route and the token', async () => {
    const relay = new MemoryRelay()
    for (const host of ['relay.example', '192.168.1.2', '[fe80::1]', 'localhost.evil.example']) {
      expect(await codeOf(open(relay, 0, { url: new URL(`ws://${host}`) }))).toBe('INVALID_ARGUMENT')
    }
    expect(relay.urls).toEqual([])
    for (const host of ['localhost', '127.0.0.9', '[::1]']) {
      void open(relay, 0, { url: new URL(`ws://${host}:1`) }).catch(() => {})
    }
    await until(() => relay.urls.length === 3)
  })
})

describe('a relay that refuses', () => {
  test.each([
    [CloseCode.TOKEN, false, 'RELAY_REFUSED', false],
    [CloseCode.LIMIT, false, 'RELAY_REFUSED', false],
    [CloseCode.NO_JOIN, false, 'RELAY_REFUSED', false],
    [CloseCode.TOO_LONG, false, 'RELAY_REFUSED', false],
    [CloseCode.RESTART, false, 'UNREACHABLE', true],
    [CloseCode.WAITED_TOO_LONG, false, 'UNREACHABLE', true],
    [CloseCode.WAITED_TOO_LONG, true, 'PAIRING_FAILED', false],
    [CloseCode.TAKEN, false, 'REPLACED', true],
    [CloseCode.TAKEN, true, 'PAIRING_FAILED', false],
    [CloseCode.PEER_GONE, false, 'TRUNCATED', true],
    [CloseCode.TOO_SLOW, false, 'TRANSPORT_FAILED', true],
    [4321, false, 'TRANSPORT_FAILED', true],
  ] as const)('closes with %i, pairing %s: %s', async (status, pairing, code, retryable) => {
    const relay = new MemoryRelay()
    relay.refusal = [status, 'why']
    const failure = await failureOf(open(relay, 0, { join: joinOf(0, pairing) }))
    expect([failure.code, failure.retryable]).toEqual([code, retryable])
    expect(failure.message).toContain('"why"')
  })

  test('its words cannot write to a terminal, and are cut', async () => {
    const relay = new MemoryRelay()
    relay.refusal = [CloseCode.LIMIT, `\u001b[2J\u202e"é${'x'.repeat(200)}`]
    const { message } = await failureOf(open(relay, 0))
    expect(message).toMatch(/^[\x20-\x7e]*$/)
    expect(message.length).toBeLessThan(200)
  })

  test('one that says other things than a relay does is none', async () => {
    for (const word of [
      Uint8Array.of(3),
      Uint8Array.of(0),
      Uint8Array.of(1, 2),
      new Uint8Array(0),
      new Uint8Array(50),
    ]) {
      const relay = new MemoryRelay()
      relay.receive = (socket) => socket.deliver(word)
      expect(await codeOf(open(relay, 0))).toBe('INVALID_RESPONSE')
      await until(() => relay.sockets.size === 0)
    }
  })

  test('one that is silent, or ends, before it has said a word', async () => {
    const relay = new MemoryRelay()
    const clock = new SimulatedClock()
    relay.receive = () => {}
    const silent = failureOf(open(relay, 0, { clock }))
    await until(() => relay.sockets.size === 1)
    await turns()
    clock.advance(10_000)
    expect(await silent).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('10000 ms') })
    relay.receive = (socket) => socket.drop()
    expect(await codeOf(open(relay, 0))).toBe('UNREACHABLE')
    expect(clock.pending).toBe(0)
  })

  test('a dial that never ends does not hold anybody up, and what comes of it late is ended', async () => {
    const clock = new SimulatedClock()
    let aborted = 0
    let connected: (transport: Transport) => void = () => {}
    const dial = () => new Promise<Transport>((resolve) => (connected = resolve))
    const slow = codeOf(open(new MemoryRelay(), 0, { dial, clock }))
    await until(() => clock.pending === 1)
    clock.advance(11_000)
    expect(await slow).toBe('UNREACHABLE')
    connected({ abort: () => void aborted++ } as unknown as Transport)
    await until(() => aborted === 1)
    const stop = new AbortController()
    const called = codeOf(open(new MemoryRelay(), 0, { dial, clock, signal: stop.signal }))
    stop.abort()
    expect([await called, clock.pending]).toEqual(['ABORTED', 0])
    const throws = () => {
      throw new Error('of the application')
    }
    expect(await codeOf(open(new MemoryRelay(), 0, { dial: throws }))).toBe('TRANSPORT_FAILED')
  })

  test('one that repeats itself is heard once', async () => {
    const relay = new MemoryRelay()
    let told = 0
    relay.receive = (socket) => {
      for (let i = 0; i < 100; i++) socket.say(1)
      socket.say(2)
    }
    await open(relay, 0, { onWaiting: () => void told++ })
    expect(told).toBe(1)
  })

  test('a transport that throws is a failure, and is aborted', async () => {
    let aborted = 0
    const broken = { kind: 'message', address: '', open: () => {}, abort: () => void aborted++ } as unknown as Transport
    const dial = async () =>
      Object.assign(broken, {
        write: () => {
          throw new Error('broken')
        },
      })
    expect(await codeOf(openCircuit({ url: RELAY, dial, join: joinOf(0) }))).toBe('TRANSPORT_FAILED')
    expect(aborted).toBe(1)
    const fails = async () => Promise.reject(new UsmpError('UNTRUSTED_CERTIFICATE'))
    expect(await codeOf(openCircuit({ url: RELAY, dial: fails, join: joinOf(0) }))).toBe('UNTRUSTED_CERTIFICATE')
  })
})
