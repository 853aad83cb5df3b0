import type { AuditEntry, Device, LiveMessage } from '@usmp/gateway/contract'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayLog } from '../src/gateway/log.js'
import { MAX_LINES } from '../src/gateway/log-limits.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const ID = '02:73:69:6d:00:01'
const BROKER = { state: 'connected', url: 'mqtt://broker', since: 0, reason: null, nextTryAt: null } as const
const STORE = { state: 'ok', since: 0, reason: null } as const
const JOIN = { open: false, until: null, remaining: null, left: null, suffix: null, openedBy: null, overflow: 0 }

function deviceOf(more: Partial<Device> = {}): Device {
  const base = { id: ID, rev: 1, state: 'approved', name: '', session: null, knock: null, attempts: null, alarms: [] }
  return { ...base, ...more } as unknown as Device
}

/** A log, and what it reads. */
function start(devices: Device[] = []) {
  const lines: string[] = []
  const events: unknown[] = []
  const queue: LiveMessage[] = [
    { type: 'snapshot', now: 0, devices, join: JOIN, broker: BROKER, store: STORE, knocksWhileClosed: 0 },
  ]
  let wake = () => {}
  const limits: Record<string, number> = {}
  const entries = [{ seq: 1, action: 'device.register', object: ID, actor: 'bob', result: 'ok' } as AuditEntry]
  const gateway = {
    system: () => ({ limits: { ...limits } }) as never,
    async *live(signal: AbortSignal) {
      while (!signal.aborted) {
        const message = queue.shift()
        if (message) yield message
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
  const audit = { page: async ({ limit }: { limit: number }) => [...entries].reverse().slice(0, limit) }
  const log = new GatewayLog({ gateway, audit }, (text, fields) => {
    lines.push(text)
    events.push(fields)
  })
  void log.run()
  return {
    log,
    lines,
    events,
    limits,
    entries,
    async say(...messages: LiveMessage[]) {
      queue.push(...messages)
      wake()
      await vi.advanceTimersByTimeAsync(1000)
    },
  }
}

const device = (more: Partial<Device>): LiveMessage => ({ type: 'device', device: deviceOf(more) })
const attempts = (count: number) => ({ count, lastAt: 0, lastAddress: '192.0.2.7' })
const session = { carrier: 'tcp', address: '192.0.2.1' } as Device['session']

test('one line for each change of broker, store, join window, device and alarm', async () => {
  const { log, lines, events, say } = start([deviceOf()])
  await say()
  expect(lines.splice(0)).toEqual(['the broker mqtt://broker is reached'])
  const rule = { kind: 'above', reading: 'temperature', limit: 30 } as const
  await say(
    device({
      id: '02:73:69:6d:00:02',
      rev: 0,
      state: 'waiting',
      knock: { carrier: 'mqtt', address: 'mqtt:b' } as never,
    }),
    device({ state: 'online', session, name: 'La"mp' }),
    device({ state: 'online', session, name: 'La"mp', alarms: [{ rule, since: 0, value: 31 }] }),
    device({ state: 'online', session }),
    { type: 'broker', broker: { ...BROKER, state: 'failed', reason: 'refused' } },
    { type: 'broker', broker: { ...BROKER, state: 'connecting' } },
    { type: 'broker', broker: { ...BROKER, state: 'failed', reason: 'refused' } },
    device({ state: 'unknown' }),
    { type: 'broker', broker: BROKER },
    device({ state: 'offline' }),
    { type: 'join', join: { ...JOIN, open: true, until: 0, openedBy: 'ada' } },
    { type: 'join', join: JOIN },
    { type: 'store', store: { ...STORE, state: 'read-only', reason: 'disk full' } },
    { type: 'store', store: STORE },
  )
  expect(lines).toEqual([
    '02:73:69:6d:00:02: waits for its approval, from mqtt:b',
    `${ID} "La\\"mp": online, from 192.0.2.1`,
    `${ID} "La\\"mp": alarm: temperature above 30, it is 31`,
    `${ID}: alarm over: temperature above 30`,
    'the broker mqtt://broker is lost: refused',
    'the broker mqtt://broker is reached again',
    `${ID}: offline`,
    'the join window is open until 1970-01-01T00:00:00.000Z, by ada',
    'the join window is closed',
    'the store is read-only: disk full',
    'the store can be written again',
  ])
  expect(events).toContainEqual({ event: 'broker', connected: false, url: 'mqtt://broker', reason: 'refused' })
  log.stop()
})

test('wrong keys and limits are told at once, and then once a minute with how often', async () => {
  const { log, lines, limits, say } = start([deviceOf()])
  await say()
  lines.splice(0)
  for (let count = 1; count <= 20; count++) await say(device({ attempts: attempts(count) }))
  expect(lines.splice(0)).toEqual([`${ID}: wrong key, once, last from 192.0.2.7`])
  limits.lockout = 3
  await vi.advanceTimersByTimeAsync(60_000)
  expect(lines.splice(0).sort()).toEqual([
    `${ID}: wrong key, 19 times, last from 192.0.2.7`,
    'limit reached: lockout, 3 times',
  ])
  await vi.advanceTimersByTimeAsync(300_000)
  expect(lines).toEqual([])
  await say(device({ state: 'revoked', attempts: attempts(2) }))
  expect(lines).toEqual([`${ID}: not let in, as it is revoked, 2 times, last from 192.0.2.7`])
  log.stop()
})

test('who approved, revoked or removed a device is read from the audit log', async () => {
  const { log, lines, entries, say } = start()
  const entry = (action: string, detail = '', result = 'ok') =>
    entries.push({ seq: entries.length + 1, action, object: ID, actor: 'ada', detail, result } as never)
  await say()
  lines.splice(0)
  entry('device.approve')
  entry('device.revoke', '', 'FORBIDDEN')
  entry('device.revoke', 'stolen')
  await say(device({ rev: 2, state: 'revoked' }))
  entry('device.remove')
  await say({ type: 'removed', id: ID })
  expect(lines).toEqual([`${ID} was approved by ada`, `${ID} was revoked by ada: stolen`, `${ID} was removed by ada`])
  log.stop()
})

test('a flood of devices does not hide the gateway, and is bounded', async () => {
  const { log, lines, say } = start()
  await say()
  lines.splice(0)
  const ids = Array.from({ length: 3 * MAX_LINES }, (_, n) => `02:00:00:00:${n >> 8}:${n & 255}`)
  await say(...ids.map((id) => device({ id, state: 'online', session })))
  await say({ type: 'store', store: { ...STORE, state: 'read-only', reason: 'disk full' } })
  expect(lines.length).toBe(MAX_LINES + 1)
  expect(lines.at(-1)).toContain('read-only')
  await vi.advanceTimersByTimeAsync(70_000)
  expect(lines.at(-1)).toBe(`too much at once: ${2 * MAX_LINES} lines were left out`)
  log.stop()
})
