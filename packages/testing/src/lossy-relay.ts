import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** What the relay does to datagrams; shares from 0 to 1, times in ms one way. */
export interface RelayConditions {
  readonly loss?: number
  readonly duplication?: number
  readonly reordering?: number
  readonly delay?: number
  readonly jitter?: number
  readonly corruption?: number
  readonly seed?: number
  /** The port from which all programs reach the server, as one device does that is started again and again. */
  readonly from?: number
}

/** What the relay has done. */
export interface RelayCounts {
  readonly passed: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  readonly corrupted: number
}

/**
 * A lossy network between UDP programs and a server of this machine. It is a process (lossy-relay-program.mjs), so that a busy test
 * does not delay datagrams. A test starts it, gives its port to the programs, and stops it; an unstopped relay ends with the test
 * process.
 */
export class LossyRelay {
  /** Where programs reach the server through it. */
  readonly port: number
  /** With this seed and the same traffic a run can be repeated. */
  readonly seed: number
  readonly #child: ChildProcess
  readonly #lines: Interface

  private constructor(child: ChildProcess, lines: Interface, port: number, seed: number) {
    this.#child = child
    this.#lines = lines
    this.port = port
    this.seed = seed
  }

  /** @param to the port of the server; without `seed` every run is another one */
  static async start(to: number, conditions: RelayConditions): Promise<LossyRelay> {
    const script = fileURLToPath(new URL('lossy-relay-program.mjs', import.meta.url))
    const options = Object.entries(conditions).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawn(process.execPath, [script, '--to', `127.0.0.1:${to}`, ...options], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout! })
    const [line] = (await once(lines, 'line')) as [string]
    const { port, seed } = JSON.parse(line) as { port: number; seed: number }
    return new LossyRelay(child, lines, port, seed)
  }

  async stop(): Promise<RelayCounts> {
    const line = once(this.#lines, 'line') as Promise<[string]>
    const closed = once(this.#child, 'close')
    this.#child.stdin!.end()
    const [text] = await line
    await closed
    return JSON.parse(text) as RelayCounts
  }
}
