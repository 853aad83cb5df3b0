import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** A relay in a process of its own, that can be killed and started again at the same place. */
export class RelayProcess {
  readonly #folder = mkdtempSync(join(tmpdir(), 'usmp-relay-'))
  #process: ChildProcess | undefined
  url = new URL('ws://127.0.0.1:0')

  static async start(): Promise<RelayProcess> {
    const relay = new RelayProcess()
    await build({
      entryPoints: [fileURLToPath(new URL('./relay-program.ts', import.meta.url))],
      outfile: relay.#program,
      bundle: true,
      format: 'esm',
      platform: 'node',
      // `ws` is CommonJS and asks for parts of Node in that way.
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
      logLevel: 'silent',
    })
    await relay.restart()
    return relay
  }

  get #program(): string {
    return join(this.#folder, 'relay.mjs')
  }

  /** Starts it where it was. */
  async restart(): Promise<void> {
    const child = spawn(process.execPath, [this.#program, this.url.port], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#process = child
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    this.url = new URL(line)
  }

  /** As `kill -9`. */
  async kill(): Promise<void> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true })
  }
}
