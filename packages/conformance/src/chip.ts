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

const scripts = new URL('../../../firmware-c/tests/rv32/', import.meta.url)

/** Builds an image by a script of firmware-c/tests/rv32; its path. */
export function buildImage(script: 'build.sh' | 'robot.sh'): string {
  const path = fileURLToPath(new URL(script, scripts))
  const { status, stdout, stderr } = spawnSync('bash', [path], { encoding: 'utf8' })
  // With a tool chain that is not there the script says what to install.
  if (status !== 0) throw new Error(`${path} failed:\n${stdout}${stderr}`)
  return stdout.trim().split('\n').at(-1)!
}

/** An emulated chip whose UART is a Unix socket, with the identity a factory would have written into it. */
export class Chip {
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-chip-'))
  readonly #process: ChildProcess
  readonly #socketPath: string
  /** Everything the chip has put on its line. */
  line = ''
  #open: Socket | undefined

  constructor(image: string, deviceId: string, psk: Uint8Array) {
    this.#socketPath = join(this.#folder, 'uart')
    const identity = join(this.#folder, 'identity')
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
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const gone = once(this.#process, 'exit')
      this.#process.kill()
      await gone
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
