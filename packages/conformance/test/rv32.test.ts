import { randomBytes } from 'node:crypto'
import { listen, type Server, type Session } from '@usmp/node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { buildImage, Chip } from '../src/chip.js'

const deviceId = '02:c0:ff:ee:00:01'
const psk = new Uint8Array(randomBytes(32))

/** What a device says in one session, told apart: readings are JSON, answers are plain. */
class Conversation {
  readonly readings: Record<string, unknown>[] = []
  readonly #session: Session
  readonly #messages: AsyncIterator<Uint8Array>

  constructor(session: Session) {
    this.#session = session
    this.#messages = session[Symbol.asyncIterator]()
  }

  async ask(command: string): Promise<string> {
    await this.#session.send(command)
    for (;;) {
      const text = await this.#next()
      if (!text.startsWith('{')) return text
    }
  }

  async read(count: number): Promise<Record<string, unknown>[]> {
    for (const until = this.readings.length + count; this.readings.length < until; ) await this.#next()
    return this.readings.slice(-count)
  }

  async #next(): Promise<string> {
    const { done, value } = await this.#messages.next()
    if (done) throw new Error('the session ended')
    const text = new TextDecoder().decode(value)
    if (text.startsWith('{')) this.readings.push(JSON.parse(text))
    return text
  }
}

let chip: Chip
let gateway: Server | undefined

beforeAll(() => {
  chip = new Chip(buildImage('build.sh'), deviceId, psk)
}, 600_000)

afterEach(() => gateway?.close())

afterAll(() => chip?.powerOff())

async function startGateway(): Promise<Server> {
  return (gateway = await listen({ serial: { name: 'uart', open: () => chip.open() }, psk: { [deviceId]: psk } }))
}

async function nextSession(server: Server): Promise<Session> {
  for await (const session of server) return session
  throw new Error('no session')
}

async function connectDevice(): Promise<{ server: Server; session: Session; device: Conversation }> {
  const server = await startGateway()
  const session = await nextSession(server)
  return { server, session, device: new Conversation(session) }
}

/** In the order of a chip's life: it is switched on once and never reset. */
describe('the C core on an emulated rv32imc chip, over COBS on its UART', () => {
  test('shakes hands behind its boot log, and sends readings', async () => {
    const { session, device } = await connectDevice()
    expect(session.deviceId).toBe(deviceId)
    const [first, second] = await device.read(2)
    expect(chip.line).toMatch(/^\r\nUSMP example, bare metal/)
    expect(second!.n).toBe(Number(first!.n) + 1)
    expect(second!.uptimeMs).toBeGreaterThan(Number(first!.uptimeMs))
    expect(second!.instructions).toBeGreaterThan(Number(first!.instructions))
    expect(second!.freeStack).toBeGreaterThan(0)
    expect(Math.abs(Number(second!.sine))).toBeLessThanOrEqual(1)
    // What crossed the line in clear is the log, not a reading.
    expect(chip.line).not.toContain('uptimeMs')
  })

  test('comes back to a gateway that was closed, and takes commands', async () => {
    const { session, device } = await connectDevice()
    expect(await device.ask('led on')).toBe('ok led on')
    expect((await device.read(1))[0]!.led).toBe(true)
    expect(await device.ask('led off')).toBe('ok led off')
    expect((await device.read(1))[0]!.led).toBe(false)
    expect(await device.ask('echo Grüße, 世界')).toBe('ok echo Grüße, 世界')
    expect(await device.ask('rate 10')).toBe('ok rate 10')
    for (const wrong of ['rate 0', 'rate 51', 'rate x', 'rate ']) expect(await device.ask(wrong)).toMatch(/^error/)
    expect(await device.ask('open the door')).toBe('error no such command')
    expect(await session.ping()).toBeGreaterThan(0)
  })

  test('keeps its session while garbage comes in on the line', async () => {
    const { session, device } = await connectDevice()
    for (let i = 0; i < 20; i++) {
      chip.disturb(Buffer.concat([Buffer.from('login: \0'), randomBytes(700)]))
      chip.disturb(Uint8Array.of(0))
      expect(await device.ask(`echo ${i}`)).toBe(`ok echo ${i}`)
    }
    expect(session.signal.aborted).toBe(false)
  })

  test('gives a session up that was broken off without a word, and makes another', async () => {
    const { server, session } = await connectDevice()
    chip.cut()
    const again = new Conversation(await nextSession(server))
    expect(session.signal.aborted).toBe(true)
    expect(await again.ask('echo back')).toBe('ok echo back')
    // The line was open again at once; that the session was over, the chip found out by itself, and says so to a
    // person who watches the line.
    expect(chip.line).toMatch(/usmp: session ended: IDLE_TIMEOUT\r\n/)
    expect(chip.line).toMatch(/usmp: session established\r\n/)
    expect(chip.line).not.toMatch(/not sent/)
  })
})
