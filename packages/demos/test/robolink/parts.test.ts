import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Pursuit } from '../../src/robolink/autopilot/pursuit.js'
import { loadCertificate } from '../../src/robolink/hub/certificate.js'
import { ControlLease } from '../../src/robolink/hub/control-lease.js'
import { loadKeys } from '../../src/robolink/hub/keys.js'
import { Latest } from '../../src/robolink/hub/latest.js'
import { parseCommand } from '../../src/robolink/operator/commands.js'
import { telemetryLine } from '../../src/robolink/operator/console.js'
import { summarize } from '../../src/robolink/operator/round-trips.js'
import { shownSpan } from '../../src/robolink/page/chart.js'
import { DriveBase } from '../../src/robolink/robot/drive-base.js'
import { logLine, panel, type View } from '../../src/telemetry/show.js'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'robolink-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

describe('the control lease', () => {
  test('belongs to the first, until it is given back', () => {
    const lease = new ControlLease<string>()
    expect(lease.use('a', 0)).toBe(true)
    expect(lease.use('b', 10)).toBe(false)
    expect(lease.take('b', false, 10)).toBe(false)
    expect(lease.release('b')).toBe(false)
    expect(lease.release('a')).toBe(true)
    expect(lease.use('b', 20)).toBe(true)
    expect(lease.driver).toBe('b')
  })

  test('can be taken by force, or from somebody who has not driven for five seconds', () => {
    const lease = new ControlLease<string>()
    lease.use('a', 0)
    lease.use('a', 1_000)
    expect(lease.take('b', false, 5_999)).toBe(false)
    expect(lease.take('b', false, 6_000)).toBe(true)
    expect(lease.take('a', true, 6_001)).toBe(true)
    // To drive is not to take it away, however long the other has been idle.
    expect(lease.use('b', 60_000)).toBe(false)
  })
})

describe('the newest value', () => {
  test('is what followers get, however slow they are, until they are called off', async () => {
    const latest = new Latest<number>()
    const end = new AbortController()
    const follower = latest.follow(end.signal)
    const first = follower.next()
    latest.set(1)
    expect(await first).toEqual({ done: false, value: 1 })
    for (const value of [2, 3, 4]) latest.set(value)
    expect(await follower.next()).toEqual({ done: false, value: 4 })
    const none = follower.next()
    end.abort()
    expect(await none).toEqual({ done: true, value: undefined })
  })
})

describe('the pursuit', () => {
  test('brings a robot round a square, close to its sides', () => {
    const waypoints = [
      { x: 1, y: 0 },
      { x: 1, y: 1 },
      { x: 0, y: 1 },
      { x: 0, y: 0 },
    ]
    const pursuit = new Pursuit(waypoints)
    const base = new DriveBase(0)
    for (let now = 0; now < 60_000 && pursuit.reached < 4; now += 100) {
      base.advance(now)
      // It learns everything 100 ms late.
      base.drive(pursuit.steer(base.report(0, now)), now)
    }
    expect(pursuit.reached).toBe(4)
    expect(pursuit.error.rms).toBeLessThan(0.03)
    expect(pursuit.error.worst).toBeLessThan(0.08)
  })

  test('one waypoint where the robot stands already is reached at once, again and again', () => {
    const pursuit = new Pursuit([{ x: 0, y: 0 }])
    for (let i = 0; i < 3; i++) {
      const { v, w } = pursuit.steer({ x: 0, y: 0, theta: 1 })
      expect(Number.isFinite(v) && Number.isFinite(w)).toBe(true)
    }
    expect(pursuit.reached).toBe(3)
  })
})

describe('what an operator types', () => {
  test('becomes a command', () => {
    expect(parseCommand(' drive 0.2  -.1e1 ')).toEqual({ name: 'drive', v: 0.2, w: -1 })
    expect(parseCommand('chat  hello   robot ')).toEqual({ name: 'chat', text: 'hello   robot' })
    expect(parseCommand('watch 02:00:00:00:00:AB')).toEqual({ name: 'watch', robot: '02:00:00:00:00:ab', off: false })
    expect(parseCommand('take force')).toEqual({ name: 'take', force: true })
    expect(parseCommand('rtt')).toEqual({ name: 'rtt', count: 20 })
    expect(parseCommand('')).toBe(undefined)
    expect(parseCommand('# a comment')).toBe(undefined)
  })

  test.each([
    'drive nan 1',
    'drive 1 infinity',
    'drive 1e999 0',
    'drive 0x10 0',
    'drive 1',
    'drive 1 2 3',
    'drive "" 0',
    'stop now',
    'watch robbie',
    'rtt 0',
    'rtt 1.5',
    'rtt 99999',
    'wait -1',
    'wait',
    'take it',
    'chat',
    `chat ${'x'.repeat(301)}`,
    'fly',
  ])('%s is refused with a reason', (line) => {
    expect(() => parseCommand(line)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: expect.any(String) }),
    )
  })
})

test('median and p95 of round trips', () => {
  expect(summarize([5])).toEqual({ count: 1, median: 5, p95: 5 })
  expect(summarize(Array.from({ length: 100 }, (_, i) => 100 - i))).toEqual({ count: 100, median: 50, p95: 95 })
})

describe('the certificate', () => {
  const YEAR = 366 * 86_400_000

  test('is kept while it is good, and made again when it expires or the host is another', async () => {
    const folder = temporaryFolder()
    const first = await loadCertificate(folder, '127.0.0.1')
    expect((await loadCertificate(folder, 'localhost')).fingerprint).toBe(first.fingerprint)
    expect((await loadCertificate(folder, '127.0.0.1', Date.now() + YEAR)).fingerprint).toBe(first.fingerprint)
    const other = await loadCertificate(folder, 'robots.example')
    expect(other.fingerprint).not.toBe(first.fingerprint)
    const late = await loadCertificate(folder, 'robots.example', Date.now() + 2 * YEAR)
    expect(late.fingerprint).not.toBe(other.fingerprint)
    expect(statSync(join(folder, 'tls-key.pem')).mode & 0o777).toBe(0o600)
  })
})

describe('the key file', () => {
  test('is made once, with a key for everybody', async () => {
    const folder = join(temporaryFolder(), 'state')
    const { robots, operators } = await loadKeys(folder)
    expect([...robots.values()].map(({ name }) => name)).toEqual(['robot-1'])
    expect([...operators.values()].map(({ name }) => name)).toEqual(['page', 'terminal', 'autopilot'])
    const again = await loadKeys(folder)
    expect(again.robots).toEqual(robots)
    const psk = readFileSync(join(folder, 'page.psk'), 'utf8').trim()
    expect(Buffer.from(operators.get('02:00:00:00:01:01')!.psk).toString('hex')).toBe(psk)
  })

  test.each([
    ['an id that is none', { robots: { robbie: { name: 'x', psk: '11'.repeat(32) } }, operators: {} }],
    ['a key that is none', { robots: { '02:00:00:00:00:01': { name: 'x', psk: 'secret!' } }, operators: {} }],
    ['no operators', { robots: {} }],
  ])('with %s it is refused, and the error shows no key', async (_, content) => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'keys.json'), JSON.stringify(content), { mode: 0o600 })
    const error = await loadKeys(folder).catch((error) => error)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('keys.json') })
    expect(`${error.message}${error.hint}`).not.toContain('secret!')
  })
})

describe('a line of telemetry fits into 80 columns', () => {
  test.each([0, 65_000])('of a robot, %d ms old', (age) => {
    const pose = { x: -12.34, y: -12.34, theta: -Math.PI, v: -0.5, w: -2, left: -0.5, right: -0.5 }
    const line = telemetryLine({ n: 99_999, t: 0, ...pose, battery: 1, temperature: 45.6, state: 'driving', age })
    expect([...line].length).toBeLessThanOrEqual(80)
  })

  test('of this machine, and all of its panel', () => {
    const frame = { version: 2, type: 0x10, flags: 0, seq: 4_000_000_000, payload: new Uint8Array(180) }
    const view = {
      gateway: '127.0.0.1:65535',
      device: 'device in TypeScript',
      deviceId: '02:00:00:00:00:01',
      sessionId: '00'.repeat(16),
      suite: 'ChaCha20-Poly1305',
      readings: 100_000,
      reading: { n: 99_999, load: 12.34, memory: 123_456, memoryTotal: 128_000, temperature: 45.6 },
      roundTrips: [123.45],
      lastFrame: { frame, fromDevice: true },
      frames: 1_000_000,
    } as unknown as View
    expect([...logLine(view)].length).toBeLessThanOrEqual(80)
    for (const line of stripVTControlCharacters(panel(view)).split('\n')) {
      expect([...line].length).toBeLessThanOrEqual(80)
    }
  })
})

test('a chart shows the first seconds over its whole width, and not a minute that is empty', () => {
  expect([0, 9, 11, 45, 60, 200, 600, 9_000].map((age) => shownSpan(age, 600))).toEqual([
    10, 10, 20, 60, 60, 300, 600, 600,
  ])
  expect([0, 31, 59, 61].map((age) => shownSpan(age, 60))).toEqual([10, 60, 60, 60])
})
