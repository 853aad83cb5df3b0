import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { until } from './waiting.js'

const PROGRAM = fileURLToPath(new URL('cable.py', import.meta.url))

/** A cable between two pseudo-terminals that can be unplugged and plugged in again. */
export class Cable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-tty-'))
  /** Paths of its ends. */
  readonly near = join(this.#folder, 'near')
  readonly far = join(this.#folder, 'far')
  #program: ChildProcess | undefined

  /** One that is removed when the test ends. */
  static async plugged(): Promise<Cable> {
    const cable = new Cable()
    onTestFinished(() => cable.remove())
    await cable.plug()
    return cable
  }

  /** One that the caller removes. */
  static async laid(): Promise<Cable> {
    const cable = new Cable()
    await cable.plug()
    return cable
  }

  async remove(): Promise<void> {
    await this.unplug()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async plug(): Promise<void> {
    this.#program = spawn('python3', [PROGRAM, this.near, this.far], {
      stdio: ['pipe', 'inherit', 'inherit'],
    })
    await until(() => existsSync(this.near) && existsSync(this.far))
  }

  async unplug(): Promise<void> {
    if (!this.#program || this.#program.exitCode !== null || this.#program.signalCode !== null) return
    this.#program.kill('SIGKILL')
    await once(this.#program, 'exit')
    for (const path of [this.near, this.far]) rmSync(path, { force: true })
  }

  /** Puts bytes on the line, towards the far end. */
  noise(text: string): void {
    const line = openSync(this.near, 'r+')
    writeSync(line, text)
    closeSync(line)
  }
}
