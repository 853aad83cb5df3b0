import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { toHex } from '@usmp/core'

const folder = fileURLToPath(new URL('..', import.meta.url))
const WAIT = 20_000

/** What the peer says, a JSON object a line (peers/README.md). */
export interface PeerEvent {
  readonly event: 'listening' | 'connected' | 'message' | 'closed' | 'error' | 'done'
  readonly port?: number
  readonly device_id?: string
  readonly session_id?: string
  readonly hex?: string
  readonly reason?: string
  readonly kind?: string
  readonly message?: string
  readonly cmd?: string
}

export interface PeerOptions {
  readonly release: string
  readonly role: 'server' | 'client'
  readonly transport?: 'tcp' | 'udp'
  readonly port?: number
  /** One key for everybody. */
  readonly psk?: Uint8Array
  /** Server: keys by device id; the id "" stands for every other device. */
  readonly table?: Readonly<Record<string, Uint8Array>>
  readonly deviceId?: string
  readonly suite?: 'aes' | 'chacha'
  readonly echo?: boolean
}

/** A published release of the Python package, as a program that a test gives commands to. */
export class PublishedPeer {
  readonly #child: ChildProcess
  readonly #secrets: string
  readonly #events: PeerEvent[] = []
  #wake: (() => void) | undefined
  #log = ''

  private constructor(child: ChildProcess, secrets: string) {
    this.#child = child
    this.#secrets = secrets
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.#events.push(JSON.parse(line))
      this.#wake?.()
    })
    child.stderr!.on('data', (chunk) => (this.#log += chunk))
    child.on('close', () => this.#wake?.())
  }

  static start(options: PeerOptions): PublishedPeer {
    const secrets = mkdtempSync(join(tmpdir(), 'usmp-peer-'))
    const args = [join(folder, 'peers/peer.py'), '--role', options.role]
    const option = (name: string, value: string | number | undefined) => {
      if (value !== undefined) args.push(`--${name}`, String(value))
    }
    option('transport', options.transport)
    option('port', options.port)
    option('id', options.deviceId)
    option('suite', options.suite)
    if (options.echo) args.push('--echo')
    if (options.psk) option('psk-file', write(secrets, 'psk', toHex(options.psk)))
    if (options.table) {
      const table = Object.fromEntries(Object.entries(options.table).map(([id, key]) => [id, toHex(key)]))
      option('psk-table', write(secrets, 'table', JSON.stringify(table)))
    }
    const python = join(folder, '.peers', options.release, 'bin/python')
    return new PublishedPeer(spawn(python, args, { stdio: ['pipe', 'pipe', 'pipe'] }), secrets)
  }

  /** The next event that has not been taken, of this name; those before it stay. */
  async next(event: PeerEvent['event']): Promise<PeerEvent> {
    const deadline = Date.now() + WAIT
    for (;;) {
      const index = this.#events.findIndex((one) => one.event === event)
      if (index >= 0) return this.#events.splice(index, 1)[0]!
      const failed = event === 'done' && this.#events.find((one) => one.event === 'error' && one.cmd)
      if (failed) throw new Error(`the peer could not: ${JSON.stringify(failed)}`)
      if (this.#child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the peer never said "${event}"; it said ${JSON.stringify(this.#events)}\n${this.#log}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, WAIT)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Gives a command; resolves when it is carried out. */
  async command(cmd: string, fields: Record<string, string> = {}): Promise<void> {
    this.#child.stdin!.write(`${JSON.stringify({ cmd, ...fields })}\n`)
    await this.next('done')
  }

  send(message: Uint8Array): Promise<void> {
    return this.command('send', { hex: toHex(message) })
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const closed = once(this.#child, 'close')
      this.#child.stdin!.end()
      await closed
    }
    rmSync(this.#secrets, { recursive: true, force: true })
  }
}

function write(directory: string, name: string, content: string): string {
  const path = join(directory, name)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}
