import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { parseDeviceId, type Session, UsmpError } from '@usmp/core'
import { codeOf, DEVICE_ID, deviceNumber, isSettled, OTHER_PSK, PSK, pattern, turns, until } from '@usmp/testing'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect } from '../src/connect.ts'
import { tcpTransport } from '../src/tcp.ts'
import { connectUdp } from '../src/udp.ts'
import { LOOPBACK, openSocket, openTransport, startServer, type Watched } from './network.ts'

const device = { deviceId: DEVICE_ID, psk: PSK }
const neighbour = { deviceId: deviceNumber(1), psk: PSK }

/** A socket that does not end when the other side does. */
async function openStubborn(port: number): Promise<Socket> {
  const socket = connectSocket({ port, host: LOOPBACK, allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

/** A device with its own key that never lets go: it keeps its connection when its session ends. */
async function stubbornTcp(port: number): Promise<ManualPeer> {
  return ManualPeer.connected(tcpTransport(await openStubborn(port)))
}

/** The same on UDP: it acknowledges nothing once it is in. */
async function stubbornUdp(port: number): Promise<ManualPeer> {
  const transport = await connectUdp(LOOPBACK, port)
  onTestFinished(() => transport.abort())
  const peer = await ManualPeer.connected(transport)
  peer.deaf = true
  return peer
}

/** A server on TCP and UDP with few places for one address. */
async function startSmall(options: Parameters<typeof startServer>[0] = {}): Promise<Watched & { udpUrl: string }> {
  const watched = await startServer({ udp: { host: LOOPBACK, port: 0 }, maxConnectionsPerAddress: 4, ...options })
  return { ...watched, udpUrl: `usmp+udp://${watched.server.udpAddress}` }
}

const codesOf = (sessions: readonly Session[]) => sessions.map(({ signal }) => signal.reason.code)

describe('one good key, hostile', () => {
  test.each(['tcp', 'udp'] as const)(
    'sessions that are replaced and linger take no place from a neighbour: %s',
    async (network) => {
      const { server, url, udpUrl, ended, codes } = await startSmall()
      for (let i = 0; i < 12; i++) {
        await (network === 'tcp' ? stubbornTcp(server.port) : stubbornUdp(server.udpPort))
      }
      const session = await connect(network === 'tcp' ? url : udpUrl, neighbour)
      await session.ping()
      expect(server.sessions.map(({ deviceId }) => deviceId)).toContain(deviceNumber(1))
      expect(codes()).toEqual([])
      expect(new Set(codesOf(ended))).toEqual(new Set(['REPLACED']))
    },
  )

  test('over UDP no more than two of its sessions are closing at once', async () => {
    const { server, ended } = await startSmall()
    for (let i = 0; i < 8; i++) await stubbornUdp(server.udpPort)
    await until(() => server.sessions.length <= 3)
    expect(codesOf(ended)).toEqual(new Array(5).fill('REPLACED'))
  })

  test('a session that says BYE and keeps its connection gives way', async () => {
    const { server, url, ended } = await startSmall({ maxConnectionsPerAddress: 2 })
    for (let i = 0; i < 6; i++) {
      const peer = await stubbornTcp(server.port)
      peer.write(...peer.frames((connection) => connection.close()))
      await until(() => ended.length === i + 1)
    }
    await (await connect(url, neighbour)).ping()
    expect(new Set(codesOf(ended))).toEqual(new Set(['CLOSED']))
  })

  test('extension frames that nobody acknowledges end nothing but its own session', async () => {
    const { server, udpUrl } = await startSmall({ extensions: [0x20] })
    server.addEventListener('session', ({ session }) => {
      if (session.deviceId !== DEVICE_ID) return
      for (let i = 0; i < 80; i++) {
        try {
          session.sendExtension(0x20, pattern(4))
        } catch {
          // Its queue is full, as is meant here.
        }
      }
    })
    for (let i = 0; i < 4; i++) await stubbornUdp(server.udpPort)
    await (await connect(udpUrl, neighbour)).ping()
    expect(server.sessions.map(({ deviceId }) => deviceId)).toContain(deviceNumber(1))
  })

  test('a device that comes back at once leaves its listener no session that has ended', async () => {
    const { server } = await startServer()
    const replaced: boolean[] = []
    server.addEventListener('session', (event) => {
      if (event.replaced) replaced.push(event.replaced.signal.aborted)
      // What a server says to the one who is replaced; after the end it would throw.
      event.replaced?.trySend('goodbye')
    })
    for (let i = 0; i < 5; i++) await ManualPeer.connected(await openTransport(server.port))
    await until(() => replaced.length === 4)
    expect(replaced).toEqual([false, false, false, false])
  })

  test('a device that comes back from the same port is told of before its old session ends', async () => {
    const { server } = await startSmall()
    const last: boolean[] = []
    server.addEventListener('session', ({ replaced }) => {
      if (replaced) last.push(replaced.trySend('goodbye'))
    })
    const transport = await connectUdp(LOOPBACK, server.udpPort)
    onTestFinished(() => transport.abort())
    await ManualPeer.connected(transport)
    await ManualPeer.connected(transport)
    await until(() => last.length === 1)
    expect(last).toEqual([true])
  })
})

describe('look-ups of keys by a server', () => {
  test('at most maxHandshakes at once, and those that are given up are told so', async () => {
    const signals: AbortSignal[] = []
    const psk = (_: string, { signal }: { signal: AbortSignal }) => {
      signals.push(signal)
      return new Promise<Uint8Array>(() => {})
    }
    const { server, refusals } = await startServer({ psk, maxHandshakes: 3 })
    for (let i = 0; i < 10; i++) {
      const peer = new ManualPeer(await openTransport(server.port), 'client', {
        deviceId: parseDeviceId(deviceNumber(i)).slice(),
      })
      peer.deaf = true
      await turns(5)
    }
    await until(() => refusals.length === 7)
    await turns()
    expect(signals.length).toBe(3)
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
    expect(signals[0]!.reason.code).toBe('TOO_MANY_CONNECTIONS')
  })

  test('a device that leaves calls its look-up off', async () => {
    let signal: AbortSignal | undefined
    const psk = (_: string, context: { signal: AbortSignal }) => {
      signal = context.signal
      return new Promise<Uint8Array>(() => {})
    }
    const { server, refusals } = await startServer({ psk })
    const peer = new ManualPeer(await openTransport(server.port), 'client')
    await until(() => signal !== undefined)
    peer.transport.abort()
    await until(() => refusals.length === 1)
    expect(signal!.reason.code).toBe('TRUNCATED')
  })

  test('an answer that was used is not called off', async () => {
    let signal: AbortSignal | undefined
    const psk = async (_: string, context: { signal: AbortSignal }) => {
      signal = context.signal
      return PSK
    }
    const { url } = await startServer({ psk })
    await (await connect(url, device)).close()
    expect(signal!.aborted).toBe(false)
  })

  test('one that hangs for one device keeps no other out', async () => {
    const psk = (id: string) => (id === DEVICE_ID ? new Promise<Uint8Array>(() => {}) : Promise.resolve(PSK))
    const { server, url } = await startServer({ psk, maxHandshakes: 4 })
    for (let i = 0; i < 12; i++) {
      const peer = new ManualPeer(await openTransport(server.port), 'client')
      peer.deaf = true
    }
    await (await connect(url, neighbour)).ping()
  })

  const thenable = (then: unknown) => ({ then }) as never
  const throwing = () => {
    throw new Error('thrown')
  }
  test.each([
    ['true', () => true as never, 'INVALID_ARGUMENT'],
    ['a number', () => 42 as never, 'INVALID_ARGUMENT'],
    ['a string', () => '00'.repeat(32) as never, 'INVALID_ARGUMENT'],
    ['a function', () => throwing as never, 'INVALID_ARGUMENT'],
    ['an empty object', () => ({}) as never, 'INVALID_ARGUMENT'],
    ['an array of numbers', () => [...PSK] as never, 'INVALID_ARGUMENT'],
    ['an ArrayBuffer', () => PSK.buffer as never, 'INVALID_ARGUMENT'],
    ['an empty key', () => new Uint8Array(0), 'WEAK_PSK'],
    ['a key of 64 MiB', () => Buffer.concat([PSK, Buffer.alloc(2 ** 26)]), 'INVALID_ARGUMENT'],
    ['a suite that is none', () => ({ psk: PSK, suite: 'AES' }) as never, 'INVALID_ARGUMENT'],
    ['a getter that throws', () => Object.defineProperty({}, 'psk', { get: throwing }) as never, 'PSK_LOOKUP_FAILED'],
    ['what throws', throwing, 'PSK_LOOKUP_FAILED'],
    [
      'what throws an error of ours',
      () => {
        throw new UsmpError('AUTH_FAILED')
      },
      'PSK_LOOKUP_FAILED',
    ],
    ['what rejects', () => Promise.reject(new Error('rejected')), 'PSK_LOOKUP_FAILED'],
    ['what rejects with nothing', () => Promise.reject(), 'PSK_LOOKUP_FAILED'],
    ['a thenable that throws', () => thenable(throwing), 'PSK_LOOKUP_FAILED'],
    [
      'a thenable whose then throws when it is read',
      () => Object.defineProperty({}, 'then', { get: throwing }) as never,
      'PSK_LOOKUP_FAILED',
    ],
    [
      'a thrown thing that may not be looked at',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        throw proxy
      },
      'PSK_LOOKUP_FAILED',
    ],
  ] as const)('an answer that is none refuses one device and names the fault: %s', async (_, answer, code) => {
    const psk = (id: string) => (id === DEVICE_ID ? (answer as () => Uint8Array)() : PSK)
    const { url, codes } = await startServer({ psk })
    expect(await codeOf(connect(url, device))).toBe('HANDSHAKE_REFUSED')
    await until(() => codes().length === 1)
    expect(codes()).toEqual([code])
    await (await connect(url, neighbour)).ping()
  })
})

describe('withdrawing a key', () => {
  test('deleting it and disconnect() end the session, and the device does not come back', async () => {
    const keys = new Map([[DEVICE_ID, PSK]])
    const { server, url, ended } = await startServer({ psk: (id) => keys.get(id) ?? null })
    const session = await connect(url, device)
    keys.delete(DEVICE_ID)
    await session.ping()
    await server.disconnect(DEVICE_ID.toUpperCase())
    expect((await session.closed).code).toBe('CLOSED')
    await until(() => ended.length === 1)
    expect(ended[0]!.signal.reason.message).toContain('disconnected')
    expect(await codeOf(connect(url, device))).toBe('HANDSHAKE_REFUSED')
    await server.disconnect(DEVICE_ID)
    expect(await codeOf(server.disconnect('nobody'))).toBe('INVALID_ARGUMENT')
  })

  test('a handshake under the old key comes too late', async () => {
    let answer: (psk: Uint8Array) => void = () => {}
    let asked = false
    const psk = () => {
      asked = true
      return new Promise<Uint8Array>((resolve) => (answer = resolve))
    }
    const { server, url, codes } = await startServer({ psk })
    const connecting = codeOf(connect(url, device))
    await until(() => asked)
    await server.disconnect(DEVICE_ID)
    answer(PSK)
    expect(await connecting).toBe('HANDSHAKE_REFUSED')
    await until(() => codes().length === 1)
    expect(codes()).toEqual(['CLOSED'])
    expect(server.sessions).toEqual([])
  })
})

describe('closing among peers that do not let go', () => {
  test('it is over after three seconds, no matter who is still there', async () => {
    const { server } = await startSmall({
      maxConnectionsPerAddress: 20,
      websocket: { host: LOOPBACK, port: 0 },
      psk: (id) => (id === DEVICE_ID ? PSK : new Promise<Uint8Array>(() => {})),
    })
    await stubbornTcp(server.port)
    await stubbornUdp(server.udpPort)
    server.sessions[0]!.trySend(pattern(100))
    const hanging = new ManualPeer(tcpTransport(await openStubborn(server.port)), 'client', {
      deviceId: parseDeviceId(deviceNumber(7)).slice(),
    })
    hanging.deaf = true
    await openStubborn(server.port)
    const silent = await openSocket(Number(new URL(server.websocketUrl).port))
    silent.write('GET / HTTP/1.1\r\n')
    await turns()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const closing = server.close()
    expect(await isSettled(closing)).toBe(false)
    vi.advanceTimersByTime(3_000)
    await closing
  })

  test('a wrong key holds up nobody either', async () => {
    const { server, url } = await startServer()
    const wrong = codeOf(connect(url, { ...device, psk: OTHER_PSK }))
    await server.close()
    expect(['HANDSHAKE_REFUSED', 'UNREACHABLE']).toContain(await wrong)
  })
})
