import { bytesOf, DEVICE_ID_BYTES as DEVICE_ID, PSK, pseudoRandom, type Side, text } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../src/clock.ts'
import type { TransportKind } from '../src/connection.ts'
import { ReliableDatagram } from '../src/datagram.js'
import { UsmpError } from '../src/errors.ts'
import { type AcceptOptions, type ConnectOptions, Session } from '../src/session.ts'
import type { Transport, TransportSink } from '../src/transport.ts'

/**
 * An event loop as Node and browsers have it: first the timers that are due, then what has arrived, then what was put off
 * to a later turn. It can be held up, by a long computation or because the machine sleeps.
 */
class EventLoop implements Clock {
  #now = 1_000
  #timers: { at: number; callback: () => void }[] = []
  #arrived: (() => void)[] = []
  #later: (() => void)[] = []
  #deferred: (() => void)[] = []

  now(): number {
    return this.#now
  }

  setTimer(callback: () => void, delay: number): unknown {
    const timer = { at: this.#now + delay, callback }
    this.#timers.push(timer)
    return timer
  }

  clearTimer(timer: unknown): void {
    this.#timers = this.#timers.filter((other) => other !== timer)
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback)
  }

  yieldToEventLoop(callback: () => void): void {
    this.#later.push(callback)
  }

  /** Bytes come in from outside. */
  arrive(callback: () => void): void {
    this.#arrived.push(callback)
  }

  /** Nothing runs for so long. What is under way comes in meanwhile, and waits. */
  async holdUp(ms: number): Promise<void> {
    await this.settle()
    this.#now += ms
    await this.run()
  }

  /** Lets `ms` pass without a stall. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.run()
    for (;;) {
      const next = Math.min(...this.#timers.map(({ at }) => at))
      if (next > end) break
      this.#now = Math.max(this.#now, next)
      await this.run()
    }
    this.#now = end
  }

  /** Turns of the loop, so many or until there is nothing to do. */
  async run(turns = Number.POSITIVE_INFINITY): Promise<void> {
    for (let busy = true; busy && turns > 0; turns--) {
      busy = false
      const due = this.#timers.filter(({ at }) => at <= this.#now)
      for (const timer of due.sort((a, b) => a.at - b.at)) {
        this.clearTimer(timer)
        timer.callback()
        busy = true
        await this.settle()
      }
      for (const phase of [this.#arrived.splice(0), this.#later.splice(0)]) {
        for (const callback of phase) callback()
        busy ||= phase.length > 0
        await this.settle()
      }
    }
  }

  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 12; quiet++) {
      await undefined
      const deferred = this.#deferred.splice(0)
      for (const callback of deferred) callback()
      if (deferred.length > 0) quiet = 0
    }
  }
}

/** One end of a wire on an event loop. A wire that is cut carries nothing, and says nothing. */
class LoopTransport implements Transport {
  readonly kind: TransportKind
  readonly address = 'loop'
  readonly #loop: EventLoop
  #sink: TransportSink | undefined
  peer: LoopTransport | undefined
  cut = false

  constructor(kind: TransportKind, loop: EventLoop) {
    this.kind = kind
    this.#loop = loop
  }

  open(sink: TransportSink): void {
    this.#sink = sink
  }

  write(frames: readonly Uint8Array[]): boolean {
    if (this.cut) return true
    for (const frame of frames) this.#loop.arrive(() => this.peer?.hear(frame.slice()))
    return true
  }

  hear(bytes: Uint8Array): void {
    this.#sink?.receive(bytes)
  }

  pause(): void {}
  resume(): void {}
  async close(): Promise<void> {}
  abort(): void {}
}

async function sessions(
  kind: TransportKind,
  options: { client?: Partial<ConnectOptions>; server?: Partial<AcceptOptions> } = {},
) {
  const loop = new EventLoop()
  const wire = { client: new LoopTransport(kind, loop), server: new LoopTransport(kind, loop) }
  wire.client.peer = wire.server
  wire.server.peer = wire.client
  const common = { clock: loop, reliableDatagram: ReliableDatagram }
  const promises = {
    server: Session.accept(wire.server, {
      ...common,
      random: pseudoRandom(1),
      authorize: () => ({ psk: PSK }),
      ...options.server,
    }),
    client: Session.connect(wire.client, {
      ...common,
      random: pseudoRandom(2),
      deviceId: DEVICE_ID,
      psk: PSK,
      ...options.client,
    }),
  }
  return { loop, wire, promises }
}

async function connected(...args: Parameters<typeof sessions>) {
  const { loop, wire, promises } = await sessions(...args)
  await loop.run()
  return { loop, wire, client: await promises.client, server: await promises.server }
}

/** Everything that waits for the application. */
async function received(session: Session, loop: EventLoop): Promise<string[]> {
  const messages: string[] = []
  for (;;) {
    const stop = new AbortController()
    const next = session.receive({ signal: stop.signal })
    await loop.settle()
    stop.abort()
    const message = await next.catch((error: unknown) => {
      if (error instanceof UsmpError && error.code === 'ABORTED') return undefined
      throw error
    })
    if (!message) return messages
    messages.push(new TextDecoder().decode(message))
  }
}

const KINDS = ['stream', 'message', 'datagram'] as const
const twenty = Array.from({ length: 20 }, (_, i) => `reading ${i}`)

describe.each(KINDS)('a program that is held up for longer than the idle limit, %s', (kind) => {
  test('reads the 20 messages that wait before it judges the silence, and its session lives', async () => {
    const { loop, client, server } = await connected(kind, { client: { keepalive: 0, idleTimeout: 0 } })
    for (const reading of twenty) void client.send(reading)
    await loop.holdUp(61_000)
    expect(await received(server, loop)).toEqual(twenty)
    expect(server.signal.aborted).toBe(false)
    await loop.pass(1_000)
    expect(server.signal.aborted).toBe(false)
  })

  test('a stall that ends just before the limit does not hide what waits either', async () => {
    const { loop, client, server } = await connected(kind, { client: { keepalive: 0, idleTimeout: 0 } })
    await client.send('the last')
    await loop.holdUp(60_000)
    expect(await received(server, loop)).toEqual(['the last'])
    expect(server.signal.aborted).toBe(false)
  })

  test('still ends when nothing waits', async () => {
    const { loop, server } = await connected(kind, { client: { keepalive: 0, idleTimeout: 0 } })
    await loop.holdUp(61_000)
    await loop.pass(200)
    expect((await server.closed).code).toBe('IDLE_TIMEOUT')
  })

  test('an application that pings right behind the stall does not end its session before the bytes are read', async () => {
    const { loop, client, server } = await connected(kind, {
      client: { keepalive: 0, idleTimeout: 0 },
      server: { keepalive: 0 },
    })
    await client.send('waits')
    await loop.settle()
    // The application's own timer fires first.
    loop.setTimer(() => void server.ping().catch(() => {}), 60_500)
    await loop.holdUp(61_000)
    expect(await received(server, loop)).toEqual(['waits'])
    expect(server.signal.aborted).toBe(false)
  })
})

describe('a program that is held up during the handshake', () => {
  test.each(KINDS)('takes the answer that waits before it judges the step, %s', async (kind) => {
    const { loop, promises } = await sessions(kind)
    // The server has answered, and the client does not look for longer than its step.
    await loop.run(1)
    await loop.holdUp(5_500)
    await loop.run()
    expect((await promises.client).deviceId).toBe((await promises.server).deviceId)
  })

  test.each(KINDS)('a server takes the proof that waits before it judges its deadline, %s', async (kind) => {
    const { loop, promises } = await sessions(kind, { client: { handshakeTimeout: 60_000 } })
    // HELLO, CHALLENGE, and the proof is under way.
    await loop.run(2)
    await loop.holdUp(10_500)
    await loop.run()
    expect((await promises.server).deviceId).toBe('aa:bb:cc:dd:ee:ff')
    await promises.client
  })
})

test('a datagram whose acknowledgement waits is not given up after a stall', async () => {
  const { loop, client, server } = await connected('datagram')
  await client.send('acknowledged in time')
  await loop.holdUp(40_000)
  await loop.pass(1_000)
  expect(client.signal.aborted).toBe(false)
  expect(await received(server, loop)).toEqual(['acknowledged in time'])
})

test('a transport that takes nothing ends the session only when the peer is silent too', async () => {
  for (const alive of [true, false]) {
    const { loop, wire, client, server } = await connected('stream', { server: { keepalive: 20_000 } })
    const full: Record<Side, boolean> = { client: true, server: false }
    const write = wire.client.write.bind(wire.client)
    wire.client.write = (frames) => write(frames) && !full.client
    await client.send(bytesOf(100))
    await loop.settle()
    if (!alive) wire.server.cut = true
    void client.send(text('waits')).catch(() => {})
    await loop.pass(100_000)
    expect(client.signal.aborted).toBe(!alive)
    // But not without end.
    await loop.pass(600_000)
    expect(client.signal.aborted).toBe(true)
    expect((await client.closed).code).toBe('IDLE_TIMEOUT')
    void server
  }
})
