import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** A serial cable: two pseudo terminals, joined by socat. */
export class Cable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-cable-'))
  /** Paths of its ends. */
  readonly near = join(this.#folder, 'near')
  readonly far = join(this.#folder, 'far')
  readonly #socat: ChildProcess
  /** Held open: socat takes a port that is closed for the end of the cable. */
  readonly #held: number[] = []

  private constructor() {
    const end = (path: string) => `pty,raw,echo=0,link=${path}`
    this.#socat = spawn('socat', [end(this.near), end(this.far)], { stdio: 'inherit' })
  }

  static async lay(): Promise<Cable> {
    const cable = new Cable()
    while (!existsSync(cable.near) || !existsSync(cable.far)) {
      if (cable.#socat.exitCode !== null) throw new Error('socat could not lay a cable')
      await setTimeout(20)
    }
    cable.#held.push(openSync(cable.near, 'r+'), openSync(cable.far, 'r+'))
    return cable
  }

  async remove(): Promise<void> {
    for (const file of this.#held) closeSync(file)
    if (this.#socat.exitCode === null && this.#socat.signalCode === null) {
      const gone = once(this.#socat, 'exit')
      this.#socat.kill('SIGKILL')
      await gone
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
