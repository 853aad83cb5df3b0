import { UsmpError } from '@usmp/core'
import { deviceNumber } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { Admission, type AdmissionLimits } from '../src/admission.ts'
import type { IncomingConnection } from '../src/incoming-connection.ts'

const DEVICE = deviceNumber(1)

/** Connections without sockets, at a time that a test sets. */
class Door {
  now = 1_000
  readonly admission: Admission
  /** What was cut off. */
  readonly destroyed: IncomingConnection[] = []

  constructor(limits: Partial<AdmissionLimits> = {}) {
    const defaults = { maxConnections: 1000, maxConnectionsPerAddress: 250, maxHandshakes: 250 }
    this.admission = new Admission({ ...defaults, ...limits }, () => this.now)
  }

  /** A connection that came in; its handshake fails as a server lets it fail when it is aborted. */
  enter(source: string, options: { deviceId?: string; exempt?: boolean } = {}): IncomingConnection {
    const connection = this.try(source, options)
    if (connection instanceof UsmpError) throw connection
    return connection
  }

  try(source: string, options: { deviceId?: string; exempt?: boolean } = {}): IncomingConnection | UsmpError {
    const destroy = () => this.destroyed.push(connection as IncomingConnection)
    const connection = this.admission.add({ address: `${source}:1`, source, handle: { destroy }, ...options })
    if (connection instanceof UsmpError) return connection
    const { signal } = connection.handshake!
    signal.addEventListener('abort', () => {
      this.admission.fail(connection, signal.reason as UsmpError)
      this.admission.remove(connection)
    })
    return connection
  }

  /** A connection whose device has a session. */
  session(source: string, deviceId = DEVICE): IncomingConnection {
    const connection = this.enter(source)
    this.admission.claim(connection, deviceId)
    this.admission.succeed(connection, deviceId)
    return connection
  }

  wrongProof(source: string, deviceId = DEVICE): void {
    const connection = this.enter(source)
    this.admission.claim(connection, deviceId)
    this.admission.fail(connection, new UsmpError('AUTH_FAILED'))
    this.admission.remove(connection)
  }
}

/** Whether the handshake of a connection is still under way. */
const isUnderWay = ({ handshake }: IncomingConnection) => handshake !== undefined && !handshake.signal.aborted
const codeOf = (outcome: IncomingConnection | UsmpError | undefined) =>
  outcome instanceof UsmpError ? outcome.code : undefined

describe('connections that count', () => {
  test('from add to remove, however often it is called', () => {
    const door = new Door({ maxConnections: 1 })
    const first = door.session('a')
    expect(codeOf(door.try('b'))).toBe('TOO_MANY_CONNECTIONS')
    door.admission.remove(first)
    door.admission.remove(first)
    expect(door.admission.size).toBe(0)
    expect(isUnderWay(door.enter('b'))).toBe(true)
    expect(door.admission.size).toBe(1)
  })

  test('an exempt one does not, and gives way to nobody', () => {
    const door = new Door({ maxConnections: 1, maxHandshakes: 1 })
    const serial = door.enter('/dev/ttyUSB0', { exempt: true })
    const first = door.enter('a')
    const second = door.enter('b')
    expect([serial, first, second].map(isUnderWay)).toEqual([true, false, true])
    expect(door.admission.size).toBe(1)
  })

  test('what a server that closes leaves is destroyed', () => {
    const door = new Door()
    const connections = [door.enter('a'), door.session('b')]
    door.admission.destroyAll()
    expect(door.destroyed).toEqual(connections)
  })
})

describe('who gives way', () => {
  test('sessions never do: in all, and of one address', () => {
    const full = new Door({ maxConnections: 2 })
    full.session('a')
    full.session('b', deviceNumber(2))
    expect(codeOf(full.try('c'))).toBe('TOO_MANY_CONNECTIONS')
    const address = new Door({ maxConnectionsPerAddress: 1 })
    address.session('a')
    expect(codeOf(address.try('a'))).toBe('TOO_MANY_CONNECTIONS')
    expect(isUnderWay(address.enter('b'))).toBe(true)
  })

  test('at a limit of connections first what leaves, longest first, then a handshake', () => {
    const door = new Door({ maxConnections: 3 })
    const leaving = [door.session('a'), door.session('b', deviceNumber(2))]
    for (const connection of leaving) door.admission.leave(connection, connection.deviceId)
    const handshake = door.enter('c')
    door.enter('d')
    expect(door.destroyed).toEqual([leaving[0]])
    door.enter('e')
    expect(door.destroyed).toEqual(leaving)
    expect(isUnderWay(handshake)).toBe(true)
    door.enter('f')
    expect(isUnderWay(handshake)).toBe(false)
  })

  test('at the limit of one address only what is of this address', () => {
    const door = new Door({ maxConnectionsPerAddress: 1 })
    const elsewhere = door.session('b')
    door.admission.leave(elsewhere, DEVICE)
    const first = door.enter('a')
    expect(isUnderWay(door.enter('a'))).toBe(true)
    expect(isUnderWay(first)).toBe(false)
    expect(door.destroyed).toEqual([])
  })

  test('of one device two connections may be leaving; the third cuts off the oldest', () => {
    const door = new Door()
    const connections = [1, 2, 3].map(() => door.session('a'))
    for (const connection of connections) door.admission.leave(connection, DEVICE)
    expect(door.destroyed).toEqual([connections[0]])
  })

  test('a flood from one address ends its own handshakes', () => {
    const door = new Door({ maxHandshakes: 4 })
    const honest = door.enter('honest')
    for (let i = 0; i < 100; i++) door.enter('flood')
    expect(isUnderWay(honest)).toBe(true)
  })

  test('idle handshakes from everywhere keep no newcomer out: the oldest ends', () => {
    const door = new Door({ maxHandshakes: 3 })
    const idle = ['a', 'b', 'c'].map((source) => door.enter(source))
    expect(isUnderWay(door.enter('d'))).toBe(true)
    expect(idle.map(isUnderWay)).toEqual([false, true, true])
  })

  test('an address that has no more than each of the flood loses nothing to newcomers of the flood', () => {
    const door = new Door({ maxHandshakes: 6 })
    const honest = [door.enter('honest'), door.enter('honest')]
    const flood = ['x', 'y']
    for (const source of [...flood, ...flood]) door.enter(source)
    for (let i = 0; i < 100; i++) door.enter(flood[i % 2]!)
    expect(honest.map(isUnderWay)).toEqual([true, true])
  })

  test('half-open handshakes from 40 addresses do not end those of a site whose devices have sessions', () => {
    const door = new Door()
    for (let i = 0; i < 20; i++) door.session('site', deviceNumber(i))
    // More than the share of 250 places that each of 41 addresses could have.
    const honest = Array.from({ length: 16 }, () => door.enter('site'))
    for (let i = 0; i < 4_000; i++) door.enter(`flood ${i % 40}`)
    expect(honest.every(isUnderWay)).toBe(true)
  })

  test('handshakes that were ended but whose sockets are not gone yet do not count as sessions', () => {
    const door = new Door({ maxHandshakes: 20 })
    const honest = Array.from({ length: 5 }, () => door.enter('honest'))
    // As a WebSocket port before the upgrade: the connection is gone only when the event loop comes round.
    for (let i = 0; i < 100; i++) door.admission.add({ address: 'x:1', source: 'x', handle: { destroy() {} } })
    expect(honest.map(isUnderWay)).toEqual(honest.map(() => true))
  })

  test('one session does not let an address keep more than one handshake above the others', () => {
    const door = new Door({ maxHandshakes: 4 })
    door.session('insider')
    const honest = [door.enter('a'), door.enter('b')]
    for (let i = 0; i < 100; i++) door.enter('insider')
    expect(honest.map(isUnderWay)).toEqual([true, true])
  })
})

describe('handshakes of one device', () => {
  test('five from one address at once; the oldest gives way', () => {
    const door = new Door()
    const attempts = Array.from({ length: 6 }, () => {
      const connection = door.enter('a')
      expect(door.admission.claim(connection, DEVICE)).toBeUndefined()
      return connection
    })
    expect(attempts.map(isUnderWay)).toEqual([false, true, true, true, true, true])
  })

  test('the fifth wrong proof locks out the pair, ends its handshakes, and nobody else', () => {
    const door = new Door()
    const meanwhile = door.enter('a')
    door.admission.claim(meanwhile, DEVICE)
    for (let i = 0; i < 5; i++) door.wrongProof('a')
    expect(isUnderWay(meanwhile)).toBe(false)
    expect(codeOf(door.admission.claim(door.enter('a'), DEVICE))).toBe('LOCKED_OUT')
    expect(door.admission.claim(door.enter('b'), DEVICE)).toBeUndefined()
    expect(door.admission.claim(door.enter('a'), deviceNumber(2))).toBeUndefined()
    door.now += 1_000
    expect(door.admission.claim(door.enter('a'), DEVICE)).toBeUndefined()
  })

  test('a device that is known to be locked out before its connection takes nobody else its place', () => {
    const door = new Door({ maxHandshakes: 1 })
    for (let i = 0; i < 5; i++) door.wrongProof('a')
    const honest = door.enter('a')
    expect(codeOf(door.try('a', { deviceId: DEVICE }))).toBe('LOCKED_OUT')
    expect(isUnderWay(honest)).toBe(true)
  })

  test('what proves nothing wrong does not count, and a success forgets', () => {
    const door = new Door()
    for (const code of [
      'TRUNCATED',
      'HANDSHAKE_TIMEOUT',
      'BAD_MAGIC',
      'DUPLICATE_DEVICE',
      'PSK_LOOKUP_FAILED',
    ] as const) {
      for (let i = 0; i < 5; i++) {
        const connection = door.enter('a')
        door.admission.claim(connection, DEVICE)
        door.admission.fail(connection, new UsmpError(code))
        door.admission.remove(connection)
      }
    }
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) door.wrongProof('a')
      door.admission.remove(door.session('a'))
    }
    expect(door.admission.claim(door.enter('a'), DEVICE)).toBeUndefined()
  })

  test('those that a caller names are aborted with his reason', () => {
    const door = new Door()
    const [one, other] = [door.enter('a'), door.enter('a')]
    const { signal } = one!.handshake!
    door.admission.claim(one!, DEVICE)
    door.admission.abortHandshakes(new UsmpError('CLOSED'), ({ deviceId }) => deviceId === DEVICE)
    expect([signal.reason.code, isUnderWay(other!)]).toEqual(['CLOSED', true])
  })
})
