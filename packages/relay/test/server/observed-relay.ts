import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Node may only read the folder of the program: no files are written, no processes started. */
const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

/** A relay in a process of its own, which tells what it holds. */
export class ObservedRelay {
  readonly folder = mkdtempSync(join(tmpdir(), 'usmp-relay-'))
  url = ''
  /** All that it has said besides its answers. */
  log = ''
  #process: ChildProcess | undefined
  #lines: AsyncIterator<string> | undefined

  static async start({ confined = false } = {}): Promise<ObservedRelay> {
    const relay = new ObservedRelay()
    const program = join(relay.folder, 'relay.mjs')
    await build({
      entryPoints: [fileURLToPath(new URL('./observed-relay-program.ts', import.meta.url))],
      outfile: program,
      bundle: true,
      format: 'esm',
      platform: 'node',
      // `ws` is CommonJS and asks for parts of Node in that way.
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
      logLevel: 'silent',
    })
    const flags = [
      '--expose-gc',
      '--no-warnings',
      ...(confined ? [permission, `--allow-fs-read=${relay.folder}/*`] : []),
    ]
    const child = spawn(process.execPath, [...flags, program], { cwd: relay.folder, stdio: 'pipe' })
    relay.#process = child
    child.stderr.on('data', (chunk) => (relay.log += chunk))
    relay.#lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    relay.url = await relay.#answer()
    return relay
  }

  /** Bytes of objects and buffers after a collection. */
  async memory(): Promise<number> {
    return Number(await this.#ask('memory'))
  }

  async metrics(): Promise<string> {
    return JSON.parse(await this.#ask('metrics'))
  }

  /** Writes what is on the heap, and returns the file. */
  async snapshot(name: string): Promise<string> {
    return this.#ask(`snapshot ${join(this.folder, name)}`)
  }

  /** What lies in its folder. */
  files(): string[] {
    return readdirSync(this.folder)
  }

  /** Ends it in order, and returns its exit code. */
  async end(): Promise<number> {
    const exited = once(this.#process!, 'exit')
    this.#process!.stdin!.end()
    const [code] = await exited
    rmSync(this.folder, { recursive: true })
    return code
  }

  #ask(command: string): Promise<string> {
    this.#process!.stdin!.write(`${command}\n`)
    return this.#answer()
  }

  async #answer(): Promise<string> {
    const line = await this.#lines!.next()
    if (line.done) throw new Error(`the relay ended: ${this.log}`)
    return line.value
  }
}
