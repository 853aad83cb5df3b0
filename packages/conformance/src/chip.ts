import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { identity, machine } from '../matrix/board.mjs'

const scripts = new URL('../../../firmware-c/tests/rv32/', import.meta.url)

/** Where `peer.sh` leaves the chip of the matrix. */
export const peerImage = join(
  process.env.USMP_CROSS_BUILD ?? fileURLToPath(new URL('../cross/build', scripts)),
  'rv32/usmp-peer-rv32.elf',
)

/** Builds an image by a script of firmware-c/tests/rv32; its path, or the folder of several. */
export function buildImage(
  script: 'build.sh' | 'robot.sh' | 'sensor.sh' | 'peer.sh' | 'pair.sh' | 'updates.sh',
  ...args: readonly string[]
): string {
  const path = fileURLToPath(new URL(script, scripts))
  const { status, stdout, stderr } = spawnSync('bash', [path, ...args], { encoding: 'utf8' })
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

  /** @param flash a file of 32 MiB that is the board's second flash, and outlives the chip */
  constructor(image: string, deviceId: string, psk: Uint8Array, flash?: string) {
    this.#socketPath = join(this.#folder, 'uart')
    const file = join(this.#folder, 'identity')
    writeFileSync(file, identity(deviceId, psk), { mode: 0o600 })
    const line = ['-serial', `unix:${this.#socketPath},server=on,wait=on`]
    this.#process = spawn('qemu-system-riscv32', [...machine(image, file, flash), ...line], { stdio: 'ignore' })
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
