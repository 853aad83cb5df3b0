import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const HOST = '127.0.0.1'
/** Debian puts it where not every user's PATH leads. */
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`
/** Until it has to listen, ms. */
const START_TIMEOUT = 20_000
/** Another program may take a free port before it does. */
const ATTEMPTS = 3

type Scheme = 'mqtt' | 'mqtts' | 'ws' | 'wss'

/** Options of {@link Mosquitto.start}. */
export interface MosquittoOptions {
  /** A port for each; default `mqtt` alone. */
  readonly listeners?: readonly Scheme[]
  /** For `mqtts` and `wss`, in PEM. With `clientCa` each client must show a certificate of that authority. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly clientCa?: string }
  /** Passwords by user; nobody else is let in then. */
  readonly users?: Readonly<Record<string, string>>
  /** The text of an `acl_file`. */
  readonly acl?: string
  /** More lines for its configuration. */
  readonly config?: string
}

/**
 * The broker mosquitto as a process of its own, on free ports of this machine. Call {@link Mosquitto.stop} in every case; a process that
 * ends by itself takes it along. It owns a folder with its configuration and its log.
 */
export class Mosquitto {
  readonly #folder: string
  readonly #ports: ReadonlyMap<Scheme, number>
  #child: ChildProcess | undefined
  readonly #onExit = () => this.#child?.kill('SIGKILL')

  private constructor(folder: string, ports: ReadonlyMap<Scheme, number>) {
    this.#folder = folder
    this.#ports = ports
    process.on('exit', this.#onExit)
  }

  /**
   * Starts one; resolves when it listens.
   * @throws Error with its log
   */
  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    for (let attempt = 1; ; attempt++) {
      const folder = mkdtempSync(join(tmpdir(), 'usmp-mosquitto-'))
      const ports = await freePorts(options.listeners ?? ['mqtt'])
      writeConfig(folder, ports, options)
      const broker = new Mosquitto(folder, ports)
      try {
        await broker.restart()
        return broker
      } catch (error) {
        await broker.stop()
        if (attempt === ATTEMPTS) throw error
      }
    }
  }

  /** The port of a listener; default that of `mqtt`. */
  port(scheme: Scheme = 'mqtt'): number {
    const port = this.#ports.get(scheme)
    if (port === undefined) throw new Error(`this mosquitto has no listener for ${scheme}`)
    return port
  }

  /** Where a listener is reached; default that of `mqtt`. */
  url(scheme: Scheme = 'mqtt'): string {
    return `${scheme}://${HOST}:${this.port(scheme)}`
  }

  /** The id of its process, while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** What it has written so far. */
  get log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8')
  }

  /** Lets it vanish without a word to its clients. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Starts it again, on the same ports and with nothing remembered; ends it first if it runs. */
  async restart(): Promise<void> {
    await this.#end('SIGTERM')
    const output = openSync(join(this.#folder, 'log'), 'a')
    // A pipe would be held open by one that outlives its test.
    this.#child = spawn('mosquitto', ['-c', join(this.#folder, 'conf')], {
      stdio: ['ignore', output, output],
      env: { ...process.env, PATH },
    })
    closeSync(output)
    let failure: Error | undefined
    this.#child.on('error', (error) => (failure = error))
    const deadline = Date.now() + START_TIMEOUT
    for (const port of this.#ports.values()) {
      while (!(await listens(port))) {
        const ended = this.#child.exitCode !== null || failure
        if (ended || Date.now() > deadline) throw new Error(`mosquitto did not start: ${failure?.message ?? this.log}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }

  async stop(): Promise<void> {
    process.off('exit', this.#onExit)
    await this.#end('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
}

function writeConfig(folder: string, ports: ReadonlyMap<Scheme, number>, options: MosquittoOptions): void {
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const { tls, users, acl, config } = options
  const lines = ['persistence false', 'log_dest stdout', 'set_tcp_nodelay true', `allow_anonymous ${!users}`]
  // Started by root it would become another user, who cannot read these files.
  if (process.getuid?.() === 0) lines.push('user root')
  if (users) lines.push(`password_file ${passwordFile(file, users)}`)
  if (acl !== undefined) lines.push(`acl_file ${file('acl', acl)}`)
  if (config) lines.push(config)
  for (const [scheme, port] of ports) {
    lines.push(`listener ${port} ${HOST}`)
    if (scheme.startsWith('ws')) lines.push('protocol websockets')
    if (!scheme.endsWith('s') || scheme === 'ws') continue
    if (!tls) throw new Error(`${scheme} needs a key and a certificate`)
    lines.push(`keyfile ${file('key.pem', tls.key)}`, `certfile ${file('cert.pem', tls.cert)}`)
    if (tls.clientCa) lines.push(`cafile ${file('ca.pem', tls.clientCa)}`, 'require_certificate true')
  }
  file('conf', `${lines.join('\n')}\n`)
}

function passwordFile(file: (name: string, text: string) => string, users: Readonly<Record<string, string>>): string {
  const entries = Object.entries(users).map(([user, password]) => `${user}:${password}\n`)
  const path = file('passwords', entries.join(''))
  execFileSync('mosquitto_passwd', ['-U', path], { env: { ...process.env, PATH }, stdio: 'pipe' })
  return path
}

/** One that listens for each, then closes: what was free a moment ago mostly still is. */
async function freePorts(schemes: readonly Scheme[]): Promise<Map<Scheme, number>> {
  const ports = new Map<Scheme, number>()
  const servers = schemes.map(() => createServer())
  for (const [index, scheme] of schemes.entries()) {
    const server = servers[index]!
    server.listen(0, HOST)
    await once(server, 'listening')
    ports.set(scheme, (server.address() as AddressInfo).port)
  }
  for (const server of servers) {
    server.close()
    await once(server, 'close')
  }
  return ports
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
