import { bytesOf, pseudoRandom } from '@usmp/testing'
import { describeOptions, faultOf } from '@usmp/testing/option-suite'
import { describe, expect, test } from 'vitest'
import { Connection } from '../src/connection.ts'
import { nobleProvider } from '../src/crypto-noble.ts'
import { ReliableDatagram } from '../src/datagram.ts'
import { UsmpError } from '../src/errors.ts'
import {
  abortableTable,
  acceptTable,
  authorizationTable,
  clientTable,
  connectTable,
  reconnectTable,
  serverTable,
  streamTransportTable,
} from '../src/options.ts'
import { reconnecting } from '../src/reconnect.ts'
import { Session } from '../src/session.ts'
import { streamTransport, type Transport } from '../src/transport.ts'

const random = pseudoRandom(1)
const deviceId = bytesOf(6)
const psk = bytesOf(32, 2)
const clock = { now: () => 0, setTimer() {}, clearTimer() {}, defer() {}, yieldToEventLoop() {} }

/** A transport on which nothing ever comes. */
function silent(): Transport & { aborted: boolean } {
  return {
    kind: 'stream',
    address: 'nowhere',
    aborted: false,
    open() {},
    write: () => true,
    pause() {},
    resume() {},
    close: async () => {},
    abort() {
      this.aborted = true
    },
  }
}

/** Of two that talk with each other in memory. */
async function established(): Promise<Session> {
  const [there, back] = [new TransformStream(), new TransformStream()]
  const [session] = await Promise.all([
    Session.connect(streamTransport({ kind: 'stream', readable: back.readable, writable: there.writable }), {
      deviceId,
      psk,
      random,
    }),
    Session.accept(streamTransport({ kind: 'stream', readable: there.readable, writable: back.writable }), {
      authorize: () => ({ psk }),
      random,
    }),
  ])
  return session
}

const session = await established()
const { readable, writable } = new TransformStream()
const client = { kind: 'stream', random, deviceId, psk }

function authorize(answer: never): void {
  const [device, server] = [Connection.client(client as never, 0), Connection.server({ kind: 'stream', random }, 0)]
  server.receive(device.pollTransmit()!, 0)
  server.authorize(answer, 0)
}

describeOptions([
  {
    name: 'Session.connect',
    table: connectTable,
    good: { deviceId, psk, random },
    call: (options) => Session.connect(silent(), options),
  },
  {
    name: 'Session.accept',
    table: acceptTable,
    good: { authorize: () => null, random },
    call: (options) => Session.accept(silent(), options),
  },
  { name: 'Connection.client', table: clientTable, good: client, call: (options) => Connection.client(options, 0) },
  {
    name: 'Connection.server',
    table: serverTable,
    good: { kind: 'stream', random },
    call: (options) => Connection.server(options, 0),
  },
  { name: 'send', table: abortableTable, good: {}, call: (options) => session.send('hello', options) },
  { name: 'receive', table: abortableTable, good: {}, call: (options) => session.receive(options) },
  { name: 'ping', table: abortableTable, good: {}, call: (options) => session.ping(options) },
  { name: 'rekey', table: abortableTable, good: {}, call: (options) => session.rekey(options) },
  {
    name: 'reconnecting',
    table: reconnectTable,
    good: { clock, jitter: Math.random },
    call: (options) => reconnecting(() => Promise.reject(new UsmpError('INVALID_ARGUMENT', 'nobody')), options).next(),
  },
  {
    name: 'streamTransport',
    table: streamTransportTable,
    good: { kind: 'stream', readable, writable },
    call: (options) => streamTransport(options),
  },
  {
    name: 'the answer of authorize',
    table: authorizationTable,
    good: { psk },
    call: (answer) => authorize(answer === undefined ? ({} as never) : (answer ?? ([] as never))),
  },
])

describe('options: what went wrong in silence', () => {
  const connection = (options: object) => () => Connection.client({ ...client, ...options } as never, 0)

  test.each([
    [
      'a time as text, which ended the session at once',
      { idleTimeout: '60000' },
      'idleTimeout must be a number of ms from 0 to 2147483647, where 0 is never, not the text "60000"',
    ],
    ['a time that timers take for 1 ms', { keepalive: 2 ** 31 }, 'keepalive must be a number of ms'],
    ['a name in other letters', { idletimeout: 5 }, 'has no option idletimeout; did you mean idleTimeout?'],
    ['a name of an option inside', { maxInFlight: 1 }, 'has no option maxInFlight; did you mean datagram.maxInFlight?'],
    ['a name that is like none', { colour: 'red' }, 'has no option colour; it has kind, deviceId, psk, '],
    [
      'an order of datagrams that is none',
      { datagram: { delivery: 'ordered' } },
      'datagram.delivery must be "in-order" or "on-arrival"',
    ],
  ])('%s', async (_, options, message) => expect(await faultOf(connection(options))).toContain(message))

  test('a key of the wrong kind is not shown', async () => {
    const secret = 'the secret of the house'
    const faults = [await faultOf(connection({ psk: secret })), await faultOf(connection({ psk: [1, 2, 3] }))]
    expect(faults).toEqual([
      'INVALID_ARGUMENT: an argument is not usable: Connection.client: psk must be a Uint8Array (parsePsk makes one of hex digits), not text',
      'INVALID_ARGUMENT: an argument is not usable: Connection.client: psk must be a Uint8Array (parsePsk makes one of hex digits), not a list',
    ])
  })

  test('a session that cannot begin leaves no transport behind', async () => {
    const transport = silent()
    expect(await faultOf(() => Session.connect(transport, { deviceId, psk, random, hots: 1 } as never))).toContain(
      'hots',
    )
    expect(transport.aborted).toBe(true)
  })

  test('handshakeTimeout: 0 is never, at both ends and on datagrams', () => {
    for (const kind of ['stream', 'datagram'] as const) {
      const common = { kind, random, reliableDatagram: ReliableDatagram, handshakeTimeout: 0 }
      const ends = [Connection.client({ ...common, deviceId, psk }, 0), Connection.server(common, 0)]
      for (const end of ends) end.handleTimeout(25_000)
      expect(ends.map((end) => end.closedReason)).toEqual([undefined, undefined])
    }
  })

  test('a provider of another class or realm is taken', () => {
    const provider = { ...nobleProvider }
    expect(() => Connection.client({ ...client, provider } as never, 0)).not.toThrow()
  })
})
