import { type Session, UsmpError } from '@usmp/core'
import { collect, deviceNumber, isSettled } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import type { IncomingConnection } from '../src/incoming-connection.ts'
import { SessionRegistry } from '../src/session-registry.ts'

const connection = {} as IncomingConnection

/** What a registry looks at of a session, and how a test ends it. */
function fakeSession(device = 1): { session: Session; end: () => void } {
  const ended = new AbortController()
  const session = { deviceId: deviceNumber(device), signal: ended.signal } as Session
  return { session, end: () => ended.abort(new UsmpError('CLOSED')) }
}

describe('sessions of devices', () => {
  test('are listed and found until they have ended', () => {
    const registry = new SessionRegistry('replace', 10)
    const { session } = fakeSession()
    expect(registry.add(session, connection)).toBeUndefined()
    expect([registry.sessions, registry.get(session.deviceId)]).toEqual([[session], session])
    expect(registry.connectionOf(session)).toBe(connection)
    registry.remove(session)
    expect([registry.sessions, registry.get(session.deviceId)]).toEqual([[], undefined])
    expect(registry.connectionOf(session)).toBeUndefined()
  })

  test('replace: the older one is handed out to be ended, and its end does not hide the newer', () => {
    const registry = new SessionRegistry('replace', 10)
    const [older, newer] = [fakeSession().session, fakeSession().session]
    registry.add(older, connection)
    expect(registry.refusal(older.deviceId)).toBeUndefined()
    expect(registry.add(newer, connection)).toBe(older)
    expect(registry.sessions).toEqual([older, newer])
    registry.remove(older)
    expect(registry.get(newer.deviceId)).toBe(newer)
  })

  test('reject: a second one is refused as long as the first has not ended', () => {
    const registry = new SessionRegistry('reject', 10)
    const { session, end } = fakeSession()
    registry.add(session, connection)
    expect(registry.refusal(session.deviceId)?.code).toBe('DUPLICATE_DEVICE')
    expect(registry.refusal(deviceNumber(2))).toBeUndefined()
    end()
    expect(registry.refusal(session.deviceId)).toBeUndefined()
  })
})

describe('the iteration', () => {
  test('gives out each session once, shared by several loops, and ends behind the last', async () => {
    const registry = new SessionRegistry('replace', 10)
    const loops = [collect(registry), collect(registry)]
    const all = [1, 2, 3].map((device) => fakeSession(device).session)
    for (const session of all) registry.add(session, connection)
    expect(await isSettled(Promise.race(loops))).toBe(false)
    registry.close()
    expect((await Promise.all(loops)).flat()).toHaveLength(3)
    expect(await collect(registry)).toEqual([])
  })

  test('what nobody takes does not pile up: what has ended gives way, and only that', async () => {
    const registry = new SessionRegistry('replace', 2)
    const all = [1, 2, 3, 4].map((device) => fakeSession(device))
    registry.add(all[0]!.session, connection)
    registry.add(all[1]!.session, connection)
    all[1]!.end()
    registry.add(all[2]!.session, connection)
    registry.add(all[3]!.session, connection)
    registry.close()
    expect(await collect(registry)).toEqual([all[0]!.session, all[2]!.session, all[3]!.session])
  })
})
