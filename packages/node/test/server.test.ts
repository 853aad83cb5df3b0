import { getEventListeners, once } from 'node:events'
import type { Session } from '@usmp/core'
import {
  decodeFrame,
  deriveDevicePsk,
  PacketType,
  packetTypeName,
  parseDeviceId,
  type Transport,
  UsmpError,
} from '@usmp/core'
import {
  codeOf,
  collect,
  DEVICE_ID,
  deviceNumber,
  failureOf,
  OTHER_PSK,
  PSK,
  pattern,
  textOf,
  turn,
  turns,
  until,
} from '@usmp/testing'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../src/connect.ts'
import { listen, type Server } from '../src/server.ts'
import { SessionEvent } from '../src/server-events.ts'
import { LOOPBACK, openSocket, openTransport, startServer } from './network.ts'

const device = { deviceId: DEVICE_ID, psk: PSK }

/** The next session of a server. */
async function nextSession(server: Server): Promise<Session> {
  for await (const session of server) return session
  throw new Error('the server is closed')
}

describe('options of a server', () => {
  test('that are none are refused by listen, not when the first device comes', async () => {
    const bad = [
      { extensions: [5] },
      { handshakeTimeout: Number('10s') },
      { idleTimeout: 30 * 24 * 3600 * 1000 },
      { keepalive: -1 },
      { suite: 'AES-256-GCM' as never },
      { maxConnections: Number.NaN },
      { maxConnectionsPerAddress: 0 },
      { maxHandshakes: 1.5 },
    ]
    for (const options of bad) {
      expect(await codeOf(startServer(options)), JSON.stringify(options)).toBe('INVALID_ARGUMENT')
    }
  })

  test('psk: (id) => deriveDevicePsk(master, id) lets the devices in', async () => {
    const master = pattern(32)
    const { url, codes } = await startServer({ psk: (id) => deriveDevicePsk(master, id) })
    await (await connect(url, { deviceId: DEVICE_ID, psk: deriveDevicePsk(master, parseDeviceId(DEVICE_ID)) })).close()
    expect(codes()).toEqual([])
  })

  test('a row of a database as the answer of psk may have more in it', async () => {
    const { url, codes } = await startServer({
      psk: (id) => ({ id, psk: PSK, suite: undefined as never, owner: 'somebody' }),
    })
    await (await connect(url, device)).close()
    expect(codes()).toEqual([])
  })

  test('a suite of one device that is none turns this device away, and says why', async () => {
    const { url, codes } = await startServer({ psk: () => ({ psk: PSK, suite: 3 as never }) })
    expect(await codeOf(connect(url, device))).toBe('HANDSHAKE_REFUSED')
    await until(() => codes().length === 1)
    expect(codes()).toEqual(['INVALID_ARGUMENT'])
  })

  test('two spellings of one device id in a table are refused', async () => {
    const psk = { [DEVICE_ID]: PSK, [DEVICE_ID.toUpperCase()]: OTHER_PSK }
    expect(await codeOf(startServer({ psk }))).toBe('INVALID_ARGUMENT')
  })

  test('what a key function throws may be anything', async () => {
    const psk = () => {
      throw Object.create(null)
    }
    const { url, codes } = await startServer({ psk })
    expect(await codeOf(connect(url, device))).toBe('HANDSHAKE_REFUSED')
    await until(() => codes().length === 1)
    expect(codes()).toEqual(['PSK_LOOKUP_FAILED'])
  })

  test('a closed server leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    const { server } = await startServer({ signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await server.close()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('a listener may have options, and its event is still typed', async () => {
    const { server, url } = await startServer()
    const ids: string[] = []
    server.addEventListener('session', ({ session }) => ids.push(session.deviceId), { once: true })
    for (let round = 0; round < 2; round++) await (await connect(url, device)).close()
    expect(ids).toEqual([DEVICE_ID])
  })
})

describe('sessions of a server', () => {
  test('iteration, events and the list agree', async () => {
    const { server, url, ended } = await startServer()
    const seen: Session[] = []
    server.addEventListener('session', ({ session }) => seen.push(session))
    const client = await connect(url, device)
    const session = await nextSession(server)
    expect(seen).toEqual([session])
    expect(server.sessions).toEqual([session])
    expect(session.deviceId).toBe(DEVICE_ID)
    expect(session.address).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(server.address).toBe(`127.0.0.1:${server.port}`)
    await client.close()
    await until(() => ended.length === 1)
    expect(server.sessions).toEqual([])
    expect(new SessionEvent('ended', session).session).toBe(session)
  })

  test('sessions wait for the loop, with what they have received', async () => {
    const { server, url, ended } = await startServer()
    const client = await connect(url, device)
    await client.send('early')
    await client.close()
    await until(() => ended.length === 1)
    expect((await collect(await nextSession(server))).map(textOf)).toEqual(['early'])
  })

  test('sessions that nobody takes do not pile up', async () => {
    const { server, url, ended } = await startServer({ maxConnections: 4 })
    for (let i = 0; i < 12; i++) {
      await (await connect(url, { ...device, deviceId: deviceNumber(i) })).close()
      await until(() => ended.length === i + 1)
    }
    await server.close()
    expect((await collect(server)).length).toBe(4)
  })

  test('two loops share the sessions', async () => {
    const { server, url } = await startServer()
    const loops = [collect(server), collect(server)]
    for (let i = 0; i < 4; i++) await connect(url, { ...device, deviceId: deviceNumber(i) })
    await until(() => server.sessions.length === 4)
    await server.close()
    expect((await Promise.all(loops)).flat().length).toBe(4)
  })

  test('a client that sends one byte at a time', async () => {
    const { server } = await startServer()
    const peer = new ManualPeer(dripping(await openTransport(server.port)), 'client')
    await until(() => peer.connection!.established)
    const session = await nextSession(server)
    peer.send(pattern(600))
    expect(await session.receive()).toEqual(pattern(600))
  })

  test('wire version 1 by its unsafe option only, with a warning for each session', async () => {
    const strict = await startServer()
    expect(await codeOf(connect(strict.url, { ...device, unsafeWireVersion1: true }))).toBe('HANDSHAKE_REFUSED')
    expect(strict.codes()).toEqual(['BAD_VERSION'])

    const warned = once(process, 'warning')
    const { server, url, warnings } = await startServer({ unsafeWireVersion1: true })
    const client = await connect(url, { ...device, unsafeWireVersion1: true })
    const session = await nextSession(server)
    expect([client.wireVersion, session.wireVersion]).toEqual([1, 1])
    expect(warnings).toEqual([expect.stringContaining('wire version 1')])
    expect((await warned)[0]).toMatchObject({ code: 'USMP_WIRE_VERSION_1' })
    await client.send('old')
    expect(textOf(await session.receive())).toBe('old')
    await connect(url, { ...device, deviceId: deviceNumber(1) })
    expect((await nextSession(server)).wireVersion).toBe(2)
    expect(warnings.length).toBe(1)
  })
})

describe('duplicates of a device', () => {
  test('the newer session replaces the older one', async () => {
    const { server, url, ended } = await startServer()
    const first = await connect(url, device)
    const older = await nextSession(server)
    const second = await connect(url, device)
    expect((await first.closed).code).toBe('CLOSED')
    expect((await older.closed).code).toBe('REPLACED')
    expect(await failureOf(older.receive())).toMatchObject({ code: 'REPLACED' })
    const newer = await nextSession(server)
    await second.send('still here')
    expect(textOf(await newer.receive())).toBe('still here')
    expect(server.sessions).toEqual([newer])
    expect(ended).toEqual([older])
  })

  test('the older one can be told so before it ends', async () => {
    const { server, url } = await startServer()
    const first = await connect(url, device)
    const older = await nextSession(server)
    expect([first.transportKind, older.transportKind]).toEqual(['stream', 'stream'])
    server.addEventListener('session', ({ replaced }) => replaced?.trySend('another one has your id'))
    await connect(url, device)
    expect(textOf(await first.receive())).toBe('another one has your id')
    expect((await first.closed).code).toBe('CLOSED')
  })

  test('or is turned away, by policy', async () => {
    const { server, url, codes, refusals } = await startServer({ duplicates: 'reject' })
    const first = await connect(url, device)
    const session = await nextSession(server)
    const second = await connect(url, device)
    expect((await second.closed).code).toBe('CLOSED')
    await until(() => refusals.length === 1)
    expect(codes()).toEqual(['DUPLICATE_DEVICE'])
    expect(refusals[0]!.deviceId).toBe(DEVICE_ID)
    await first.send('first')
    expect(textOf(await session.receive())).toBe('first')
    await first.close()
    await session.closed
    await (await connect(url, device)).send('third')
    expect(textOf(await (await nextSession(server)).receive())).toBe('third')
  })

  test('somebody without the key replaces nobody', async () => {
    const { server, url } = await startServer()
    const honest = await connect(url, device)
    expect(await codeOf(connect(url, { ...device, psk: OTHER_PSK }))).toBe('HANDSHAKE_REFUSED')
    await honest.ping()
    expect(server.sessions.length).toBe(1)
  })
})

describe('limits', () => {
  test('300 idle connections do not keep a good one out (W8)', async () => {
    const { server, url, codes } = await startServer()
    await Promise.all(Array.from({ length: 300 }, () => openSocket(server.port)))
    const client = await connect(url, device)
    await client.ping()
    await until(() => codes().length === 51)
    expect(new Set(codes())).toEqual(new Set(['TOO_MANY_CONNECTIONS']))
  })

  test('idle connections from everywhere do not either, at the limit of handshakes', async () => {
    const { server, url, refusals } = await startServer({ maxHandshakes: 3 })
    const idle: string[] = []
    for (const host of ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']) {
      const { localPort } = await openSocket(server.port, host)
      idle.push(`${host}:${localPort}`)
    }
    const client = await connect(url, device)
    await client.ping()
    await until(() => refusals.length === 2)
    expect(refusals.map(({ address }) => address)).toEqual(idle.slice(0, 2))
    expect(refusals[0]!.error.message).toContain('3 handshakes at once')
  })

  test('a flood from one address ends its own handshakes, not one that needs longer', async () => {
    let answer = () => {}
    const found = new Promise<void>((resolve) => (answer = resolve))
    let asked = 0
    const lookUp = () => {
      asked++
      return found.then(() => PSK)
    }
    const { server, url, refusals } = await startServer({ maxHandshakes: 4, psk: lookUp })
    const connecting = connect(url, device)
    await until(() => asked === 1)
    for (let i = 0; i < 20; i++) await openSocket(server.port, '127.0.0.2')
    await until(() => refusals.length === 17)
    expect(refusals.filter(({ address }) => !address.startsWith('127.0.0.2:'))).toEqual([])
    answer()
    await (await connecting).ping()
  })

  test('sessions are never ended for a newcomer: connections in all', async () => {
    const { url, refusals } = await startServer({ maxConnections: 2 })
    const clients = [await connect(url, device), await connect(url, { ...device, deviceId: deviceNumber(1) })]
    const error = await failureOf(connect(url, { ...device, deviceId: deviceNumber(2) }))
    expect([error.code, error.awaited]).toEqual(['HANDSHAKE_REFUSED', PacketType.CHALLENGE])
    expect(refusals.map(({ error }) => error.code)).toEqual(['TOO_MANY_CONNECTIONS'])
    expect(refusals[0]!.error.message).toContain('2 connections')
    await Promise.all(clients.map((client) => client.ping()))
    await clients[0]!.close()
    await (await connect(url, { ...device, deviceId: deviceNumber(2) })).ping()
  })

  test('sessions are never ended for a newcomer: connections of one address', async () => {
    const { server, url, refusals } = await startServer({ maxConnectionsPerAddress: 1 })
    await openSocket(server.port, '127.0.0.7')
    const client = await connect(url, device)
    expect(await codeOf(connect(url, { ...device, deviceId: deviceNumber(1) }))).toBe('HANDSHAKE_REFUSED')
    expect(refusals.map(({ error }) => error.message)).toEqual([
      expect.stringContaining('1 connections from 127.0.0.1'),
    ])
    const elsewhere = await ManualPeer.connected(await openTransport(server.port, '127.0.0.8'))
    expect((await client.closed).code, 'the same device from another address').toBe('CLOSED')
    expect(elsewhere.connection!.established).toBe(true)
  })
})

describe('lockout (W9)', () => {
  const wrong = { deviceId: DEVICE_ID, psk: OTHER_PSK, handshakeTimeout: 4_000 }

  test('the fifth wrong key locks the device out, not its neighbour, and not without end', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const { url, codes, refusals } = await startServer()
    for (let i = 0; i < 5; i++) {
      expect((await failureOf(connect(url, wrong))).awaited).toBe(PacketType.SESSION_OK)
    }
    const locked = await failureOf(connect(url, device))
    expect([locked.code, locked.awaited]).toEqual(['HANDSHAKE_REFUSED', PacketType.CHALLENGE])
    await until(() => refusals.length === 6)
    expect(codes()).toEqual([...new Array(5).fill('AUTH_FAILED'), 'LOCKED_OUT'])
    expect(refusals[5]!.error.message).toContain('another 1 s')
    const neighbour = await connect(url, { ...device, deviceId: deviceNumber(1) })
    await neighbour.ping()

    vi.advanceTimersByTime(1_000)
    expect((await failureOf(connect(url, wrong))).awaited, 'the sixth').toBe(PacketType.SESSION_OK)
    vi.advanceTimersByTime(1_999)
    expect(await codeOf(connect(url, device)), 'two seconds now').toBe('HANDSHAKE_REFUSED')
    vi.advanceTimersByTime(1)
    await (await connect(url, device)).close()
    for (let i = 0; i < 4; i++) await failureOf(connect(url, wrong))
    await (await connect(url, device)).close()
  })

  test('guesses in many handshakes at once get no further than those one after another', async () => {
    const { url, codes, refusals } = await startServer()
    await Promise.allSettled(Array.from({ length: 40 }, () => connect(url, wrong)))
    await until(() => refusals.length === 40)
    expect(codes().filter((code) => code === 'AUTH_FAILED').length).toBeLessThanOrEqual(5)
  })

  test('what proves nothing wrong does not count: leaving, garbage, silence', async () => {
    const { server, url, refusals } = await startServer()
    for (let i = 0; i < 6; i++) {
      const leaver = new ManualPeer(await openTransport(server.port), 'client')
      leaver.deaf = true
      await until(() => leaver.received.length > 0)
      leaver.transport.abort()
      const babbler = new ManualPeer(await openTransport(server.port), 'client')
      babbler.deaf = true
      await until(() => babbler.received.length > 0)
      babbler.write(new Uint8Array(12))
    }
    await until(() => refusals.length === 12)
    await (await connect(url, device)).ping()
  })
})

describe('why a peer was refused', () => {
  /** What the server says about a client that behaves so. */
  async function refusalFor(
    options: Parameters<typeof startServer>[0],
    behave: (url: string, server: Server) => unknown,
  ): Promise<[code: string, deviceId: string | undefined]> {
    const { server, url, refusals } = await startServer(options)
    const behaving = Promise.resolve(behave(url, server)).catch(() => {})
    await until(() => refusals.length > 0)
    await behaving
    expect(refusals[0]!.address).toMatch(/^127\.0\.0\.1:\d+$/)
    return [refusals[0]!.error.code, refusals[0]!.deviceId]
  }
  const hello = async (_: string, server: Server) => {
    const peer = new ManualPeer(await openTransport(server.port), 'client')
    peer.deaf = true
    return peer
  }

  test('a wrong key', async () => {
    expect(await refusalFor({}, (url) => connect(url, { ...device, psk: OTHER_PSK }))).toEqual([
      'AUTH_FAILED',
      DEVICE_ID,
    ])
  })

  test('an unknown device', async () => {
    expect(await refusalFor({ psk: () => null }, (url) => connect(url, device))).toEqual(['UNKNOWN_DEVICE', DEVICE_ID])
  })

  test('a lookup that throws, rejects, or answers with nonsense', async () => {
    const broken = () => {
      throw new Error('no database')
    }
    expect(await refusalFor({ psk: broken }, (url) => connect(url, device))).toEqual(['PSK_LOOKUP_FAILED', DEVICE_ID])
    const rejecting = async () => broken()
    expect(await refusalFor({ psk: rejecting }, (url) => connect(url, device))).toEqual([
      'PSK_LOOKUP_FAILED',
      DEVICE_ID,
    ])
    const usage = () => {
      throw new UsmpError('INVALID_ARGUMENT', 'in a function of the server')
    }
    expect(await refusalFor({ psk: usage }, (url) => connect(url, device))).toEqual(['PSK_LOOKUP_FAILED', DEVICE_ID])
    const nonsense = () => 'a string' as never
    expect(await refusalFor({ psk: nonsense }, (url) => connect(url, device))).toEqual(['INVALID_ARGUMENT', DEVICE_ID])
    const weak = () => new Uint8Array(32)
    expect(await refusalFor({ psk: weak }, (url) => connect(url, device))).toEqual(['WEAK_PSK', DEVICE_ID])
  })

  test('a handshake that takes too long, before and after HELLO', async () => {
    const options = { handshakeTimeout: 50 }
    expect(await refusalFor(options, (_, { port }) => openSocket(port))).toEqual(['HANDSHAKE_TIMEOUT', undefined])
    expect(await refusalFor(options, hello)).toEqual(['HANDSHAKE_TIMEOUT', DEVICE_ID])
    const slow = () => new Promise<never>(() => {})
    expect(await refusalFor({ ...options, psk: slow }, hello)).toEqual(['HANDSHAKE_TIMEOUT', DEVICE_ID])
  })

  test('a bad frame, and a good one at the wrong moment', async () => {
    const shout = async (_: string, { port }: Server) => (await openSocket(port)).write('GET / HTTP/1.1\r\n\r\n')
    expect(await refusalFor({}, shout)).toEqual(['BAD_MAGIC', undefined])
    const twice = async (url: string, server: Server) => {
      const peer = await hello(url, server)
      await until(() => peer.received.length > 0)
      peer.write(peer.received[0]!)
    }
    expect(await refusalFor({}, twice)).toEqual(['UNEXPECTED_PACKET', DEVICE_ID])
  })

  test('a peer that left early, before and after HELLO, and while its key was looked up', async () => {
    const knock = async (_: string, { port }: Server) => (await openSocket(port)).end()
    expect(await refusalFor({}, knock)).toEqual(['TRUNCATED', undefined])
    const leave = async (url: string, server: Server) => {
      const peer = await hello(url, server)
      await until(() => peer.received.length > 0)
      peer.transport.abort()
    }
    expect(await refusalFor({}, leave)).toEqual(['TRUNCATED', DEVICE_ID])
    let answer: (psk: Uint8Array) => void = () => {}
    let asked = false
    const slow = () => {
      asked = true
      return new Promise<Uint8Array>((resolve) => (answer = resolve))
    }
    const leaveMeanwhile = async (url: string, server: Server) => {
      const peer = await hello(url, server)
      await until(() => asked)
      peer.transport.abort()
    }
    expect(await refusalFor({ psk: slow }, leaveMeanwhile)).toEqual(['TRUNCATED', DEVICE_ID])
    answer(PSK)
    await turns()
  })

  test('on the wire an unknown device and a wrong key look the same (W14)', async () => {
    const { server } = await startServer({ psk: { [DEVICE_ID]: PSK } })
    const traces = []
    for (const deviceId of [DEVICE_ID, deviceNumber(9)]) traces.push(await traceOf(server.port, deviceId))
    expect(traces[1]).toEqual(traces[0])
    expect(traces[0]).toEqual(['HELLO, 50 bytes', 'CHALLENGE, 76 bytes', 'HELLO_ACK, 44 bytes', 'end'])
  })

  test('a look-up that failed is told as a fault of the server; a bad entry of a device is not', async () => {
    const broken = () => {
      throw new Error('no database')
    }
    const failing = await startServer({ psk: broken })
    expect(await traceOf(failing.server.port, DEVICE_ID)).toEqual(['HELLO, 50 bytes', 'ERROR, 15 bytes', 'end'])
    const weak = await startServer({ psk: () => new Uint8Array(32) })
    expect(await traceOf(weak.server.port, DEVICE_ID)).toContain('CHALLENGE, 76 bytes')
    expect(weak.codes()).toEqual(['WEAK_PSK'])
  })
})

describe('where keys come from', () => {
  const reach = async (options: Parameters<typeof startServer>[0], client = device): Promise<number> => {
    const { server, url } = await startServer(options)
    const session = await connect(url, client)
    await session.send('in')
    const peer = await nextSession(server)
    expect(textOf(await peer.receive())).toBe('in')
    return peer.suite
  }

  test('a function, an asynchronous function, a Map, a record', async () => {
    await reach({ psk: (id) => (id === DEVICE_ID ? PSK : null) })
    await reach({ psk: async () => PSK })
    await reach({ psk: new Map([['AABBCCDDEEFF', PSK]]) })
    await reach({ psk: { 'AA-BB-CC-DD-EE-FF': PSK } })
  })

  test('the entry * serves those who have none', async () => {
    const { url, codes } = await startServer({ psk: { [DEVICE_ID]: OTHER_PSK, '*': PSK } })
    await (await connect(url, { ...device, deviceId: deviceNumber(1) })).ping()
    expect(await codeOf(connect(url, device))).toBe('HANDSHAKE_REFUSED')
    await (await connect(url, { deviceId: DEVICE_ID, psk: OTHER_PSK })).ping()
    expect(codes()).toEqual(['AUTH_FAILED'])
  })

  test('a suite for each device, else that of the server', async () => {
    expect(
      await reach({ psk: { [DEVICE_ID]: { psk: PSK, suite: 2 } } }, { ...device, suite: 2 } as typeof device),
    ).toBe(2)
    expect(await reach({ psk: { [DEVICE_ID]: PSK }, suite: 2 }, { ...device, suite: 2 } as typeof device)).toBe(2)
    expect(await reach({ psk: { [DEVICE_ID]: { psk: PSK, suite: 1 } }, suite: 2 })).toBe(1)
  })

  test('a suite that differs is reported as such (W4)', async () => {
    const { server, url, ended } = await startServer({ suite: 2 })
    const client = await connect(url, device)
    await client.send('hello')
    await until(() => ended.length === 1)
    expect(ended[0]!.signal.reason.code).toBe('SUITE_MISMATCH')
    expect(ended[0]!.signal.reason.hint).toContain('suite')
    expect(server.sessions).toEqual([])
  })

  test('one key for all is there for those who ask for it by name, with a warning', async () => {
    const warned = once(process, 'warning')
    await reach({ sharedPsk: PSK }, { ...device, deviceId: deviceNumber(77) })
    expect((await warned)[0]).toMatchObject({ code: 'USMP_SHARED_PSK' })
  })

  test.each([
    ['no key at all', {}, 'INVALID_ARGUMENT'],
    ['two sources of keys', { psk: () => PSK, sharedPsk: PSK }, 'INVALID_ARGUMENT'],
    ['a short shared key', { sharedPsk: pattern(15) }, 'WEAK_PSK'],
    ['a typed shared key', { sharedPsk: new TextEncoder().encode('correct horse batt') }, 'WEAK_PSK'],
    ['a weak key in a table', { psk: { [DEVICE_ID]: new Uint8Array(32) } }, 'WEAK_PSK'],
    ['a weak key in a Map', { psk: new Map([[DEVICE_ID, { psk: pattern(8) }]]) }, 'WEAK_PSK'],
    ['an id that is none', { psk: { 'not-an-id': PSK } }, 'INVALID_ARGUMENT'],
    ['a string as key', { psk: { [DEVICE_ID]: 'secret' as never } }, 'INVALID_ARGUMENT'],
    ['null as key', { psk: { [DEVICE_ID]: null as never } }, 'INVALID_ARGUMENT'],
    ['a port that is none', { psk: () => PSK, tcp: { port: 70_000 } }, 'INVALID_ARGUMENT'],
  ] as const)('refused at once: %s', async (_, options, code) => {
    expect(await codeOf(listen({ tcp: { host: LOOPBACK, port: 0 }, ...options }))).toBe(code)
  })

  test('a weak key is let through where it is allowed', async () => {
    const psk = new TextEncoder().encode('correct horse batt')
    await reach({ psk: { [DEVICE_ID]: psk }, allowWeakPsk: true }, {
      deviceId: DEVICE_ID,
      psk,
      allowWeakPsk: true,
    } as never)
    await reach({ psk: () => ({ psk, allowWeakPsk: true }) }, { deviceId: DEVICE_ID, psk, allowWeakPsk: true } as never)
  })
})

describe('closing a server', () => {
  test('sessions get a BYE, handshakes and lookups end, loops end', async () => {
    let asked = false
    const { server, url, codes, ended } = await startServer({
      psk: (id) => {
        if (id === DEVICE_ID) return PSK
        asked = true
        return new Promise<never>(() => {})
      },
    })
    const loop = collect(server)
    const client = await connect(url, device)
    const idle = await openSocket(server.port)
    const idleEnded = once(idle, 'close')
    idle.resume()
    const resolving = codeOf(connect(url, { ...device, deviceId: deviceNumber(1) }))
    await until(() => asked)
    await server.close()
    expect((await client.closed).code).toBe('CLOSED')
    expect(await resolving).toBe('HANDSHAKE_REFUSED')
    await idleEnded
    expect(codes()).toEqual(['SHUTDOWN', 'SHUTDOWN'])
    expect(ended.map(({ signal }) => signal.reason.code)).toEqual(['SHUTDOWN'])
    expect((await loop).length).toBe(1)
    expect(await collect(server)).toEqual([])
    expect(await codeOf(connect(url, device))).toBe('UNREACHABLE')
    await server.close()
  })

  test('by its signal', async () => {
    const abort = new AbortController()
    const { server, url } = await startServer({ signal: abort.signal })
    const client = await connect(url, device)
    abort.abort()
    expect((await client.closed).code).toBe('CLOSED')
    expect(await collect(server)).toHaveLength(1)
    expect(await codeOf(listen({ psk: () => PSK, signal: abort.signal }))).toBe('ABORTED')
  })

  test('by a signal that fires while it begins', async () => {
    const abort = new AbortController()
    const listening = listen({ tcp: { host: LOOPBACK, port: 0 }, psk: () => PSK, signal: abort.signal })
    abort.abort()
    expect(await codeOf(listening)).toBe('ABORTED')
  })

  test('by asyncDispose', async () => {
    const { server } = await startServer()
    await server[Symbol.asyncDispose]()
    expect(await collect(server)).toEqual([])
  })

  test('a port in use is a clear error', async () => {
    const { server } = await startServer()
    const error = await failureOf(listen({ tcp: { host: LOOPBACK, port: server.port }, psk: () => PSK }))
    expect(error.code).toBe('TRANSPORT_FAILED')
    expect(error.message).toContain(`${LOOPBACK}:${server.port}`)
    expect(error.hint).toContain('another port')
    expect((error.cause as NodeJS.ErrnoException).code).toBe('EADDRINUSE')
  })
})

/** What crosses the wire in a handshake under a wrong key. */
async function traceOf(port: number, deviceId: string): Promise<string[]> {
  const trace: string[] = []
  const note = (frame: Uint8Array) => trace.push(`${packetTypeName(decodeFrame(frame).type)}, ${frame.length} bytes`)
  const transport = await openTransport(port)
  const peer = new ManualPeer(
    {
      ...transport,
      open: (sink) =>
        transport.open({
          receive(bytes) {
            note(bytes)
            sink.receive(bytes)
          },
          drain: () => sink.drain(),
          end: (cause) => sink.end(cause),
        }),
      write(frames) {
        frames.forEach(note)
        return transport.write(frames)
      },
    },
    'client',
    { psk: OTHER_PSK, deviceId: parseDeviceId(deviceId).slice() },
  )
  await until(() => peer.ended)
  return [...trace, 'end']
}

/** The transport with its writes cut into single bytes, each in a turn of its own. */
function dripping(transport: Transport): Transport {
  let last = Promise.resolve()
  return {
    ...transport,
    write(frames) {
      for (const byte of Buffer.concat(frames)) {
        last = last.then(async () => {
          transport.write([Uint8Array.of(byte)])
          await turn()
        })
      }
      return true
    },
  }
}
