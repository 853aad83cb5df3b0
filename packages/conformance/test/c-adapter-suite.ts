import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { cobsDecode, PacketType, Session, type Transport, type TransportKind } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { connect, listen, nodeClock, nodeProvider, nodeRandom, type Server } from '@usmp/node'
import { CPeer } from '@usmp/testing/c-programs'
import { afterEach, describe, expect, test } from 'vitest'

/** How a C program and ours are connected. The far end is the C program's. */
export interface Place {
  /** What a C server is told to listen at. */
  readonly listenAt: string
  /** Where our clients find it, once it has said `listening PORT`. */
  url(port: string): string
  /** The bare transport to the same place. */
  dial(port: string): Promise<Transport>
  /** How our server listens, and where a C client finds it. */
  readonly serveAt: Parameters<typeof listen>[0]
  /** When our server is open: what comes to a serial port before is lost. */
  readonly listening: Promise<void>
  addressOf(server: Server): string
  /** A bare transport for the next C client, and where that finds it. */
  await(): Promise<{ address: string; arrival: Promise<Transport> }>
  /** What C and we hold of it ends with the test. */
  close(): Promise<void>
}

/** A way to reach a C program. */
export interface Way {
  readonly name: string
  readonly kind: TransportKind
  open(): Promise<Place>
}

const deviceId = 'aa:bb:cc:dd:ee:ff'
const deviceIdBytes = Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff)
const psk = new Uint8Array(randomBytes(32))
const sizes = [0, 1, 451, 452, 453, 904, 1356, 1808]
const garbage = new TextEncoder().encode('GET / HTTP/1.1\r\nHost: example\r\n\r\n')
const common = { random: nodeRandom, provider: nodeProvider, clock: nodeClock, reliableDatagram: ReliableDatagram }

/** What every transport has to do between a session of ours and the C host program. */
export function describeAgainstC({ name, kind, open }: Way): void {
  /** On a noisy or lossy transport anybody can put bytes in; there they cost nothing. */
  const strict = kind === 'stream'
  const running: { stop(): Promise<unknown> }[] = []

  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
  })

  async function openPlace(): Promise<Place> {
    const place = await open()
    running.push({ stop: () => place.close() })
    return place
  }

  function startC(...args: string[]): CPeer {
    const peer = new CPeer('psa', psk, args)
    running.push(peer)
    return peer
  }

  function keep(session: Session): Session {
    running.push({ stop: () => session.close() })
    return session
  }

  async function startCServer(place: Place, ...args: string[]): Promise<{ peer: CPeer; port: string }> {
    const peer = startC('--listen', place.listenAt, ...args)
    return { peer, port: await peer.says('listening') }
  }

  /** A C server that sends back what it gets, and how to come to it. */
  async function cServer(place?: Place): Promise<{
    peer: CPeer
    place: Place
    join: (options?: Partial<Parameters<typeof connect>[1]>) => Promise<Session>
    dial: () => Promise<Transport>
  }> {
    const at = place ?? (await openPlace())
    const { peer, port } = await startCServer(at, '--echo')
    return {
      peer,
      place: at,
      join: async (options) => keep(await connect(at.url(port), { deviceId, psk, ...options })),
      dial: async () => {
        const transport = await at.dial(port)
        running.push({ stop: async () => transport.abort() })
        return transport
      },
    }
  }

  /** Our server, and a C client at it. */
  async function cClient(
    options: Partial<Parameters<typeof listen>[0]> = {},
    ...args: string[]
  ): Promise<{ peer: CPeer; server: Server; session: Promise<Session>; again: () => CPeer }> {
    const place = await openPlace()
    const server = await listen({ ...place.serveAt, psk: { [deviceId]: psk }, ...options })
    running.push({ stop: () => server.close() })
    await place.listening
    const session = nextSession(server)
    const start = () => startC('--connect', place.addressOf(server), '--device-id', deviceId, ...args)
    return { peer: start(), server, session, again: start }
  }

  async function nextSession(server: Server): Promise<Session> {
    for await (const session of server) return session
    throw new Error('the server was closed')
  }

  const message = (size: number, seed = 0) => Uint8Array.from({ length: size }, (_, i) => (i * 11 + size + seed) & 0xff)

  async function roundTrip(session: Session, size = 100): Promise<void> {
    await session.send(message(size))
    expect(await session.receive()).toEqual(message(size))
  }

  describe(`${name}, a C server`, () => {
    test.each([
      [1, 'aes'],
      [2, 'chacha'],
    ] as const)('connect, echo of all sizes, ping, rekey, BYE; suite %i', async (suite, option) => {
      const place = await openPlace()
      const { peer, port } = await startCServer(place, '--echo', '--suite', option)
      const session = keep(await connect(place.url(port), { deviceId, psk, suite }))
      expect(await peer.says('connected')).toBe(`${deviceId.replaceAll(':', '')} ${session.sessionId}`)
      for (const size of sizes) await roundTrip(session, size)
      expect(await session.ping()).toBeGreaterThan(0)
      await session.rekey()
      for (const size of sizes) await roundTrip(session, size)
      await session.close()
      expect(await peer.says('closed')).toBe('CLOSED')
    })

    test('back pressure: a program that is held up slows the sender down, and loses nothing', async () => {
      const { peer, join } = await cServer()
      const session = await join()
      await roundTrip(session)
      peer.signal('SIGSTOP')
      const waiting = new Set<Promise<void>>()
      let sent = 0
      // Until one waits: then the line is full. The number does not fit into what systems buffer.
      while (waiting.size === 0 && sent < 20_000) {
        const sending = session.send(message(1808, sent++)).then(() => void waiting.delete(sending))
        waiting.add(sending)
        await setTimeout(0)
      }
      expect(waiting.size).toBe(1)
      peer.signal('SIGCONT')
      const got: Uint8Array[] = []
      while (got.length < sent) got.push((await session.receive())!)
      const expected = Array.from({ length: sent }, (_, i) => message(1808, i))
      // C hands datagrams on as they arrive.
      if (kind === 'datagram') for (const list of [got, expected]) list.sort(Buffer.compare)
      expect(Buffer.compare(Buffer.concat(got), Buffer.concat(expected))).toBe(0)
      await Promise.all(waiting)
    })

    test('aborted while it waits for the challenge', async () => {
      const { peer, join } = await cServer()
      peer.signal('SIGSTOP')
      const abort = new AbortController()
      const attempt = join({ signal: abort.signal })
      void setTimeout(100).then(() => abort.abort())
      await expect(attempt).rejects.toMatchObject({ code: 'ABORTED' })
      peer.signal('SIGCONT')
      await roundTrip(await join({ handshakeTimeout: 20_000 }))
    })

    test('gone between the challenge and the proof', async () => {
      const { join, dial } = await cServer()
      const transport = await dial()
      const abort = new AbortController()
      const silent = withoutProof(transport, () => abort.abort())
      const attempt = Session.connect(silent, { ...common, deviceId: deviceIdBytes, psk, signal: abort.signal })
      await expect(attempt).rejects.toMatchObject({ code: 'ABORTED' })
      // The program serves one peer at a time, and learns of the end of a datagram peer by its own deadline of 10 s.
      await roundTrip(await join({ handshakeTimeout: 20_000 }))
    })

    test('gone within the session, without BYE', async () => {
      const { peer, join, dial, place } = await cServer()
      const transport = await dial()
      const session = await Session.connect(transport, { ...common, deviceId: deviceIdBytes, psk })
      await roundTrip(session)
      transport.abort()
      if (kind === 'stream') expect(await peer.says('closed')).toBe('TRUNCATED')
      // Nobody tells of the end of a datagram peer: the program would wait for its idle limit of 60 s.
      if (kind === 'datagram') await peer.stop()
      await roundTrip(kind === 'datagram' ? await (await cServer(place)).join() : await join())
      if (kind === 'serial') expect(await peer.says('closed')).toBe('REPLACED')
    })

    test('the program vanishes: never a good end; a new one is found', async () => {
      const { peer, join, place } = await cServer()
      const session = await join({ keepalive: 300, idleTimeout: 1_000 })
      await roundTrip(session)
      peer.signal('SIGKILL')
      const expected = strict ? ['TRUNCATED', 'TRANSPORT_FAILED'] : ['IDLE_TIMEOUT']
      expect(expected).toContain((await session.closed).code)
      await peer.stop()
      await roundTrip(await (await cServer(place)).join())
    })

    test('half open: a program that is there and says nothing ends by the idle limit', async () => {
      const { peer, join } = await cServer()
      const session = await join({ keepalive: 300, idleTimeout: 1_000 })
      await roundTrip(session)
      peer.signal('SIGSTOP')
      expect((await session.closed).code).toBe('IDLE_TIMEOUT')
    })

    test('garbage before the handshake', async () => {
      const { peer, join, dial } = await cServer()
      const transport = await dial()
      transport.open({ receive() {}, drain() {}, end() {} })
      transport.write([garbage])
      if (strict) expect(await peer.says('failed')).toBe('BAD_MAGIC')
      else transport.abort()
      await roundTrip(await join())
    })

    test('garbage in the session', async () => {
      const { peer, dial } = await cServer()
      const transport = await dial()
      const session = keep(await Session.connect(transport, { ...common, deviceId: deviceIdBytes, psk }))
      await roundTrip(session)
      transport.write([garbage])
      if (strict) {
        expect(await peer.says('closed')).toBe('BAD_MAGIC')
        expect(['TRUNCATED', 'TRANSPORT_FAILED']).toContain((await session.closed).code)
      } else {
        if (kind === 'serial') transport.write([Uint8Array.of(0)])
        await roundTrip(session)
      }
    })

    test('one session after the other', async () => {
      const { peer, join } = await cServer()
      for (let round = 0; round < 3; round++) {
        const session = await join()
        await roundTrip(session)
        await session.close()
        expect(await peer.says('closed')).toBe('CLOSED')
      }
    })

    test('a client with a wrong key is not let in', async () => {
      const { peer, join } = await cServer()
      const attempt = join({ psk: new Uint8Array(randomBytes(32)), handshakeTimeout: 1_000 })
      await expect(attempt).rejects.toMatchObject({ code: strict ? 'HANDSHAKE_REFUSED' : 'HANDSHAKE_TIMEOUT' })
      expect(await peer.says('failed')).toBe('AUTH_FAILED')
      await roundTrip(await join())
    })
  })

  describe(`${name}, a C client`, () => {
    test.each(sizes)('connect, exchange of %i bytes, ping, rekey, BYE', async (size) => {
      const options = ['--exchange', '6', '--sizes', String(size), '--ping', '--rekey-every', '3']
      const { peer, session } = await cClient({}, ...options)
      const ended = echo(await session)
      expect(await peer.says('exchanged')).toBe('6')
      expect(await peer.exitCode()).toBe(0)
      expect(await ended).toBe('CLOSED')
    })

    test('back pressure: a server that does not read for a while loses nothing', async () => {
      const { peer, session } = await cClient()
      const total = 300
      const lines = Array.from({ length: total }, (_, n) => `${n} `.padEnd(1000, '.'))
      for (const line of lines) peer.write(line)
      const server = await session
      await setTimeout(500)
      for (const line of lines) expect(new TextDecoder().decode(await server.receive())).toBe(line)
    })

    test('the server stops while the handshake waits for a key', async () => {
      let whenAsked = () => {}
      const asked = new Promise<void>((resolve) => (whenAsked = resolve))
      const psk = () => {
        whenAsked()
        return new Promise<never>(() => {})
      }
      const { peer, server, session } = await cClient({ psk })
      session.catch(() => {})
      await asked
      await server.close()
      // Datagrams and lines carry no end; there it is the deadline of the step, 5 s.
      expect(await peer.says('failed')).toBe(strict ? 'HANDSHAKE_REFUSED' : 'HANDSHAKE_TIMEOUT')
      expect(await peer.exitCode()).toBe(1)
    })

    test('the server closes: BYE', async () => {
      const { peer, session, server } = await cClient()
      await session
      await server.close()
      expect(await peer.says('closed')).toBe('CLOSED')
      expect(await peer.exitCode()).toBe(0)
    })

    test('the client vanishes: never a good end; it comes back', async () => {
      const { peer, session, server, again } = await cClient({ idleTimeout: 1_000 })
      const first = await session
      peer.signal('SIGKILL')
      const expected = strict ? ['TRUNCATED', 'TRANSPORT_FAILED'] : ['IDLE_TIMEOUT']
      expect(expected).toContain((await first.closed).code)
      const second = nextSession(server)
      again()
      expect((await second).deviceId).toBe(deviceId)
    })

    test('half open: a client that is there and says nothing ends by the idle limit', async () => {
      const { peer, session } = await cClient({ idleTimeout: 1_000 })
      const first = await session
      peer.signal('SIGSTOP')
      expect((await first.closed).code).toBe('IDLE_TIMEOUT')
    })

    test('garbage before the challenge', async () => {
      const place = await openPlace()
      const { address, arrival } = await place.await()
      const peer = startC('--connect', address, '--device-id', deviceId)
      const transport = await arrival
      running.push({ stop: async () => transport.abort() })
      if (strict) {
        transport.write([garbage])
        expect(await peer.says('failed')).toBe('BAD_MAGIC')
        return
      }
      const accepting = Session.accept(transport, { ...common, authorize: () => ({ psk }) })
      transport.write([garbage, Uint8Array.of(0)])
      await talk(keep(await accepting), peer)
    })

    test('garbage in the session', async () => {
      const place = await openPlace()
      const { address, arrival } = await place.await()
      const peer = startC('--connect', address, '--device-id', deviceId)
      const transport = await arrival
      const session = keep(await Session.accept(transport, { ...common, authorize: () => ({ psk }) }))
      await talk(session, peer)
      transport.write([garbage, Uint8Array.of(0)])
      if (strict) expect(await peer.says('closed')).toBe('BAD_MAGIC')
      else await talk(session, peer)
    })

    test('one session after the other', async () => {
      const { peer, session, server, again } = await cClient({}, '--exchange', '3')
      const first = echo(await session)
      expect(await peer.exitCode()).toBe(0)
      expect(await first).toBe('CLOSED')
      const next = nextSession(server)
      const other = again()
      const second = echo(await next)
      expect(await other.exitCode()).toBe(0)
      expect(await second).toBe('CLOSED')
    })
  })

  /** Sends back what comes; the reason of the end. */
  async function echo(session: Session): Promise<string> {
    for await (const text of session) await session.send(text)
    return (await session.closed).code
  }

  /** A line each way. */
  async function talk(session: Session, peer: CPeer): Promise<void> {
    peer.write('from C')
    expect(new TextDecoder().decode(await session.receive())).toBe('from C')
    await session.send('from us')
    expect(await peer.says('message')).toBe('from us')
  }
}

/** A client's transport that is never asked to carry the proof: `onProof` is called instead. */
function withoutProof(transport: Transport, onProof: () => void): Transport {
  return {
    ...transport,
    write(frames) {
      const carried = frames.filter((frame) => !isProof(frame, transport.kind))
      if (carried.length < frames.length) onProof()
      return carried.length > 0 ? transport.write(carried) : true
    },
  }
}

function isProof(packet: Uint8Array, kind: TransportKind): boolean {
  const frame = kind === 'serial' ? cobsDecode(packet.filter((byte) => byte !== 0)) : packet
  // An acknowledgement of a datagram is no frame.
  return frame[0] === 0xcd && frame[3] === PacketType.HELLO_ACK
}
