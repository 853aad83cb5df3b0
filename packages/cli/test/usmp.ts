import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const PROGRAM = fileURLToPath(new URL('../build/cli.js', import.meta.url))
export const DEVICE = 'aa:bb:cc:dd:ee:ff'
export const OTHER_DEVICE = '24:6f:28:a1:b2:c3'
/** Two keys in hex. */
export const KEY = '8f1d4c0ab2739e56d1c8f4a07b3e5526905cfe1187d2b46a3c09ef5d78a1e2b4'
export const OTHER_KEY = '03b7e95c1fa8642d70eb94ca58d3216f4e8a07c5b9d612f3a87450ce9b1d6ef2'

/** A run of the program; its outputs are collected as text. */
export class Run {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly #ended: Promise<unknown>
  readonly #watchers = new Set<() => void>()

  /** @param leader a program that runs the command given to it */
  constructor(args: readonly string[], nodeArgs: readonly string[] = [], leader: readonly string[] = []) {
    const [command, ...rest] = [...leader, process.execPath, ...nodeArgs, PROGRAM, ...args]
    this.child = spawn(command!, rest, { stdio: 'pipe' })
    this.#ended = once(this.child, 'close')
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => this.#grow(() => (this.stdout += text)))
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => this.#grow(() => (this.stderr += text)))
    // It may end before it has read all that a test writes.
    this.child.stdin!.on('error', () => {})
    onTestFinished(async () => {
      this.child.kill('SIGKILL')
      await this.#ended
    })
  }

  #grow(append: () => void): void {
    append()
    for (const watch of this.#watchers) watch()
  }

  write(text: string): this {
    this.child.stdin!.write(text)
    return this
  }

  /** Ends stdin, after `text`. */
  end(text = ''): this {
    this.child.stdin!.end(text)
    return this
  }

  /** The exit code, when all output is there. */
  async exit(): Promise<number | null> {
    await this.#ended
    return this.child.exitCode
  }

  /** Waits until an output has something. */
  async says(output: 'stdout' | 'stderr', what: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = what.exec(this[output])
      if (match) return match
      await new Promise<void>((resolve, reject) => {
        const watch = () => {
          this.#watchers.delete(watch)
          resolve()
        }
        this.#watchers.add(watch)
        void this.#ended.then(() => {
          if (!what.test(this[output])) reject(new Error(`ended without ${what}:\n${this.stdout}\n${this.stderr}`))
        })
      })
    }
  }

  /** The objects of an output, with `--json`. */
  objects(output: 'stdout' | 'stderr' = 'stdout'): Record<string, unknown>[] {
    const lines = this[output].split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }
}

export function usmp(...args: readonly string[]): Run {
  return new Run(args)
}

/** A run with nothing on stdin, to its end. */
export async function done(...args: readonly string[]): Promise<Run & { code: number | null }> {
  const run = usmp(...args).end()
  return Object.assign(run, { code: await run.exit() })
}

/** A directory of this test. */
export async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'usmp-cli-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A file of this test that others cannot read. */
export async function file(content: string | Uint8Array, name = 'file', mode = 0o600): Promise<string> {
  const path = join(await directory(), name)
  await writeFile(path, content, { mode })
  return path
}

export const keyFile = (key = KEY) => file(key, 'device.key')

/** `usmp serve` that listens; its address is HOST:PORT. */
export async function serving(...args: readonly string[]): Promise<Run & { address: string }> {
  const at = args.includes('--tcp') ? [] : ['--tcp', '127.0.0.1:0']
  const run = usmp('serve', ...at, ...args)
  const [, address] = await run
    .says('stderr', /listening on ([\d.]+:\d+)|"address":"([\d.]+:\d+)"/)
    .then(([, a, b]) => ['', a ?? b!])
  return Object.assign(run, { address: address! })
}

/** The options to connect as {@link DEVICE}. */
export async function as(address: string, key = KEY, id = DEVICE): Promise<string[]> {
  return ['--tcp', address, '--id', id, '--psk-file', await keyFile(key)]
}

/** A TCP server that is no USMP server; its address. */
export async function stranger(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await closed(server)
  })
  return addressOf(server)
}

/** An address where nothing listens: a port that was just given back. */
export async function deserted(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = addressOf(server)
  await closed(server)
  return address
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

function addressOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not a TCP server')
  return `127.0.0.1:${address.port}`
}
