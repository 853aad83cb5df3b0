import { SerialMultiplexer, Session, UsmpError } from '@usmp/core'
import { codeOf, DEVICE_ID, DEVICE_ID_BYTES, OTHER_PSK, PSK, textOf, turns, until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import { type AcceptAllOptions, acceptAll } from '../src/accept-all.ts'
import { webRandom } from '../src/random.ts'
import { serialTransport } from '../src/web-serial.ts'
import { serialLine } from './mock-serial-port.ts'

/** A page that serves a line, and the device at its other end, which can restart. */
function page(options: Partial<AcceptAllOptions> = {}) {
  const [near, far] = serialLine()
  const device = new SerialMultiplexer(serialTransport(far))
  const all: AcceptAllOptions = { authorize: () => ({ psk: PSK }), ...options }
  const sessions = acceptAll(serialTransport(near), all)
  onTestFinished(async () => {
    near.unplug()
    await sessions.return()
  })
  /** The device begins again; whatever it knew is gone. */
  const start = (psk = PSK) =>
    Session.connect(device.join(), { random: webRandom, deviceId: DEVICE_ID_BYTES, psk, handshakeTimeout: 1_000 })
  return { near, sessions, start }
}

async function next(sessions: AsyncGenerator<Session, void, undefined>): Promise<Session> {
  const { value } = await sessions.next()
  if (!value) throw new Error('no session came')
  return value
}

test('a device that restarts has its new session at once, and the old one ends with REPLACED', async () => {
  const { sessions, start } = page()
  const [, before] = await Promise.all([start(), next(sessions)])
  const reading = codeOf(before.receive().then(() => before.closed.then((reason) => Promise.reject(reason))))
  const restarted = await start()
  const after = await next(sessions)
  expect(await reading).toBe('REPLACED')
  expect(after.sessionId).toBe(restarted.sessionId)
  await restarted.send('here again')
  expect(textOf(await after.receive())).toBe('here again')
})

test('a session that nobody asked for before the device restarted is not handed out', async () => {
  const { sessions, start } = page()
  const first = sessions.next()
  await start()
  await first
  await start()
  const latest = await start()
  expect((await next(sessions)).sessionId).toBe(latest.sessionId)
})

test('a wrong key is told, and the session that stands goes on', async () => {
  const refused: string[] = []
  const { sessions, start } = page({
    handshakeTimeout: 800,
    onRefused: (deviceId, { code }) => refused.push(`${deviceId} ${code}`),
  })
  const [device, session] = await Promise.all([start(), next(sessions)])
  await expect(start(OTHER_PSK)).rejects.toBeInstanceOf(UsmpError)
  await until(() => refused.length > 0)
  expect(refused).toEqual([`${DEVICE_ID} AUTH_FAILED`])
  await device.send('still here')
  expect(textOf(await session.receive())).toBe('still here')
})

test('strangers with a wrong proof end the loop for nobody', async () => {
  const refused: string[] = []
  const { sessions, start } = page({ handshakeTimeout: 200, onRefused: (_, { code }) => refused.push(code) })
  const first = sessions.next()
  for (let n = 1; n <= 3; n++) {
    const stranger = start(OTHER_PSK).catch((error: UsmpError) => error)
    await until(() => refused.length === n)
    expect(await stranger).toBeInstanceOf(UsmpError)
  }
  const device = await start()
  expect((await first).value).toMatchObject({ sessionId: device.sessionId })
  expect(new Set(refused)).toEqual(new Set(['AUTH_FAILED']))
})

test('a look-up that fails ends no loop, and the next HELLO finds the key', async () => {
  const refused: string[] = []
  let asked = 0
  const authorize = () => {
    if (++asked === 1) throw new Error('no database')
    return { psk: PSK }
  }
  const { sessions, start } = page({ authorize, onRefused: (_, { code }) => refused.push(code) })
  const first = sessions.next()
  await expect(start()).rejects.toMatchObject({ code: 'HANDSHAKE_TIMEOUT' })
  // For a second after the failure no key is looked up again.
  const device = await start().catch(() => start())
  expect((await first).value).toMatchObject({ sessionId: device.sessionId })
  expect(refused).toEqual([])
})

test('a weak key that authorize answers turns one device away, and the line is served on', async () => {
  const refused: string[] = []
  const keys = [new Uint8Array(32), PSK]
  const { sessions, start } = page({
    handshakeTimeout: 800,
    authorize: () => ({ psk: keys.shift()! }),
    onRefused: (deviceId, { code }) => refused.push(`${deviceId} ${code}`),
  })
  const first = sessions.next()
  await expect(start()).rejects.toBeInstanceOf(UsmpError)
  const device = await start()
  expect((await first).value).toMatchObject({ sessionId: device.sessionId })
  expect(refused).toEqual([`${DEVICE_ID} WEAK_PSK`])
})

test('a fault while the page is busy with a session ends the loop when it asks for the next, and not the process', async () => {
  const seen: unknown[] = []
  const note = (error: unknown) => seen.push(error)
  process.on('unhandledRejection', note)
  onTestFinished(() => void process.off('unhandledRejection', note))
  const fault = new Error('the list of the page is full')
  let told = false
  const { sessions, start } = page({
    handshakeTimeout: 800,
    onRefused: () => {
      told = true
      throw fault
    },
  })
  await Promise.all([start(), next(sessions)])
  await expect(start(OTHER_PSK)).rejects.toBeInstanceOf(UsmpError)
  await until(() => told)
  await turns()
  expect(seen).toEqual([])
  await expect(sessions.next()).rejects.toBe(fault)
})

test('the signal ends the session and the loop, and gives the port back', async () => {
  const end = new AbortController()
  const { near, sessions, start } = page({ signal: end.signal })
  const [device, session] = await Promise.all([start(), next(sessions)])
  end.abort()
  expect((await session.closed).code).toBe('CLOSED')
  expect((await device.closed).code).toBe('CLOSED')
  expect(await sessions.next()).toEqual({ done: true, value: undefined })
  expect(near.readable?.locked).toBe(false)
})

test('who leaves the loop ends the session', async () => {
  const { near, sessions, start } = page()
  const starting = start()
  for await (const session of sessions) {
    expect(session.deviceId).toBe(DEVICE_ID)
    break
  }
  expect((await (await starting).closed).code).toBe('CLOSED')
  expect(near.readable?.locked).toBe(false)
})

test('the loop ends with the line', async () => {
  const { near, sessions, start } = page()
  const [, session] = await Promise.all([start(), next(sessions)])
  near.unplug()
  expect((await session.closed).code).toBe('TRANSPORT_FAILED')
  expect((await sessions.next()).done).toBe(true)
})

test('wrong usage is thrown', async () => {
  const { sessions } = page({ handshakeTimeout: -1 })
  expect(await codeOf(sessions.next())).toBe('INVALID_ARGUMENT')
})
