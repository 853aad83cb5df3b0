// What the end of a session promises, whatever the peer, the network and the transport do.

import { bytesOf, DEVICE_ID_BYTES as DEVICE_ID, PSK, pseudoRandom, text } from '@usmp/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../src/clock.ts'
import { ReliableDatagram } from '../src/datagram.ts'
import { UsmpError } from '../src/errors.ts'
import { SerialMultiplexer } from '../src/serial-multiplexer.ts'
import { type ConnectOptions, Session } from '../src/session.ts'
import type { Transport, TransportSink } from '../src/transport.ts'

const asText = (message: Uint8Array | undefined) => message && new TextDecoder().decode(message)
const nextTurn = () => new Promise<void>((resolve) => systemClock.yieldToEventLoop(resolve))

/** One end of a wire in memory. Bytes that nobody reads yet wait; `full` says that no more are wanted. */
class MemoryTransport implements Transport {
  readonly kind: Transport['kind']
  readonly address = 'memory'
  other!: MemoryTransport
  sink: TransportSink | undefined
  /** While it is set nothing arrives here, and the other end is told that it is full. */
  held = false
  #waiting: Uint8Array[] = []
  calls: string[] = []

  constructor(kind: Transport['kind']) {
    this.kind = kind
  }

  open(sink: TransportSink): void {
    this.sink = sink
  }

  write(frames: readonly Uint8Array[]): boolean {
    this.other.#waiting.push(...frames.map((frame) => new Uint8Array(frame)))
    queueMicrotask(() => this.other.deliver())
    return !this.other.held
  }

  deliver(): void {
    while (this.sink && !this.held && this.#waiting.length > 0) this.sink.receive(this.#waiting.shift()!)
  }

  /** Lets what was held arrive. */
  release(): void {
    this.held = false
    this.deliver()
    this.other.sink?.drain()
  }

  pause(): void {
    this.calls.push('pause')
  }

  resume(): void {
    this.calls.push('resume')
  }

  async close(): Promise<void> {
    this.calls.push('close')
  }

  abort(): void {
    this.calls.push('abort')
  }
}

interface World {
  readonly client: Session
  readonly server: Session
  readonly transports: { readonly client: MemoryTransport; readonly server: MemoryTransport }
}

const common = { reliableDatagram: ReliableDatagram, extensions: [0x42], keepalive: 0 }
const clientOptions: ConnectOptions = { ...common, random: pseudoRandom(1), deviceId: DEVICE_ID, psk: PSK }

async function connected(kind: Transport['kind'] = 'stream', options: Partial<ConnectOptions> = {}): Promise<World> {
  const transports = { client: new MemoryTransport(kind), server: new MemoryTransport(kind) }
  transports.client.other = transports.server
  transports.server.other = transports.client
  const [client, server] = await Promise.all([
    Session.connect(transports.client, { ...clientOptions, ...options }),
    Session.accept(transports.server, { ...common, random: pseudoRandom(2), authorize: () => ({ psk: PSK }) }),
  ])
  onTestFinished(async () => {
    for (const transport of [transports.client, transports.server]) transport.release()
    await Promise.all([client.close(new UsmpError('SHUTDOWN')), server.close(new UsmpError('SHUTDOWN'))])
  })
  return { client, server, transports }
}

/** Everything that ends this process if nobody looks. */
function watchProcess(): () => unknown[] {
  const seen: unknown[] = []
  const note = (error: unknown) => seen.push(error)
  process.on('unhandledRejection', note).on('uncaughtException', note)
  onTestFinished(() => void process.off('unhandledRejection', note).off('uncaughtException', note))
  return () => seen
}

async function readAll(session: Session): Promise<string[]> {
  const all: string[] = []
  for (let message = await session.receive(); message; message = await session.receive()) all.push(asText(message)!)
  return all
}

describe('close', () => {
  test.each(['stream', 'message', 'serial', 'datagram'] as const)(
    'sends that were not awaited arrive, %s',
    async (kind) => {
      const { client, server } = await connected(kind)
      const reading = readAll(server)
      const sent = Array.from({ length: 100 }, (_, i) => client.send(`${i} ${'x'.repeat(1500)}`))
      const closing = client.close()
      expect((await reading).map((message) => message.split(' ')[0])).toEqual(sent.map((_, i) => `${i}`))
      await Promise.all(sent)
      await closing
      expect([(await client.closed).code, (await server.closed).code]).toEqual(['CLOSED', 'CLOSED'])
    },
  )

  test('sends that wait as the transport is full leave first', async () => {
    const { client, server, transports } = await connected()
    transports.server.held = true
    await client.send('first')
    await nextTurn()
    const waiting = [client.send('second'), client.send('third')]
    const closing = client.close()
    await expect(client.send('too late')).rejects.toMatchObject({ code: 'CLOSED' })
    expect(client.trySend('too late')).toBe(false)
    transports.server.release()
    await Promise.all([...waiting, closing])
    expect(await readAll(server)).toEqual(['first', 'second', 'third'])
    expect((await client.closed).code).toBe('CLOSED')
  })

  test('a wait that its caller calls off does not hold up the close', async () => {
    const { client, server, transports } = await connected()
    transports.server.held = true
    await client.send('first')
    await nextTurn()
    const abort = new AbortController()
    const waiting = client.send('second', { signal: abort.signal })
    const closing = client.close()
    abort.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    await closing
    expect((await client.closed).code).toBe('CLOSED')
    transports.server.release()
    expect(await readAll(server)).toEqual(['first'])
  })

  test('both sides close with messages waiting for each other, and neither reads', async () => {
    const { client, server } = await connected()
    const sent = [client, server].flatMap((session) =>
      Array.from({ length: 300 }, (_, i) => session.send(`${i} ${'x'.repeat(1500)}`)),
    )
    await nextTurn()
    await Promise.all([client.close(), server.close()])
    expect(await Promise.allSettled(sent)).toHaveLength(600)
    expect([(await client.closed).code, (await server.closed).code]).toEqual(['CLOSED', 'CLOSED'])
  })
})

describe('close has one end in all', () => {
  test.each([
    [undefined, 5_000, 'TRANSPORT_FAILED'],
    ['REPLACED', 1_000, 'REPLACED'],
  ] as const)('a peer that takes nothing: closed as %s it is over after %i ms, as %s', async (code, limit, told) => {
    const clock = new WatchedClock()
    const { client, transports } = await connected('stream', { clock })
    transports.server.held = true
    await client.send('first')
    await nextTurn()
    const waiting = client.send('second')
    const closing = client.close(code && new UsmpError(code))
    expect(clock.next).toBe(limit)
    clock.pass(limit)
    await expect(waiting).rejects.toMatchObject({ code: told })
    await closing
    expect(transports.client.calls).toContain('abort')
  })

  test('a transport whose close never resolves is cut off', async () => {
    const clock = new WatchedClock()
    const { client, transports } = await connected('stream', { clock })
    transports.client.close = () => new Promise(() => {})
    const closing = client.close()
    expect((await client.closed).code).toBe('CLOSED')
    clock.pass(5_000)
    await closing
    expect(transports.client.calls).toEqual(['abort'])
  })

  test('a server that stops does not wait as long as a close that was under way before', async () => {
    const clock = new WatchedClock()
    const { client, transports } = await connected('stream', { clock })
    transports.server.held = true
    await client.send('first')
    await nextTurn()
    const waiting = client.send('second')
    const closing = client.close()
    const stopping = client.close(new UsmpError('SHUTDOWN'))
    clock.pass(1_000)
    await expect(waiting).rejects.toMatchObject({ code: 'TRANSPORT_FAILED' })
    await Promise.all([closing, stopping])
  })
})

/** The time of the platform, except that a test may let some pass at once. */
class WatchedClock {
  readonly #timers = new Map<object, { at: number; callback: () => void }>()
  #now = 1_000

  now(): number {
    return this.#now
  }

  setTimer(callback: () => void, delay: number): unknown {
    const timer = {}
    this.#timers.set(timer, { at: this.#now + delay, callback })
    return timer
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as object)
  }

  defer(callback: () => void): void {
    queueMicrotask(callback)
  }

  yieldToEventLoop(callback: () => void): void {
    systemClock.yieldToEventLoop(callback)
  }

  /** ms until the earliest timer. */
  get next(): number {
    return Math.min(...[...this.#timers.values()].map(({ at }) => at - this.#now))
  }

  pass(ms: number): void {
    this.#now += ms
    for (const [timer, { at, callback }] of [...this.#timers]) {
      if (at <= this.#now && this.#timers.delete(timer)) callback()
    }
  }
}

describe('one device with a good key cannot end the process', () => {
  test('closing a session whose queue is full of extension frames that nobody acknowledges', async () => {
    const seen = watchProcess()
    const { client, server, transports } = await connected('datagram')
    transports.client.held = true
    let taken = 0
    while (server.sendExtension(0x42, bytesOf(10))) taken++
    expect(taken).toBeGreaterThanOrEqual(64)
    // What servers do with the older session of a device.
    void server.close(new UsmpError('REPLACED'))
    void server.readable.cancel()
    await server.close()
    await client.close(new UsmpError('SHUTDOWN'))
    await nextTurn()
    expect((await server.closed).code).toBe('REPLACED')
    expect(seen()).toEqual([])
  })

  test.each([
    ['write', 'throws'],
    ['write', 'rejects'],
    ['pause', 'throws'],
    ['pause', 'rejects'],
    ['resume', 'throws'],
    ['resume', 'rejects'],
  ] as const)('a transport whose %s %s ends its session as TRANSPORT_FAILED, and nothing else', async (name, how) => {
    const seen = watchProcess()
    const { client, server, transports } = await connected()
    const fault = new Error('the cable broke')
    transports.client[name] = (() => {
      if (how === 'throws') throw fault
      return Promise.reject(fault)
    }) as never
    // Until it is paused, and read again.
    for (let i = 0; i < 100; i++) await server.send('x'.repeat(1000))
    await nextTurn()
    const sending = client.send('answer').catch((error: UsmpError) => error)
    const reading = readAll(client).catch((error: UsmpError) => error)
    expect(await client.closed).toMatchObject({ code: 'TRANSPORT_FAILED', cause: fault })
    await Promise.all([sending, reading, client.close()])
    expect(transports.client.calls).toContain('abort')
    await nextTurn()
    expect(seen()).toEqual([])
  })

  test.each(['throws', 'rejects'] as const)('a transport whose close and abort fail, which %s', async (how) => {
    const seen = watchProcess()
    for (const reason of ['CLOSED', 'IDLE_TIMEOUT'] as const) {
      const { client, transports } = await connected()
      const fail = () => {
        if (how === 'throws') throw new Error('no')
        return Promise.reject(new Error('no'))
      }
      transports.client.close = fail
      transports.client.abort = fail as never
      await client.close(new UsmpError(reason))
      expect((await client.closed).code).toBe(reason)
    }
    await nextTurn()
    expect(seen()).toEqual([])
  })

  test.each(['throws', 'rejects'] as const)('a transport whose open fails, which %s', async (how) => {
    const seen = watchProcess()
    const fault = new Error('no such port')
    const transport = new MemoryTransport('stream')
    transport.other = new MemoryTransport('stream')
    transport.open = (() => {
      if (how === 'throws') throw fault
      return Promise.reject(fault)
    }) as never
    await expect(Session.connect(transport, clientOptions)).rejects.toMatchObject({
      code: 'TRANSPORT_FAILED',
      cause: fault,
    })
    expect(transport.calls).toEqual(['abort'])
    transport.abort = () => {
      throw fault
    }
    await expect(Session.connect(transport, { ...clientOptions, psk: bytesOf(3) })).rejects.toMatchObject({
      code: 'WEAK_PSK',
    })
    await nextTurn()
    expect(seen()).toEqual([])
  })
})

test('a serial line that fails while it is closed is over for all who share it', async () => {
  const line = new MemoryTransport('serial')
  const fault = new Error('unplugged')
  line.close = () => Promise.reject(fault)
  const shared = new SerialMultiplexer(line)
  let cause: unknown
  shared.join().open({ receive() {}, drain() {}, end: (error) => (cause = error) })
  await shared.close()
  expect([shared.open, cause]).toEqual([false, fault])
})

describe('sending', () => {
  test('a timer may call trySend and sendExtension after the end: they say false', async () => {
    const { client } = await connected()
    await client.close()
    expect(client.trySend('late')).toBe(false)
    expect(client.sendExtension(0x42, bytesOf(1))).toBe(false)
    expect(() => client.trySend('x'.repeat(2000))).toThrow('1808')
  })

  test('a buffer that is filled again before `send` resolves arrives as it was', async () => {
    const { client, server, transports } = await connected()
    transports.server.held = true
    await client.send('first')
    await nextTurn()
    const buffer = text('as it was')
    const sending = client.send(buffer)
    buffer.fill(0)
    transports.server.release()
    await sending
    await server.receive()
    expect(asText(await server.receive())).toBe('as it was')
  })
})

test('twenty sessions may wait for one signal: it has one listener, and none when nobody waits', async () => {
  const abort = new AbortController()
  const { signal } = abort
  let listeners = 0
  let most = 0
  const add = signal.addEventListener.bind(signal)
  const removeListener = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    most = Math.max(most, ++listeners)
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeListener>) => {
    listeners--
    removeListener(...args)
  }
  const worlds = await Promise.all(Array.from({ length: 20 }, () => connected('message', { signal })))
  expect([most, listeners]).toEqual([1, 0])
  const receiving = worlds.map(({ client }) => client.receive({ signal }))
  await worlds[0]!.server.send('for the first')
  expect(asText(await receiving[0])).toBe('for the first')
  expect([most, listeners]).toEqual([1, 1])
  abort.abort()
  const results = await Promise.allSettled(receiving)
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(19)
})
