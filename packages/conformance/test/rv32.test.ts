import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { listen, type Server, type Session } from '@usmp/node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

const buildScript = fileURLToPath(new URL('../../../firmware-c/tests/rv32/build.sh', import.meta.url))
const deviceId = '02:c0:ff:ee:00:01'
const psk = new Uint8Array(randomBytes(32))

/** An emulated chip whose UART is a Unix socket, with the identity a factory would have written into it. */
class Chip {
  readonly #process: ChildProcess
  readonly #socketPath: string
  /** Everything the chip has put on its line. */
  line = ''
  #open: Socket | undefined

  constructor(image: string, folder: string) {
    this.#socketPath = join(folder, 'uart')
    const identity = join(folder, 'identity')
    const id = Buffer.from(deviceId.replaceAll(':', ''), 'hex')
    writeFileSync(identity, Buffer.concat([Buffer.from('USMP'), id, Buffer.alloc(2), psk, randomBytes(32)]))
    const machine = ['-M', 'virt', '-cpu', 'rv32,a=false,f=false,d=false', '-bios', 'none', '-icount', 'shift=0']
    const memory = ['-kernel', image, '-device', `loader,file=${identity},addr=0x80400000,force-raw=on`]
    const line = ['-display', 'none', '-monitor', 'none', '-serial', `unix:${this.#socketPath},server=on,wait=on`]
    this.#process = spawn('qemu-system-riscv32', [...machine, ...memory, ...line], { stdio: 'ignore' })
  }

  /** Opens the line, as soon as there is one. */
  async open(): Promise<Duplex> {
    for (const giveUp = Date.now() + 10_000; ; ) {
      const socket = connectSocket(this.#socketPath)
      try {
        await once(socket, 'connect')
        socket.on('data', (chunk) => (this.line += chunk.toString('latin1')))
        this.#open = socket
        return socket
      } catch (error) {
        if (Date.now() > giveUp || this.#process.exitCode !== null) throw error
        await setTimeout(50)
      }
    }
  }

  /** Bytes that nobody meant to send, on their way to the chip. */
  disturb(noise: Uint8Array): void {
    this.#open?.write(noise)
  }

  /** The gateway's end of the line is torn out. */
  cut(): void {
    this.#open?.destroy()
  }

  async powerOff(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill()
    await gone
  }
}

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

let image: string
let folder: string
let chip: Chip
let gateway: Server | undefined

beforeAll(() => {
  const build = spawnSync('bash', [buildScript], { encoding: 'utf8' })
  // With a tool chain that is not there the script says what to install.
  if (build.status !== 0) throw new Error(`${buildScript} failed:\n${build.stdout}${build.stderr}`)
  image = build.stdout.trim().split('\n').at(-1)!
  folder = mkdtempSync(join(tmpdir(), 'usmp-rv32-'))
  chip = new Chip(image, folder)
}, 180_000)

afterEach(() => gateway?.close())

afterAll(async () => {
  await chip?.powerOff()
  if (folder) rmSync(folder, { recursive: true })
})

async function startGateway(): Promise<Server> {
  return (gateway = await listen({ serial: { name: 'uart', open: () => chip.open() }, psk: { [deviceId]: psk } }))
}

async function nextSession(server: Server): Promise<Session> {
  for await (const session of server) return session
  throw new Error('no session')
}

async function meet(): Promise<{ server: Server; session: Session; device: Conversation }> {
  const server = await startGateway()
  const session = await nextSession(server)
  return { server, session, device: new Conversation(session) }
}

/** In the order of a chip's life: it is switched on once and never reset. */
describe('the C core on an emulated rv32imc chip, over COBS on its UART', () => {
  test('shakes hands behind its boot log, and sends readings', async () => {
    const { session, device } = await meet()
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
    const { session, device } = await meet()
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
    const { session, device } = await meet()
    for (let i = 0; i < 20; i++) {
      chip.disturb(Buffer.concat([Buffer.from('login: \0'), randomBytes(700)]))
      chip.disturb(Uint8Array.of(0))
      expect(await device.ask(`echo ${i}`)).toBe(`ok echo ${i}`)
    }
    expect(session.signal.aborted).toBe(false)
  })

  test('gives a session up that was broken off without a word, and makes another', async () => {
    const { server, session } = await meet()
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
