import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@usmp/core'
import { buildC, cFolder } from './c-build.js'

/** The program of {@link CRobot}. */
export const cRobotProgram = join(cFolder, 'robolink-robot')

/** Compiles the program of {@link CRobot}; costs little when it is there. */
export function buildCRobot(): void {
  buildC('robolink-robot')
}

/** The robot of firmware-c/examples/robot as a program of this machine. */
export class CRobot {
  /** What it said on the standard error. */
  log = ''
  readonly #child: ChildProcess
  readonly #secrets: string

  constructor(connect: string, id: string, psk: Uint8Array, ...more: string[]) {
    this.#secrets = mkdtempSync(join(tmpdir(), 'usmp-robot-'))
    const pskFile = join(this.#secrets, 'psk')
    writeFileSync(pskFile, toHex(psk), { mode: 0o600 })
    const args = ['--connect', connect, '--id', id, '--psk-file', pskFile, ...more]
    this.#child = spawn(cRobotProgram, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr!.on('data', (chunk) => (this.log += chunk))
  }

  /** Waits for the program to end by itself. */
  async exitCode(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close')
    return this.#child.exitCode
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Lets the program stand still, while what is sent to it piles up, until `resume`. */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    if (this.running) {
      const closed = once(this.#child, 'close')
      this.#child.kill('SIGCONT')
      this.#child.kill()
      await closed
    }
    rmSync(this.#secrets, { recursive: true, force: true })
  }
}
