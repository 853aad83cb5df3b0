import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { toHex } from '@usmp/core'
import { buildC, cFolder } from './c-build.js'

const WAIT = 60_000

/** Compiles the program of {@link CSensor}; costs little when it is there. It has MQTT where libmosquitto is. */
export function buildCSensor(): void {
  buildC('usmp-sensor')
}

/** The sensor of firmware-c/examples/sensor as a program of this machine. Call {@link CSensor.stop} in every case. */
export class CSensor {
  /** What it said on the standard error. */
  log = ''
  readonly #child: ChildProcess
  readonly #secrets: string

  /** `secrets` become files of its own: `['--ca', pem]` is handed over as `--ca FILE`. `launcher` starts it in place of the program. */
  constructor(
    connect: string,
    id: string,
    psk: Uint8Array,
    more: readonly string[] = [],
    secrets: readonly (readonly [option: string, text: string])[] = [],
    launcher: readonly string[] = [join(cFolder, 'usmp-sensor')],
  ) {
    this.#secrets = mkdtempSync(join(tmpdir(), 'usmp-sensor-'))
    const files = [['--psk-file', toHex(psk)] as const, ...secrets].flatMap(([option, text]) => {
      const path = join(this.#secrets, option)
      writeFileSync(path, text, { mode: 0o600 })
      return [option, path]
    })
    const [program, ...before] = launcher
    const args = [...before, '--connect', connect, '--id', id, ...files, ...more]
    this.#child = spawn(program!, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr!.on('data', (chunk) => (this.log += chunk))
  }

  /** Waits until it has said what fits. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + WAIT
    while (!pattern.test(this.log) && !this.#ended && Date.now() < deadline) await setTimeout(20)
    const found = pattern.exec(this.log)
    if (!found) throw new Error(`the C sensor never said ${pattern}; it said:\n${this.log}`)
    return found
  }

  /** Waits until it has ended by itself; its exit code. */
  async exited(): Promise<number | null> {
    if (!this.#ended) await once(this.#child, 'close')
    return this.#child.exitCode
  }

  /** Tells it to end, as the system does, and waits for that. */
  async end(): Promise<number | null> {
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    if (!this.#ended) await closed
    return this.#child.exitCode
  }

  /** SIGSTOP holds the program up, SIGCONT lets it go on, SIGKILL lets it vanish. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  async stop(): Promise<void> {
    if (!this.#ended) {
      const closed = once(this.#child, 'close')
      this.#child.kill('SIGKILL')
      await closed
    }
    rmSync(this.#secrets, { recursive: true, force: true })
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}
