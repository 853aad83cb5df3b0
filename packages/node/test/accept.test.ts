import { decodeFrame, Session, streamTransport, type Transport } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import {
  codeOf,
  DEVICE_ID,
  deviceNumber,
  failureOf,
  OTHER_PSK,
  PSK,
  SimulatedClock,
  textOf,
  turns,
  until,
} from '@usmp/testing'
import { ManualPeer } from '@usmp/testing/manual-peer'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Admission } from '../src/admission.ts'
import { nodeClock } from '../src/clock.ts'
import { connect } from '../src/connect.ts'
import { nodeProvider, nodeRandom } from '../src/crypto-node.ts'
import { DatagramDemultiplexer } from '../src/datagram-demultiplexer.ts'
import type { ListenOptions } from '../src/listen-options.ts'
import type { Server } from '../src/server.ts'
import { LOOPBACK, startServer } from './network.ts'

/** A transport of the application's own: both ends of a pair of streams in memory. */
function pair(address: string, kind: Transport['kind'] = 'stream'): { near: Transport; far: Transport } {
  const there = new TransformStream<Uint8Array, Uint8Array>()
  const back = new TransformStream<Uint8Array, Uint8Array>()
  const near = streamTransport({ kind, readable: back.readable, writable: there.writable })
  const far = streamTransport({ kind, readable: there.readable, writable: back.writable, address })
  return { near, far }
}

function shake(transport: Transport, deviceId = DEVICE_ID, psk = PSK): Promise<Session> {
  return Session.connect(transport, {
    deviceId: Uint8Array.from(Buffer.from(deviceId.replaceAll(':', ''), 'hex')),
    psk,
    random: nodeRandom,
    provider: nodeProvider,
    clock: nodeClock,
    reliableDatagram: ReliableDatagram,
    handshakeTimeout: 3_000,
  })
}

const startNowhere = (options: Partial<ListenOptions> = {}) => startServer({ tcp: false, ...options })

describe('a server that listens nowhere', () => {
  test('has no ports, takes what the application brings, and closes', async () => {
    const { server, codes, ended } = await startNowhere()
    expect(() => server.port).toThrow('does not listen on TCP')
    expect(() => server.udpPort).toThrow('does not listen on UDP')
    const { near, far } = pair('mqtt:device/aa')
    const [client, accepted] = await Promise.all([shake(near), server.accept(far)])
    expect(server.sessions).toEqual([accepted])
    expect([accepted!.address, accepted!.deviceId]).toEqual(['mqtt:device/aa', DEVICE_ID])
    await client.send('in')
    expect(textOf(await accepted!.receive())).toBe('in')
    await server.close()
    expect((await client.closed).code).toBe('CLOSED')
    expect([ended, codes()]).toEqual([[accepted], []])
  })

  test('lives by the clock that it is given, which tells when a session was last heard', async () => {
    const clock = new SimulatedClock()
    const { server } = await startNowhere({ clock, idleTimeout: 1_000 })
    const { near, far } = pair('held')
    const [client, accepted] = await Promise.all([shake(near), server.accept(far)])
    expect(accepted!.lastReceived).toBe(clock.now())
    clock.advance(900)
    await client.send('still here')
    await accepted!.receive()
    const heard = clock.now()
    clock.advance(900)
    expect([accepted!.lastReceived, accepted!.signal.aborted]).toEqual([heard, false])
    clock.advance(100)
    expect((await accepted!.closed).code).toBe('IDLE_TIMEOUT')
    expect(accepted!.lastReceived).toBe(heard)
    await client.closed
  })

  test.each(['stream', 'message', 'serial', 'datagram'] as const)('takes a transport of the kind %s', async (kind) => {
    const { server } = await startNowhere()
    const { near, far } = pair(kind, kind)
    const [client, accepted] = await Promise.all([shake(near), server.accept(far)])
    await client.send('in')
    expect(textOf(await accepted!.receive())).toBe('in')
    await accepted!.send('out')
    expect(textOf(await client.receive())).toBe('out')
    await client.close()
  })

  test('gives out the sessions by iteration too, and options that are none are refused', async () => {
    const { server } = await startNowhere()
    const { near, far } = pair('here')
    const loop = server[Symbol.asyncIterator]().next()
    const [, accepted] = await Promise.all([shake(near), server.accept(far)])
    expect((await loop).value).toBe(accepted)
    expect(await codeOf(server.accept(pair('x').far, { adress: 'x' } as never))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(server.accept(pair('x').far, { deviceId: 'x' }))).toBe('INVALID_ARGUMENT')
  })
})

describe('what holds for every connection holds for those of the application', () => {
  test('a refusal is undefined and an event, and the transport has ended', async () => {
    const { server, refusals } = await startNowhere()
    const { near, far } = pair('line 7')
    const accepting = server.accept(far)
    expect(await codeOf(shake(near, DEVICE_ID, OTHER_PSK))).toBe('HANDSHAKE_REFUSED')
    expect(await accepting).toBeUndefined()
    expect(refusals.map(({ address, deviceId, error }) => [address, deviceId, error.code])).toEqual([
      ['line 7', DEVICE_ID, 'AUTH_FAILED'],
    ])
  })

  test('duplicates: replaced, or refused, also across transports', async () => {
    const { server, url } = await startServer()
    const first = await connect(url, { deviceId: DEVICE_ID, psk: PSK })
    const { near, far } = pair('line')
    const [second] = await Promise.all([shake(near), server.accept(far)])
    expect((await first.closed).code).toBe('CLOSED')
    await second.ping()
    const rejecting = await startNowhere({ duplicates: 'reject' })
    const [one, two] = [pair('a'), pair('b')]
    await Promise.all([shake(one.near), rejecting.server.accept(one.far)])
    const [late, refused] = await Promise.all([shake(two.near), rejecting.server.accept(two.far)])
    expect([refused, (await late.closed).code, rejecting.codes()]).toEqual([undefined, 'CLOSED', ['DUPLICATE_DEVICE']])
  })

  test('the limit of an address is that of the address that was given', async () => {
    const { server, refusals } = await startNowhere({ maxConnectionsPerAddress: 1 })
    const { near, far } = pair('gateway, channel 1')
    await Promise.all([shake(near), server.accept(far, { address: 'gateway' })])
    const second = pair('gateway, channel 2')
    expect(await server.accept(second.far, { address: 'gateway' })).toBeUndefined()
    expect(await codeOf(shake(second.near, deviceNumber(2)))).toBe('HANDSHAKE_REFUSED')
    expect(refusals.map(({ address, error }) => [address, error.code])).toEqual([
      ['gateway, channel 2', 'TOO_MANY_CONNECTIONS'],
    ])
    const elsewhere = pair('another gateway')
    await Promise.all([shake(elsewhere.near, deviceNumber(3)), server.accept(elsewhere.far)])
  })

  test('a connection counts until its transport has ended', async () => {
    const { server } = await startNowhere({ maxConnections: 1 })
    for (let round = 0; round < 3; round++) {
      const { near, far } = pair('line')
      const [client, accepted] = await Promise.all([shake(near), server.accept(far)])
      expect(accepted, `round ${round}`).toBeDefined()
      await client.close()
      await accepted!.close()
      await turns()
    }
  })

  test('idle handshakes give way', async () => {
    const { server, codes } = await startNowhere({ maxHandshakes: 2 })
    for (let i = 0; i < 5; i++) void server.accept(pair(`idle ${i}`).far)
    await until(() => codes().length === 3)
    const { near, far } = pair('good')
    await (await Promise.all([shake(near), server.accept(far)]))[0].ping()
    expect(new Set(codes())).toEqual(new Set(['TOO_MANY_CONNECTIONS']))
  })

  test('five wrong keys lock out the pair of address and device, also over the sockets of that address', async () => {
    const { server, url, codes } = await startServer()
    for (let i = 0; i < 5; i++) {
      const { near, far } = pair(`tunnel ${i}`)
      await Promise.all([failureOf(shake(near, DEVICE_ID, OTHER_PSK)), server.accept(far, { address: LOOPBACK })])
    }
    expect(await codeOf(connect(url, { deviceId: DEVICE_ID, psk: PSK }))).toBe('HANDSHAKE_REFUSED')
    await until(() => codes().length === 6)
    expect(codes()).toEqual([...new Array(5).fill('AUTH_FAILED'), 'LOCKED_OUT'])
  })

  test('a locked-out device that is named beforehand hears nothing at all', async () => {
    const { server, codes } = await startNowhere()
    for (let i = 0; i < 5; i++) {
      const { near, far } = pair('topic')
      await Promise.all([failureOf(shake(near, DEVICE_ID, OTHER_PSK)), server.accept(far)])
    }
    const { near, far } = pair('topic', 'message')
    expect(await server.accept(far, { deviceId: DEVICE_ID.toUpperCase() })).toBeUndefined()
    const peer = new ManualPeer(near, 'client')
    await until(() => peer.ended)
    expect([peer.received, codes().at(-1)]).toEqual([[], 'LOCKED_OUT'])
  })

  test('a server that closes ends handshakes and takes no more', async () => {
    const { server, codes } = await startNowhere()
    const waiting = server.accept(pair('a').far)
    await server.close()
    expect(await waiting).toBeUndefined()
    expect(await server.accept(pair('b').far)).toBeUndefined()
    expect(codes()).toEqual(['SHUTDOWN', 'SHUTDOWN'])
  })
})

describe('transports that misbehave', () => {
  const broken = (faults: Partial<Transport>): Transport => ({ ...pair('broken').far, ...faults })
  const fail = () => {
    throw new Error('broken')
  }

  test.each([
    ['open', { open: fail }],
    ['open and abort', { open: fail, abort: fail }],
    ['abort, with a promise', { open: fail, abort: (() => Promise.reject(new Error('broken'))) as never }],
  ] as [string, Partial<Transport>][])('one that throws in %s is refused, and counts no longer', async (_, faults) => {
    const { server, codes } = await startNowhere({ maxConnections: 1 })
    for (let round = 0; round < 2; round++) expect(await server.accept(broken(faults))).toBeUndefined()
    expect(codes()).toEqual(['TRANSPORT_FAILED', 'TRANSPORT_FAILED'])
  })

  test('one that throws in abort when there is no room', async () => {
    const { server, codes } = await startNowhere({ maxConnections: 1 })
    const { near, far } = pair('good')
    await Promise.all([shake(near), server.accept(far)])
    expect(await server.accept(broken({ abort: fail }))).toBeUndefined()
    expect(codes()).toEqual(['TOO_MANY_CONNECTIONS'])
  })

  test.each([
    ['is no text', { value: undefined }],
    ['throws', { get: fail }],
  ] as [string, PropertyDescriptor][])(
    'one whose address %s makes the call reject no more than another',
    async (_, address) => {
      const { server, refusals } = await startNowhere({ maxConnections: 1 })
      const { near, far } = pair('good')
      await Promise.all([shake(near), server.accept(far)])
      const nameless = Object.defineProperty({ ...pair('broken').far }, 'address', address)
      expect(await server.accept(nameless)).toBeUndefined()
      expect(refusals.map((one) => [one.address, one.error.code])).toEqual([['unknown', 'TOO_MANY_CONNECTIONS']])
    },
  )

  test('a call with wrong options leaves no transport open', async () => {
    const { server } = await startNowhere()
    for (const options of [{ deviceId: 'x' }, { adress: 'x' }] as object[]) {
      let aborted = 0
      const transport = broken({ abort: () => void aborted++ })
      expect(await codeOf(server.accept(transport, options))).toBe('INVALID_ARGUMENT')
      expect(aborted).toBe(1)
    }
  })

  test('addresses of a million characters are kept short, and told apart', async () => {
    const keys: string[] = []
    const add = vi.spyOn(Admission.prototype, 'add')
    onTestFinished(() => add.mockRestore())
    const { server } = await startNowhere()
    for (const end of ['a', 'b', 'a']) {
      const { near, far } = pair(`${'topic'.repeat(200_000)}${end}`)
      await Promise.all([failureOf(shake(near, DEVICE_ID, OTHER_PSK)), server.accept(far)])
    }
    for (const [{ source }] of add.mock.calls) keys.push(source)
    expect(keys.every(({ length }) => length <= 256)).toBe(true)
    expect(new Set(keys).size).toBe(2)
  })

  test('one whose close never ends is cut off by the close of the server', async () => {
    const { server } = await startNowhere()
    const { near, far } = pair('stuck')
    let aborted = false
    const stuck: Transport = {
      ...far,
      close: () => new Promise(() => {}),
      abort: () => {
        aborted = true
        far.abort()
      },
    }
    await Promise.all([shake(near), server.accept(stuck)])
    await server.close()
    expect(aborted).toBe(true)
  })
})

/** Devices behind a broker: what a transport over MQTT would be, with one subscription for all of them. */
describe('topics of a broker', () => {
  /** Publishes to anyone who subscribed to the topic. */
  class Broker {
    readonly #subscribers = new Map<string, (datagram: Uint8Array) => void>()

    subscribe(topic: string, onMessage: (datagram: Uint8Array) => void): void {
      this.#subscribers.set(topic, onMessage)
    }

    publish(topic: string, datagram: Uint8Array): void {
      setImmediate(() => this.#subscribers.get(topic)?.(datagram))
    }
  }

  function gateway(server: Server, broker: Broker, topics: readonly string[]): DatagramDemultiplexer<string> {
    const demultiplexer = new DatagramDemultiplexer<string>({
      validateHello: (datagram) => decodeFrame(datagram).payload.subarray(0, 6),
      mayBegin: () => true,
      send: (datagram, topic) => broker.publish(`${topic}/down`, datagram),
      onPeer: (peer) => {
        const { transport, deviceId } = peer
        void server.accept(transport, { deviceId, onSession: () => peer.takeOver() })
      },
    })
    for (const topic of topics)
      broker.subscribe(`${topic}/up`, (datagram) => demultiplexer.receive(datagram, topic, topic))
    return demultiplexer
  }

  function device(broker: Broker, topic: string): Transport {
    return {
      kind: 'datagram',
      address: topic,
      open: (sink) => broker.subscribe(`${topic}/down`, (datagram) => sink.receive(datagram)),
      write(frames) {
        for (const frame of frames) broker.publish(`${topic}/up`, frame)
        return true
      },
      pause() {},
      resume() {},
      async close() {},
      abort() {},
    }
  }

  test('each is a session of its topic, and a device that restarts replaces its own', async () => {
    const { server, codes } = await startNowhere()
    const broker = new Broker()
    const demultiplexer = gateway(server, broker, ['site/a', 'site/b'])
    const a = await shake(device(broker, 'site/a'), deviceNumber(1))
    const b = await shake(device(broker, 'site/b'), deviceNumber(2))
    await Promise.all([a.ping(), b.ping()])
    expect(server.sessions.map(({ address }) => address)).toEqual(['site/a', 'site/b'])
    const [older] = server.sessions
    const restarted = await shake(device(broker, 'site/a'), deviceNumber(1))
    expect((await older!.closed).code).toBe('REPLACED')
    await Promise.all([restarted.ping(), b.ping()])
    await server.close()
    await demultiplexer.empty()
    expect([(await restarted.closed).code, (await b.closed).code, codes()]).toEqual(['CLOSED', 'CLOSED', []])
  })
})

describe('onSession', () => {
  test('is called before the older session of the device is ended', async () => {
    const { server } = await startNowhere()
    const [one, two] = [pair('a'), pair('b')]
    const [, older] = await Promise.all([shake(one.near), server.accept(one.far)])
    const states: boolean[] = []
    const onSession = (session: Session) => states.push(session === server.sessions[1], older!.signal.aborted)
    await Promise.all([shake(two.near), server.accept(two.far, { onSession })])
    expect(states).toEqual([true, false])
    expect((await older!.closed).code).toBe('REPLACED')
  })

  test('what it throws is a warning', async () => {
    const { server, warnings } = await startNowhere()
    const { near, far } = pair('a')
    const onSession = () => {
      throw new Error('broken')
    }
    const [client, accepted] = await Promise.all([shake(near), server.accept(far, { onSession })])
    expect([accepted!.deviceId, warnings]).toEqual([DEVICE_ID, ['the onSession of a transport threw']])
    await client.ping()
  })
})
