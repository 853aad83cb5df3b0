import {
  type AcceptOptions,
  type ConnectOptions,
  decodeFrame,
  ExtensionEvent,
  encodeFrame,
  PacketType,
  Session,
  type Transport,
  type TransportKind,
} from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { nodeClock, nodeProvider, nodeRandom } from '@usmp/node'
import { afterEach, describe, expect, test } from 'vitest'
import { expectBytes, pattern, textOf } from './bytes.js'
import { codeOf, failureOf } from './failures.js'
import { DEVICE_ID, DEVICE_ID_BYTES, OTHER_PSK, PSK } from './identities.js'
import { ManualPeer } from './manual-peer.js'
import { SimulatedClock } from './simulated-clock.js'
import { collect, isSettled, turns, until } from './waiting.js'

/** The two ends of one new connection; nothing has been written to either. */
export interface Ends {
  readonly client: Transport
  readonly server: Transport
}

/** A way of carrying sessions, as this suite needs it. */
export interface Adapter {
  /** In the names of the tests. */
  readonly name: string
  /** Of both ends; it decides which tests make sense. */
  readonly kind: TransportKind
  /** Connects two new ends. */
  open(): Promise<Ends>
}

type Test = (name: string, body: () => Promise<void>) => void
const notHere: Test = () => {}

const SIZES = [0, 1, 451, 452, 453, 904, 1356, 1808]

/**
 * What every transport has to do for a session, whatever it is made of. Call it once a transport, at the top level of a test file:
 * it registers the tests, and each test calls `adapter.open` for a new connection.
 *
 * The suite owns what `open` returns: it drives both ends by sessions or by a {@link ManualPeer}, and aborts both after the test.
 * The adapter owns the rest, such as a listening socket. Two calls of `open` must never return the same transport. Time is
 * simulated where a test is about time; I/O is real, so a transport must deliver within seconds.
 */
export function describeAdapter(adapter: Adapter): void {
  /** On a noisy or lossy transport anybody can put bytes in; there they cost nothing. */
  const strict = adapter.kind === 'stream' || adapter.kind === 'message'
  const strictTest: Test = strict ? test : notHere
  const looseTest: Test = strict ? notHere : test
  /** Datagrams have no end that the other side sees, and nothing that slows a sender down but missing acknowledgements. */
  const connectedTest: Test = adapter.kind === 'datagram' ? notHere : test
  const streamTest: Test = adapter.kind === 'stream' ? test : notHere
  const opened: Transport[] = []

  afterEach(() => {
    for (const transport of opened.splice(0)) transport.abort()
  })

  async function open(): Promise<Ends> {
    const ends = await adapter.open()
    opened.push(ends.client, ends.server)
    return ends
  }

  const common = { random: nodeRandom, provider: nodeProvider, clock: nodeClock, reliableDatagram: ReliableDatagram }

  function connect(transport: Transport, options: Partial<ConnectOptions> = {}): Promise<Session> {
    return Session.connect(transport, { ...common, deviceId: DEVICE_ID_BYTES, psk: PSK, ...options })
  }

  function accept(transport: Transport, options: Partial<AcceptOptions> = {}): Promise<Session> {
    return Session.accept(transport, { ...common, authorize: () => ({ psk: PSK }), ...options })
  }

  /** Two sessions with each other. */
  async function pair(
    options: { client?: Partial<ConnectOptions>; server?: Partial<AcceptOptions>; ends?: Ends } = {},
  ): Promise<{ client: Session; server: Session }> {
    const ends = options.ends ?? (await open())
    const [client, server] = await Promise.all([
      connect(ends.client, options.client),
      accept(ends.server, options.server),
    ])
    return { client, server }
  }

  /** A session with a peer that the test leads by hand. */
  async function withManualPeer(
    side: 'client' | 'server',
    options: Partial<ConnectOptions & AcceptOptions> = {},
  ): Promise<{ session: Session; peer: ManualPeer }> {
    const ends = await open()
    const [session, peer] = await Promise.all(
      side === 'server'
        ? [accept(ends.server, options), ManualPeer.connected(ends.client, 'client')]
        : [connect(ends.client, options), ManualPeer.connected(ends.server, 'server')],
    )
    return { session, peer }
  }

  /** Sends back what comes, in the background. */
  async function echo(session: Session): Promise<void> {
    for await (const message of session) await session.send(message)
  }

  describe(`${adapter.name}: messages`, () => {
    test('both ends know the same session', async () => {
      const { client, server } = await pair()
      expect(server.sessionId).toBe(client.sessionId)
      expect(client.sessionId).toMatch(/^[0-9a-f]{32}$/)
      expect([client.deviceId, server.deviceId]).toEqual([DEVICE_ID, DEVICE_ID])
      expect([client.suite, server.suite, client.wireVersion, server.wireVersion]).toEqual([1, 1, 2, 2])
      expect(client.address).not.toBe('')
    })

    test.each([1, 2] as const)('echo of every kind of size, suite %i', async (suite) => {
      const { client, server } = await pair({ client: { suite }, server: { authorize: () => ({ psk: PSK, suite }) } })
      const echoing = echo(server)
      for (const size of SIZES) {
        await client.send(pattern(size))
        expect(await client.receive(), `${size} bytes`).toEqual(pattern(size))
      }
      await client.close()
      await echoing
    })

    test('a message of 1809 bytes is refused and the session goes on', async () => {
      const { client, server } = await pair()
      expect(await codeOf(client.send(pattern(1809)))).toBe('MESSAGE_TOO_LARGE')
      expect(() => client.trySend('x'.repeat(1809))).toThrow('1808')
      await client.send('still here')
      expect(textOf(await server.receive())).toBe('still here')
    })

    test('text goes as UTF-8', async () => {
      const { client, server } = await pair()
      await client.send('grüße, 世界 🌍')
      expect(server.trySend('')).toBe(true)
      expect(textOf(await server.receive())).toBe('grüße, 世界 🌍')
      expect(textOf(await client.receive())).toBe('')
    })

    test('3000 small messages each way keep their order', async () => {
      const { client, server } = await pair()
      const send = async (session: Session) => {
        for (let i = 0; i < 3000; i++) await session.send(`${i}`)
      }
      const receive = async (session: Session) => {
        for (let i = 0; i < 3000; i++) expect(textOf(await session.receive())).toBe(`${i}`)
      }
      await Promise.all([send(client), send(server), receive(client), receive(server)])
    })

    test('several senders at once: everything arrives, each sender in order', async () => {
      const { client, server } = await pair()
      const sender = async (name: number) => {
        for (let i = 0; i < 200; i++) await client.send(Uint8Array.of(name, i, ...pattern(600, i)))
      }
      const senders = Promise.all(Array.from({ length: 8 }, (_, name) => sender(name)))
      const seen = new Array<number>(8).fill(0)
      for (let n = 0; n < 1600; n++) {
        const message = (await server.receive())!
        expect(message[1]).toBe(seen[message[0]!]!++)
        expectBytes(message.subarray(2), pattern(600, message[1]))
      }
      await senders
    })

    connectedTest('frames of one tick are handed over in one go', async () => {
      const ends = await open()
      const writes: number[] = []
      const { client } = await pair({
        ends: { ...ends, client: spy(ends.client, { write: (frames) => writes.push(frames.length) }) },
      })
      writes.length = 0
      for (let i = 0; i < 20; i++) void client.send(`${i}`)
      await client.send(pattern(1808))
      await turns(2)
      expect(writes).toEqual([24])
    })

    test('extension frames arrive as events where they are registered', async () => {
      const extensions = [0x42]
      const { client, server } = await pair({ client: { extensions }, server: { extensions } })
      const events: ExtensionEvent[] = []
      server.addEventListener('extension', (event) => events.push(event as ExtensionEvent))
      client.sendExtension(0x42, pattern(452))
      expect(() => client.sendExtension(0x43, pattern(1))).toThrow('not registered')
      await until(() => events.length > 0)
      expect(events[0]).toBeInstanceOf(ExtensionEvent)
      expect(events[0]!.packetType).toBe(0x42)
      expect(events[0]!.data).toEqual(pattern(452))
    })
  })

  describe(`${adapter.name}: back pressure`, () => {
    /** Sends numbered messages until the transport takes no more for a while. */
    async function fill(session: Session): Promise<number> {
      let sent = 0
      for (;;) {
        while (session.trySend(numbered(sent))) sent++
        await turns()
        if (!session.trySend(numbered(sent))) return sent
        sent++
      }
    }
    const numbered = (n: number) => new Uint8Array(new Uint32Array(452).fill(n).buffer)

    connectedTest('a consumer that does not read slows the sender down, and loses nothing', async () => {
      const ends = await open()
      let arrived = 0
      const server = spy(ends.server, { receive: (bytes) => (arrived += bytes.length) })
      const sessions = await pair({ ends: { ...ends, server } })
      const sent = await fill(sessions.client)
      expect(arrived, 'bytes read for a consumer that takes none').toBeLessThan(256 * 1024)
      const waiting = sessions.client.send(numbered(sent))
      expect(await isSettled(waiting)).toBe(false)
      expect(sessions.client.trySend('dropped')).toBe(false)
      for (let i = 0; i <= sent; i++)
        expect(new Uint32Array((await sessions.server.receive())!.slice().buffer)[9]).toBe(i)
      await waiting
      expect(await isSettled(sessions.server.receive())).toBe(false)
    })

    connectedTest('an aborted send is taken back, those around it arrive', async () => {
      const { client, server } = await pair()
      const sent = await fill(client)
      const before = client.send('before')
      const abort = new AbortController()
      const aborted = client.send('never', { signal: abort.signal })
      const after = client.send('after')
      abort.abort(new Error('changed my mind'))
      const error = await failureOf(aborted)
      expect(error.code).toBe('ABORTED')
      expect((error.cause as Error).message).toBe('changed my mind')
      for (let i = 0; i < sent; i++) await server.receive()
      expect(textOf(await server.receive())).toBe('before')
      expect(textOf(await server.receive())).toBe('after')
      await Promise.all([before, after])
    })

    connectedTest('at most 1024 sends wait; a close lets them leave first', async () => {
      const { client, server } = await pair()
      const sent = await fill(client)
      const waiting = Array.from({ length: 1024 }, () => client.send('waits'))
      expect(await codeOf(client.send('one too many'))).toBe('QUEUE_FULL')
      const closing = client.close()
      expect(await collect(server)).toHaveLength(sent + 1024)
      await Promise.all([...waiting, closing])
      expect((await client.closed).code).toBe('CLOSED')
    })

    test('sends that were not awaited arrive before the close', async () => {
      const { client, server } = await pair()
      const reading = collect(server)
      const sends = Array.from({ length: 100 }, (_, i) => client.send(pattern(1200, i)))
      await client.close()
      expect((await reading).map((message) => message.length)).toEqual(new Array(100).fill(1200))
      await Promise.all(sends)
      expect((await client.closed).code).toBe('CLOSED')
    })

    test('empty messages count too', async () => {
      const { client } = await pair()
      let sent = 0
      while (sent < 1_000_000 && client.trySend('')) sent++
      expect(sent).toBeLessThan(1_000_000)
    })

    connectedTest('after the end of a session whose transport was full, sending fails at once', async () => {
      const { client } = await pair()
      await fill(client)
      void client.close()
      expect(await codeOf(client.send('late'))).toBe('CLOSED')
      expect(client.trySend('late')).toBe(false)
    })

    test('a peer that sends and does not read still gets everything', async () => {
      const { client, server } = await pair()
      const received: number[] = []
      const reading = (async () => {
        for await (const message of server) received.push(message.length)
      })()
      for (let i = 0; i < 500; i++) server.trySend(pattern(100))
      for (let i = 0; i < 500; i++) await client.send(pattern(i))
      await client.close()
      await reading
      expect(received).toEqual(Array.from({ length: 500 }, (_, i) => i))
    })
  })

  describe(`${adapter.name}: abort`, () => {
    test('before connecting: nothing is sent', async () => {
      const ends = await open()
      const peer = new ManualPeer(ends.server, undefined)
      const reason = new Error('too late')
      const error = await failureOf(connect(ends.client, { signal: AbortSignal.abort(reason) }))
      expect([error.code, error.cause]).toEqual(['ABORTED', reason])
      await turns()
      expect(peer.received).toEqual([])
    })

    connectedTest('a client that waits for an answer', async () => {
      const ends = await open()
      const peer = new ManualPeer(ends.server, undefined)
      const abort = new AbortController()
      const connecting = connect(ends.client, { signal: abort.signal })
      await until(() => peer.received.length > 0)
      abort.abort()
      expect(await codeOf(connecting)).toBe('ABORTED')
      await until(() => peer.ended)
    })

    connectedTest('a server that waits for HELLO, and one that waits for a key', async () => {
      const idle = await open()
      const abort = new AbortController()
      const waiting = accept(idle.server, { signal: abort.signal })
      const busy = await open()
      let answer: (value: null) => void = () => {}
      let asked = false
      const authorize = () => {
        asked = true
        return new Promise<null>((resolve) => (answer = resolve))
      }
      const resolving = accept(busy.server, { signal: abort.signal, authorize })
      const client = new ManualPeer(busy.client, 'client')
      await until(() => asked)
      abort.abort()
      expect([await codeOf(waiting), await codeOf(resolving)]).toEqual(['ABORTED', 'ABORTED'])
      await until(() => client.ended)
      answer(null)
      await turns()
      expect(client.received).toEqual([])
    })

    test('receive: the next message is not lost', async () => {
      const { client, server } = await pair()
      const abort = new AbortController()
      const receiving = server.receive({ signal: abort.signal })
      abort.abort()
      expect(await codeOf(receiving)).toBe('ABORTED')
      expect(await codeOf(server.receive({ signal: abort.signal }))).toBe('ABORTED')
      await client.send('kept')
      expect(textOf(await server.receive({ signal: new AbortController().signal }))).toBe('kept')
    })

    test('send and ping with a signal that has fired do nothing', async () => {
      const { client, server } = await pair()
      const signal = AbortSignal.abort()
      expect(await codeOf(client.send('never', { signal }))).toBe('ABORTED')
      expect(await codeOf(client.ping({ signal }))).toBe('ABORTED')
      expect(await codeOf(client.rekey({ signal }))).toBe('ABORTED')
      await client.send('first')
      expect(textOf(await server.receive())).toBe('first')
    })

    test('a ping and a rekey that wait for an answer', async () => {
      const { session, peer } = await withManualPeer('client')
      peer.silent = true
      const abort = new AbortController()
      const waiting = [session.ping({ signal: abort.signal }), session.rekey({ signal: abort.signal })]
      await turns()
      abort.abort()
      expect(await Promise.all(waiting.map(codeOf))).toEqual(['ABORTED', 'ABORTED'])
      expect(session.signal.aborted).toBe(false)
    })

    test('a signal that fires after the handshake leaves the session alone', async () => {
      const abort = new AbortController()
      const { client, server } = await pair({ client: { signal: abort.signal }, server: { signal: abort.signal } })
      abort.abort()
      await client.send('alive')
      expect(textOf(await server.receive())).toBe('alive')
    })
  })

  describe(`${adapter.name}: the end`, () => {
    test.each(['client', 'server'] as const)('BYE of the %s comes after everything it sent', async (side) => {
      const sessions = await pair()
      const [leaver, other] =
        side === 'client' ? [sessions.client, sessions.server] : [sessions.server, sessions.client]
      // As many as an inbox holds: on datagrams more would not be acknowledged before somebody reads.
      for (let i = 0; i < 60; i++) await leaver.send(`${i}`)
      const closing = leaver.close()
      expect((await collect(other)).map(textOf)).toEqual(Array.from({ length: 60 }, (_, i) => `${i}`))
      expect(await other.receive()).toBeUndefined()
      await closing
      expect((await leaver.closed).code).toBe('CLOSED')
      expect((await other.closed).code).toBe('CLOSED')
    })

    test('what was received before the own close can still be read', async () => {
      const { client, server } = await pair()
      await client.send('one')
      await client.send('two')
      await client.ping()
      await server.close()
      expect((await collect(server)).map(textOf)).toEqual(['one', 'two'])
    })

    streamTest('a BYE in one chunk with many messages: the close waits for no reader', async () => {
      const { session, peer } = await withManualPeer('server')
      const messages = Array.from({ length: 100 }, (_, i) => `${i}`)
      const frames = peer.frames((connection) => {
        for (const message of messages) connection.send(new TextEncoder().encode(message), performance.now())
        connection.close()
      })
      peer.write(Buffer.concat(frames))
      const started = performance.now()
      await until(() => peer.ended)
      await Promise.all([peer.transport.close(), session.close()])
      expect(performance.now() - started, 'less than the linger time of a close').toBeLessThan(1_500)
      expect((await collect(session)).map(textOf)).toEqual(messages)
    })

    connectedTest('a transport that ends without BYE is TRUNCATED, after the messages before it', async () => {
      const { session, peer } = await withManualPeer('server')
      peer.send(pattern(3), pattern(4))
      const closing = peer.transport.close()
      expect(await session.receive()).toEqual(pattern(3))
      expect(await session.receive()).toEqual(pattern(4))
      expect(await codeOf(session.receive())).toBe('TRUNCATED')
      expect((await session.closed).code).toBe('TRUNCATED')
      expect(session.signal.reason.code).toBe('TRUNCATED')
      await closing
    })

    test('a peer that vanishes is never a good end', async () => {
      const { session, peer } = await withManualPeer('client', { idleTimeout: 1_000 })
      await turns()
      peer.deaf = true
      const waiting = [session.receive(), session.ping(), session.rekey()]
      await turns()
      peer.transport.abort()
      const { code } = await session.closed
      expect(['TRUNCATED', 'TRANSPORT_FAILED', 'IDLE_TIMEOUT']).toContain(code)
      expect(await Promise.all(waiting.map(codeOf))).toEqual([code, code, code])
      expect(await codeOf(session.send('x'))).toBe(code)
    })

    test('after the end everything says why', async () => {
      const { client, server } = await pair({ client: { extensions: [0x20] } })
      await client.close()
      await client.close()
      expect(await codeOf(client.send('x'))).toBe('CLOSED')
      // A timer may call both: the end is no fault of its own.
      expect(client.trySend('x')).toBe(false)
      expect(client.sendExtension(0x20, pattern(1))).toBe(false)
      expect(await codeOf(client.ping())).toBe('CLOSED')
      expect(await codeOf(client.rekey())).toBe('CLOSED')
      expect(await client.receive()).toBeUndefined()
      expect(await server.receive()).toBeUndefined()
    })

    test('signal and closed tell the end to those who wait', async () => {
      const { client, server } = await pair()
      expect(await isSettled(server.closed)).toBe(false)
      expect(server.signal.aborted).toBe(false)
      const heard = new Promise((resolve) => server.signal.addEventListener('abort', resolve))
      await client[Symbol.asyncDispose]()
      await heard
      expect(server.signal.reason.code).toBe('CLOSED')
      expect(await server.closed).toBe(server.signal.reason)
    })

    test('leaving the loop closes the session', async () => {
      const { client, server } = await pair()
      await client.send('enough')
      for await (const message of server) {
        expect(textOf(message)).toBe('enough')
        break
      }
      expect((await client.closed).code).toBe('CLOSED')
    })

    test('both sides closing at once is a good end for both', async () => {
      const { client, server } = await pair()
      await Promise.all([client.close(), server.close()])
      expect([(await client.closed).code, (await server.closed).code]).toEqual(['CLOSED', 'CLOSED'])
    })

    test('a BYE under traffic loses nothing of what went before it', async () => {
      const { client, server } = await pair()
      const noise = (async () => {
        try {
          for (;;) await server.send(pattern(500))
        } catch {
          // The end of the session ends the noise.
        }
      })()
      for (let i = 0; i < 50; i++) await client.send(`${i}`)
      const closing = client.close()
      expect((await collect(server)).length).toBe(50)
      await Promise.all([closing, noise])
    })

    test('one consumer at a time; the second call does not disturb the first', async () => {
      const { client, server } = await pair()
      const first = server.receive()
      const abort = new AbortController()
      const second = codeOf(server.receive({ signal: abort.signal }))
      abort.abort()
      expect(await second).toBe('INVALID_ARGUMENT')
      await client.send('for the first')
      expect(textOf(await first)).toBe('for the first')
    })

    test('an abort that comes too late takes nothing from the next call', async () => {
      const ends = await open()
      let whenReceived = () => {}
      const { client, server } = await pair({
        ends: { ...ends, server: spy(ends.server, { received: () => whenReceived() }) },
      })
      // The acknowledgements of the handshake are no messages: they have arrived before the answer to a PING.
      await server.ping()
      const abort = new AbortController()
      const first = server.receive({ signal: abort.signal })
      let second: Promise<Uint8Array | undefined> | undefined
      whenReceived = () => {
        second ??= server.receive()
        abort.abort()
      }
      await client.send('first')
      expect(textOf(await first)).toBe('first')
      await client.send('second')
      expect(textOf(await second)).toBe('second')
    })
  })

  describe(`${adapter.name}: ping and rekey`, () => {
    test('ping tells a round trip; calls that overlap share it', async () => {
      const { client, server } = await pair()
      const trips = await Promise.all([client.ping(), client.ping(), server.ping()])
      for (const trip of trips) expect(trip).toBeGreaterThanOrEqual(0)
      expect(trips[0]).toBe(trips[1])
    })

    test.each([
      ['client', ['client']],
      ['server', ['server']],
      ['both at once', ['client', 'server']],
      ['one after the other', ['client', 'then', 'server', 'then', 'client']],
    ])('rekey of %s under traffic', async (_, plan) => {
      const sessions = await pair()
      const total = 600
      const send = async (session: Session) => {
        for (let i = 0; i < total; i++) {
          await session.send(pattern(i))
          if (i % 10 === 0) await turns(1)
        }
      }
      const receive = async (session: Session) => {
        for (let i = 0; i < total; i++) expectBytes(await session.receive(), pattern(i))
      }
      const rekey = async () => {
        let running: Promise<void>[] = []
        await turns(3)
        for (const step of [...plan, 'then']) {
          if (step === 'client' || step === 'server') running.push(sessions[step].rekey())
          else await Promise.all(running.splice(0))
        }
        running = []
      }
      const { client, server } = sessions
      await Promise.all([send(client), send(server), receive(client), receive(server), rekey()])
      await Promise.all([client.ping(), server.ping()])
    })

    test('a second rekey of one side is refused while the first is under way', async () => {
      const { client } = await pair()
      const first = client.rekey()
      expect(await codeOf(client.rekey())).toBe('INVALID_ARGUMENT')
      await first
    })

    test('a session that ends fails what waits for an answer', async () => {
      const { session, peer } = await withManualPeer('client')
      await turns()
      peer.deaf = true
      const waiting = [session.ping(), session.rekey()]
      await turns()
      peer.write(...peer.frames((connection) => connection.close()))
      expect(await Promise.all(waiting.map(codeOf))).toEqual(['CLOSED', 'CLOSED'])
    })
  })

  describe(`${adapter.name}: web streams`, () => {
    test('piped through: an echo of readable into writable', async () => {
      const { client, server } = await pair()
      const piped = server.readable.pipeTo(server.writable)
      const writer = client.writable.getWriter()
      const reader = client.readable.getReader()
      for (const size of SIZES) {
        await writer.write(pattern(size))
        expect((await reader.read()).value).toEqual(pattern(size))
      }
      await writer.close()
      await piped
      expect((await server.closed).code).toBe('CLOSED')
      expect(await reader.read()).toEqual({ done: true, value: undefined })
    })

    test('the web streams are the same ones at each access', async () => {
      const { client } = await pair()
      expect(client.readable).toBe(client.readable)
      expect(client.writable).toBe(client.writable)
    })

    test('cancelling readable closes the session, even while it waits', async () => {
      const { client, server } = await pair()
      const reader = server.readable.getReader()
      const waiting = reader.read()
      await reader.cancel()
      expect((await waiting).done).toBe(true)
      expect((await client.closed).code).toBe('CLOSED')
    })

    test('aborting writable closes the session', async () => {
      const { client, server } = await pair()
      await client.writable.abort()
      expect((await server.closed).code).toBe('CLOSED')
    })

    connectedTest('a bad end fails the reader, after the messages before it', async () => {
      const { session, peer } = await withManualPeer('server')
      const reader = session.readable.getReader()
      peer.send(pattern(9))
      expect((await reader.read()).value).toEqual(pattern(9))
      const closing = peer.transport.close()
      expect(await codeOf(reader.read())).toBe('TRUNCATED')
      await closing
    })
  })

  describe(`${adapter.name}: bad peers`, () => {
    const garbage = new TextEncoder().encode('GET / HTTP/1.1\r\nHost: example\r\n\r\n')

    strictTest('garbage before the handshake ends it, at either side', async () => {
      const first = await open()
      const scanner = new ManualPeer(first.client, undefined)
      const accepting = accept(first.server)
      scanner.write(garbage)
      expect(await codeOf(accepting)).toBe('BAD_MAGIC')
      await until(() => scanner.ended)

      const second = await open()
      const webServer = new ManualPeer(second.server, undefined)
      webServer.write(garbage)
      expect(await codeOf(connect(second.client))).toBe('BAD_MAGIC')
    })

    looseTest('garbage costs nothing but a count: before HELLO, in the handshake, in the session', async () => {
      const ends = await open()
      const accepting = accept(ends.server)
      ends.client.write([garbage, Uint8Array.of(0)])
      const [client, server] = await Promise.all([connect(ends.client), accepting])
      ends.client.write([garbage, Uint8Array.of(0)])
      await client.send('through')
      expect(textOf(await server.receive())).toBe('through')
      expect([...server.dropped.values()].reduce((sum, count) => sum + count, 0)).toBe(
        // Each datagram is one, on a line what stands between zeros.
        adapter.kind === 'datagram' ? 4 : 2,
      )
    })

    strictTest('garbage in a session ends it, after the messages before it', async () => {
      const { session, peer } = await withManualPeer('server')
      peer.send(pattern(10))
      peer.write(garbage)
      expect(await session.receive()).toEqual(pattern(10))
      expect(await codeOf(session.receive())).toBe('BAD_MAGIC')
      await until(() => peer.ended)
    })

    strictTest(
      'a frame that was changed on the way: SUITE_MISMATCH if it is the first, else DECRYPT_FAILED',
      async () => {
        for (const [before, code] of [
          [0, 'SUITE_MISMATCH'],
          [1, 'DECRYPT_FAILED'],
        ] as const) {
          const { session, peer } = await withManualPeer('server')
          for (let i = 0; i < before; i++) peer.send(pattern(1))
          const [frame] = peer.frames((connection) => connection.send(pattern(100), performance.now()))
          peer.write(tampered(frame!))
          for (let i = 0; i < before; i++) expect(await session.receive()).toEqual(pattern(1))
          expect(await codeOf(session.receive())).toBe(code)
        }
      },
    )

    strictTest('different suites are told as such (W4)', async () => {
      const { client, server } = await pair({ client: { suite: 2 } })
      await client.send('hello')
      expect(await codeOf(server.receive())).toBe('SUITE_MISMATCH')
      expect(['TRUNCATED', 'TRANSPORT_FAILED']).toContain((await client.closed).code)
    })

    strictTest('wrong key: the server says AUTH_FAILED, the client HANDSHAKE_REFUSED after its proof', async () => {
      const ends = await open()
      const [client, server] = await Promise.all([
        failureOf(connect(ends.client, { psk: OTHER_PSK })),
        failureOf(accept(ends.server)),
      ])
      expect([server.code, client.code, client.awaited]).toEqual([
        'AUTH_FAILED',
        'HANDSHAKE_REFUSED',
        PacketType.SESSION_OK,
      ])
    })

    strictTest('a server that does not know the key is AUTH_FAILED for the client', async () => {
      const ends = await open()
      const impostor = new ManualPeer(ends.server, 'server')
      impostor.alter = (frame) => (decodeFrame(frame).type === PacketType.SESSION_OK ? tampered(frame) : frame)
      expect(await codeOf(connect(ends.client))).toBe('AUTH_FAILED')
    })

    test('a peer that says nothing: the handshake ends by its deadline', async () => {
      const clock = new SimulatedClock()
      const first = await open()
      new ManualPeer(first.client, undefined)
      const accepting = accept(first.server, { clock })
      const second = await open()
      new ManualPeer(second.server, undefined)
      const connecting = connect(second.client, { clock })
      await turns()
      clock.advance(4_999)
      expect(await isSettled(connecting)).toBe(false)
      clock.advance(1)
      const error = await failureOf(connecting)
      expect(error.code).toBe('HANDSHAKE_TIMEOUT')
      expect(error.message).toContain('challenge')
      expect(await isSettled(accepting)).toBe(false)
      clock.advance(5_000)
      expect(clock.pending).toBe(0)
      // Where there are no connections a server waits for HELLO without limit.
      if (strict) expect(await codeOf(accepting)).toBe('HANDSHAKE_TIMEOUT')
      else expect(await isSettled(accepting)).toBe(false)
    })

    connectedTest('a half-open peer: PINGs after 20 s of silence, the end after 60 s', async () => {
      const clock = new SimulatedClock()
      const { session, peer } = await withManualPeer('client', { clock })
      peer.silent = true
      const before = peer.received.length
      clock.advance(19_999)
      await turns()
      expect(peer.received.length).toBe(before)
      clock.advance(1)
      await until(() => peer.received.length > before)
      clock.advance(39_999)
      expect(session.signal.aborted).toBe(false)
      clock.advance(1)
      expect((await session.closed).code).toBe('IDLE_TIMEOUT')
      expect(clock.pending).toBe(0)
    })

    test('a server that hears nothing ends after its idle time, and every message puts it off', async () => {
      const clock = new SimulatedClock()
      const { session, peer } = await withManualPeer('server', { clock, idleTimeout: 1_000 })
      clock.advance(900)
      peer.send(pattern(1))
      await session.receive()
      clock.advance(999)
      expect(session.signal.aborted).toBe(false)
      clock.advance(1)
      expect(await codeOf(session.receive())).toBe('IDLE_TIMEOUT')
    })

    connectedTest('a consumer that does not read for long does not end the session by that', async () => {
      const clock = new SimulatedClock()
      const { session, peer } = await withManualPeer('server', { clock })
      for (let i = 0; i < 70; i++) peer.send(pattern(i))
      await session.receive()
      await turns()
      clock.advance(600_000)
      for (let i = 1; i < 70; i++) expect(await session.receive()).toEqual(pattern(i))
      // What answers the PINGs of the time without reading has arrived.
      await turns()
      expect(session.signal.aborted).toBe(false)
      clock.advance(59_000)
      expect(session.signal.aborted).toBe(false)
      clock.advance(1_000)
      expect((await session.closed).code).toBe('IDLE_TIMEOUT')
    })

    test('keepalive of the client keeps an idle session alive at both ends', async () => {
      const clock = new SimulatedClock()
      const { client, server } = await pair({ client: { clock }, server: { clock } })
      // What is left of the handshake has arrived.
      await server.ping()
      for (let i = 0; i < 60; i++) {
        clock.advance(5_000)
        await turns(4)
        // The PING is under way on a real network: simulated time waits for it, or frames would count as lost.
        for (const end of [client, server]) await until(() => clock.now() - end.lastReceived <= 20_000)
      }
      await client.send('after five minutes')
      expect(textOf(await server.receive())).toBe('after five minutes')
    })
  })
}

/** A transport that tells what goes through it. */
function spy(
  transport: Transport,
  {
    write,
    receive,
    received,
  }: {
    write?: (frames: readonly Uint8Array[]) => void
    receive?: (bytes: Uint8Array) => void
    received?: () => void
  },
): Transport {
  return {
    ...transport,
    open: (sink) =>
      transport.open({
        receive: (bytes) => {
          receive?.(bytes)
          sink.receive(bytes)
          received?.()
        },
        drain: () => sink.drain(),
        end: (cause) => sink.end(cause),
      }),
    write: (frames) => {
      write?.(frames)
      return transport.write(frames)
    },
  }
}

/** The frame with one bit of its ciphertext turned, under a good checksum. */
function tampered(frame: Uint8Array): Uint8Array {
  const { type, seq, payload, version } = decodeFrame(frame)
  const changed = payload.slice()
  changed[20]! ^= 1
  return encodeFrame({ type, seq, payload: changed, version })
}
