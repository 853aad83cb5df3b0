import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { Cable } from '@usmp/testing/cable'
import {
  type Implementation,
  implementations,
  type MatrixTransport,
  type Suite,
  suites,
  transports,
} from '../matrix/implementations.js'
import { knownFailures } from '../matrix/known-failures.js'

const DEVICE = 'aa:bb:cc:dd:ee:ff'
/** Longer than any handshake may take. */
const PATIENCE = 120_000

/** One test run of the interop matrix: two implementations, a transport and a suite. */
export interface Cell {
  readonly transport: MatrixTransport
  readonly suite: Suite
  readonly client: Implementation
  readonly server: Implementation
}

/** Every test run that both ends can do. */
export function cells(): Cell[] {
  return transports.flatMap((transport) =>
    suites.flatMap((suite) =>
      implementations.flatMap((client) =>
        implementations
          .filter((server) => client.client.includes(transport) && server.server.includes(transport))
          .filter((server) => client.suites.includes(suite) && server.suites.includes(suite))
          .map((server) => ({ transport, suite, client, server })),
      ),
    ),
  )
}

/** Whether the cell is played in every run of the tests, and not only by `run matrix`. */
export function isInEveryRun({ client, server }: Cell): boolean {
  const runsWith = ({ everyRun }: Implementation, other: Implementation) => !everyRun || everyRun.includes(other.name)
  return runsWith(client, server) && runsWith(server, client)
}

/** Whether the cell has a rekey in it. */
export function rekeys({ transport, client, server }: Cell): boolean {
  const fails = ({ name }: Implementation) =>
    knownFailures.some((one) => one.step === 'rekey' && one.transport === transport && one.peer === name)
  return [client, server].every((end) => end.rekey && !fails(end))
}

/** Plays one cell by the contract of matrix/README.md. Throws an Error that says what each side said. */
export async function play(cell: Cell): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'usmp-matrix-'))
  const pskFile = join(folder, 'psk')
  writeFileSync(pskFile, randomBytes(32).toString('hex'), { mode: 0o600 })
  const running: Program[] = []
  let cable: Cable | undefined
  try {
    cable = cell.transport === 'serial' ? await Cable.laid() : undefined
    const common = ['--transport', cell.transport, '--psk-file', pskFile, '--id', DEVICE, '--suite', cell.suite]
    const server = new Program(cell.server, 'server', [...common, '--at', cable?.far ?? '127.0.0.1:0'])
    running.push(server)
    const [port] = await server.says('listening')
    const rekey = rekeys(cell) ? ['--rekey'] : []
    const client = new Program(cell.client, 'client', [...common, '--at', cable?.near ?? `127.0.0.1:${port}`, ...rekey])
    running.push(client)
    const ids = await Promise.all([client.says('connected'), server.says('connected')])
    if (ids[0][0] !== ids[1][0]) throw new Error(`two sessions, not one: ${ids.join(' and ')}`)
    if ((await client.says('echoed'))[0] !== '5') throw new Error('not five messages came back')
    if (rekey.length > 0) await client.says('rekeyed')
    for (const end of [client, server]) {
      const [code] = await end.says('closed')
      if (code !== 'CLOSED') throw new Error(`${end} ended with ${code}\n${end.log}`)
    }
  } finally {
    for (const program of running.reverse()) await program.stop()
    await cable?.remove()
    rmSync(folder, { recursive: true })
  }
}

/** One program of a cell: its lines, and its end. */
class Program {
  log = ''
  readonly #what: string
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  readonly #closed: Promise<unknown>
  #ended = false
  #wake = (): void => {}

  constructor({ name, command }: Pick<Implementation, 'name' | 'command'>, role: string, args: readonly string[]) {
    this.#what = `${name} as ${role}`
    const [program, ...first] = command
    this.#child = spawn(program!, [...first, '--role', role, ...args], { stdio: 'pipe' })
    this.#child.stderr!.on('data', (chunk) => (this.log += chunk))
    this.#child.stdin!.on('error', () => {})
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#lines.push(line)
      this.#wake()
    })
    this.#closed = once(this.#child, 'close').finally(() => {
      this.#ended = true
      this.#wake()
    })
  }

  toString(): string {
    return this.#what
  }

  /** What follows `word` on the next line that begins with it. */
  async says(word: string): Promise<string[]> {
    const deadline = Date.now() + PATIENCE
    for (;;) {
      const index = this.#lines.findIndex((line) => line.split(' ')[0] === word)
      if (index >= 0) return this.#lines.splice(index, 1)[0]!.split(' ').slice(1)
      const late = Date.now() > deadline
      if (this.#ended || late) {
        const why = late ? `did not within ${PATIENCE / 1000} s` : 'ended and did not'
        throw new Error(`${this} ${why} say "${word}"; it said ${JSON.stringify(this.#lines)}\n${this.log}`)
      }
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), pause(1_000)])
    }
  }

  async stop(): Promise<void> {
    this.#child.stdin!.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3_000)
    if (!this.#ended) await this.#closed
    clearTimeout(timer)
  }
}
