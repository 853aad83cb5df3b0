import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach } from 'vitest'

/** The built programs. */
export const dist = fileURLToPath(new URL('../../dist/robolink/', import.meta.url))

/** Ids of the first key file. */
export const ROBOT = '02:00:00:00:00:01'
export const PAGE = '02:00:00:00:01:01'
export const TERMINAL = '02:00:00:00:01:02'
export const AUTOPILOT = '02:00:00:00:01:03'

/** Something that a program said, as it said it with `--json`. */
export type Said = Readonly<Record<string, unknown>> & { readonly event?: string }

/** A program under test: what it says is kept, line by line. */
export class Program {
  readonly child: ChildProcess
  readonly said: Said[] = []
  readonly #listeners = new Set<() => void>()
  /** Resolves with the exit code, null after a signal. */
  readonly ended: Promise<number | null>

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(command, args, { env: { ...process.env, ...env } })
    for (const stream of [this.child.stdout!, this.child.stderr!]) this.#read(stream)
    // Who has ended does not read.
    this.child.stdin!.on('error', () => {})
    this.ended = once(this.child, 'close').then(([code]) => code as number | null)
    void this.ended.then(() => this.#tell())
  }

  /** The first thing said from `from` on that fits; waits for it. */
  async says(event: string, fits: (said: Said) => boolean = () => true, from = 0): Promise<Said> {
    for (let at = from; ; at++) {
      while (at >= this.said.length) {
        if (this.child.exitCode !== null || this.child.signalCode !== null)
          throw new Error(`ended without ${event}: ${this}`)
        await new Promise<void>((resolve) => this.#listeners.add(resolve))
      }
      const said = this.said[at]!
      if (said.event === event && fits(said)) return said
    }
  }

  /** Everything of this kind that was said. */
  all(event: string): Said[] {
    return this.said.filter((said) => said.event === event)
  }

  write(...lines: string[]): void {
    this.child.stdin!.write(lines.map((line) => `${line}\n`).join(''))
  }

  /** Ends it and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal)
    return this.ended
  }

  toString(): string {
    return this.said.map((said) => JSON.stringify(said)).join('\n')
  }

  #read(stream: NodeJS.ReadableStream): void {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const line of lines) this.said.push(parse(line))
      this.#tell()
    })
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }
}

function parse(line: string): Said {
  try {
    return JSON.parse(line)
  } catch {
    return { text: line }
  }
}

export interface HubProgram {
  readonly program: Program
  readonly tcp: string
  readonly udp: string
  readonly page: string
}

/** Programs of one test in a state folder of their own; all are ended after it. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'robolink-'))
  readonly programs: Program[] = []

  start(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Program {
    const program = new Program(command, args, env)
    this.programs.push(program)
    return program
  }

  file(name: string): string {
    return join(this.folder, name)
  }

  /** Starts a hub, on free ports unless said otherwise, and waits until it listens. */
  async hub(
    args: { tcp?: string; udp?: string; https?: string; serial?: string; page?: string } = {},
  ): Promise<HubProgram> {
    writeFileSync(this.file('index.html'), '<!doctype html><title>a page</title>')
    const any = '127.0.0.1:0'
    const defaults = { tcp: any, udp: any, https: any, state: this.file('state'), page: this.folder }
    const options = Object.entries({ ...defaults, ...args })
    const program = this.start(process.execPath, [
      join(dist, 'hub.js'),
      '--json',
      ...options.flatMap(([name, value]) => [`--${name}`, value]),
    ])
    const { tcp, udp, page } = (await program.says('listening')) as { tcp: string; udp: string; page: string }
    return { program, tcp: `tcp:${tcp}`, udp: `udp:${udp}`, page: `${page}` }
  }

  robot(
    place: string,
    { psk = this.file('state/robot-1.psk'), name = 'robbie', env = {}, args = [] as string[] } = {},
  ): Program {
    const options = ['--connect', place, '--id', ROBOT, '--psk-file', psk, '--name', name, '--json', ...args]
    return this.start(process.execPath, [join(dist, 'robot.js'), ...options], env)
  }

  operator(
    place: string,
    { psk = this.file('state/terminal.psk'), id = TERMINAL, args = [] as string[] } = {},
  ): Program {
    const options = ['--connect', place, '--id', id, '--psk-file', psk, '--json', ...args]
    return this.start(process.execPath, [join(dist, 'operator.js'), ...options])
  }

  autopilot(place: string, args: readonly string[]): Program {
    const options = ['--connect', place, '--id', AUTOPILOT, '--psk-file', this.file('state/autopilot.psk'), '--json']
    return this.start(process.execPath, [join(dist, 'autopilot.js'), ...options, '--robot', ROBOT, ...args])
  }

  /** An operator that carries out these lines and ends. */
  async say(place: string, lines: readonly string[], options = {}): Promise<{ code: number | null; program: Program }> {
    const program = this.operator(place, options)
    program.child.stdin!.end(lines.map((line) => `${line}\n`).join(''))
    return { code: await program.ended, program }
  }

  async close(): Promise<void> {
    await Promise.all(
      this.programs.map((program) => {
        // One that was stopped cannot end.
        program.child.kill('SIGCONT')
        return program.end()
      }),
    )
    rmSync(this.folder, { recursive: true })
  }
}

/** A world for each test of a file. */
export function worlds(): () => World {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(() => world.close())
  return () => world
}
