import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** How long a program may take to say something, its installation included; ms. */
const PATIENCE = 200_000

/** A program that runs in a folder, with everything that it has said on both outputs. */
export interface Running {
  readonly output: string
  /** Resolves when the program has said `text`; rejects, with what it has said, when it ends without or does not in time. */
  says(text: string): Promise<void>
  /** The exit code, once it has ended. */
  readonly ended: Promise<number | null>
  /** Ends it as Ctrl-C does, with all that it started. */
  interrupt(): Promise<void>
}

/** An empty folder of somebody who installs the packages of this repository from a registry. */
export class Folder {
  readonly path: string
  readonly #home: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #running: Program[] = []

  private constructor(path: string, home: string) {
    this.path = path
    this.#home = home
    this.#environment = environment(home)
  }

  /** @param registry its address, for all packages */
  static async create(registry: string): Promise<Folder> {
    const home = await mkdtemp(join(tmpdir(), 'usmp-user-'))
    const path = join(home, 'project')
    await mkdir(path)
    // What this machine needs to reach a registry stays.
    const own = await readFile(process.env.npm_config_userconfig ?? join(homedir(), '.npmrc'), 'utf8').catch(() => '')
    const lines = [own, `registry=${registry}`, `prefix=${join(home, 'global')}`, 'update-notifier=false']
    await writeFile(join(home, '.npmrc'), lines.join('\n'))
    return new Folder(path, home)
  }

  /** A path beside the folder, or in it as `project/…`. */
  file(name: string): string {
    return join(this.#home, name)
  }

  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.path, name), text)
  }

  /** Starts a script of a shell here. */
  start(script: string): Running {
    const program = new Program(script, this.path, this.#environment)
    this.#running.push(program)
    return program
  }

  /**
   * Runs a script of a shell to its end.
   * @throws Error with its output if it fails
   */
  async run(script: string): Promise<string> {
    const program = this.start(script)
    const code = await program.ended
    if (code !== 0) throw new Error(`exit code ${code} of\n${script}\n${program.output}`)
    return program.output
  }

  /** Ends what runs, and removes everything. */
  async remove(): Promise<void> {
    for (const program of this.#running) await program.interrupt()
    await rm(this.#home, { recursive: true, force: true })
  }
}

/** What was there before the runner of these tests: nothing that pnpm and vitest put there. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|VITEST|TEST$|PNPM)/.test(name))
  return Object.fromEntries(own)
}

function environment(home: string): NodeJS.ProcessEnv {
  return {
    ...ownEnvironment(),
    PATH: [join(home, 'global', 'bin'), process.env.PATH].join(delimiter),
    // What a program keeps for its user.
    HOME: home,
    XDG_DATA_HOME: join(home, 'data'),
    npm_config_userconfig: join(home, '.npmrc'),
    // It lies beside the folder of global packages otherwise, which is another one here.
    npm_config_globalconfig: execFileSync('npm', ['config', 'get', 'globalconfig'], { encoding: 'utf8' }).trim(),
    npm_config_cache: join(home, '.npm'),
  }
}

class Program implements Running {
  readonly #child: ChildProcess
  readonly ended: Promise<number | null>
  output = ''
  #over = false
  #listeners: (() => void)[] = []

  constructor(script: string, cwd: string, env: NodeJS.ProcessEnv) {
    // A group of its own, so that what it leaves running can be ended.
    this.#child = spawn('sh', ['-eu', '-c', script], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text
        this.#wake()
      })
    }
    this.ended = once(this.#child, 'close').then(([code]) => {
      this.#over = true
      this.#wake()
      return code
    })
  }

  async says(text: string): Promise<void> {
    const deadline = performance.now() + PATIENCE
    const timer = setTimeout(() => this.#wake(), PATIENCE + 1)
    try {
      while (!this.output.includes(text)) {
        if (this.#over) throw new Error(`it ended without saying «${text}»:\n${this.output}`)
        if (performance.now() > deadline) throw new Error(`it has not said «${text}» so far:\n${this.output}`)
        await new Promise<void>((resolve) => this.#listeners.push(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async interrupt(): Promise<void> {
    try {
      process.kill(-this.#child.pid!, 'SIGINT')
    } catch {
      // It has ended, and all that it started.
    }
    await this.ended
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener()
  }
}
