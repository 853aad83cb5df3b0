import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../build/host-program.mjs', import.meta.url))

/** Builds the program of the hosts from the sources. */
export async function buildHostProgram(): Promise<void> {
  await build({
    entryPoints: [fileURLToPath(new URL('./host-program.ts', import.meta.url))],
    outfile: PROGRAM,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['ws', 'serialport', 'libsodium', 'dns-packet'],
    tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)),
    logLevel: 'error',
  })
}

/** A program on a host; its output is lines of JSON. */
export class HostRun {
  readonly child: ChildProcess
  readonly lines: Record<string, never>[] = []
  readonly ended: Promise<unknown>
  #stderr = ''
  #wake: () => void = () => {}

  constructor(child: ChildProcess) {
    this.child = child
    this.ended = once(child, 'close').then(() => this.#wake())
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line))
      this.#wake()
    })
    child.stderr!.on('data', (text) => (this.#stderr += text))
  }

  /** The first line, also of those to come, that fits. */
  async says<T>(fits: (line: Record<string, never>) => T | undefined | false): Promise<T> {
    for (let at = 0; ; ) {
      for (; at < this.lines.length; at++) {
        const result = fits(this.lines[at]!)
        if (result) return result
      }
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.#stderr}\n${JSON.stringify(this.lines)}`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** Ends its stdin, and waits for its end. */
  async stop(): Promise<void> {
    this.child.stdin!.end()
    await this.ended
  }
}

/** A host with a network namespace of its own. */
export class Host {
  readonly #pid: number

  constructor(pid: number) {
    this.#pid = pid
  }

  /** `ip` and its arguments, in this host. */
  ip(...args: readonly string[]): void {
    this.#execute('ip', args)
  }

  execute(command: string, ...args: readonly string[]): void {
    this.#execute(command, args)
  }

  run(task: object): HostRun {
    return this.spawn(process.execPath, PROGRAM, JSON.stringify(task))
  }

  spawn(command: string, ...args: readonly string[]): HostRun {
    const [enter, ...rest] = inside(this.#pid)
    const run = new HostRun(spawn(enter!, [...rest, command, ...args], { stdio: 'pipe' }))
    onTestFinished(async () => {
      run.child.kill('SIGKILL')
      await run.ended
    })
    return run
  }

  /** An interface of this host, connected to a port of a switch; without an address it has a link-local one only. */
  plug(lan: Lan, name: string, address?: string): void {
    lan.connect(this.#pid, name)
    if (address !== undefined) this.ip('addr', 'add', address, 'brd', '+', 'dev', name)
    this.ip('link', 'set', name, 'up')
  }

  #execute(command: string, args: readonly string[]): void {
    const [enter, ...rest] = inside(this.#pid)
    execFileSync(enter!, [...rest, command, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  }
}

/** A switch, and hosts at it: real interfaces and real multicasts, in network namespaces that need no rights. */
export class Lan {
  readonly #pid: number
  readonly #switch: string
  #ports = 0

  private constructor(pid: number, name: string) {
    this.#pid = pid
    this.#switch = name
  }

  static async start(): Promise<Lan> {
    const pid = await sleeper(['unshare', '--map-root-user', '--net'])
    const lan = new Lan(pid, 'br0')
    lan.#addSwitch()
    return lan
  }

  /** Another network, with the same rights. */
  another(): Lan {
    const lan = new Lan(this.#pid, 'br1')
    lan.#addSwitch()
    return lan
  }

  async host(): Promise<Host> {
    const host = new Host(await sleeper([...inside(this.#pid), 'unshare', '--net']))
    host.ip('link', 'set', 'lo', 'up')
    return host
  }

  /** A cable from the switch to an interface of a host. */
  connect(pid: number, name: string): void {
    const port = `${this.#switch}p${this.#ports++}`
    this.#ip('link', 'add', port, 'type', 'veth', 'peer', 'name', name, 'netns', String(pid))
    this.#ip('link', 'set', port, 'master', this.#switch, 'up')
  }

  /** What the switch passes on to all of its ports. */
  floods({ multicasts, broadcasts }: { multicasts: boolean; broadcasts: boolean }): void {
    const [mcast, bcast] = [multicasts, broadcasts].map((on) => (on ? 'on' : 'off'))
    for (let port = 0; port < this.#ports; port++) {
      this.#run('bridge', 'link', 'set', 'dev', `${this.#switch}p${port}`, 'mcast_flood', mcast!, 'bcast_flood', bcast!)
    }
  }

  #addSwitch(): void {
    this.#ip('link', 'add', this.#switch, 'type', 'bridge', 'mcast_snooping', '0')
    this.#ip('link', 'set', this.#switch, 'up')
  }

  #ip(...args: readonly string[]): void {
    this.#run('ip', ...args)
  }

  #run(...command: readonly string[]): void {
    const [enter, ...rest] = [...inside(this.#pid), ...command]
    execFileSync(enter!, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
}

/** Runs what follows in the namespaces of a process. */
function inside(pid: number): string[] {
  return ['nsenter', '--user', '--preserve-credentials', '--net', '--target', String(pid)]
}

/** A process that only holds a namespace: it tells that it is there, and ends with the test. */
async function sleeper(prefix: readonly string[]): Promise<number> {
  const [command, ...args] = [...prefix, 'sh', '-c', 'echo ready; exec sleep 600']
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  return child.pid!
}
