import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { certificate } from '../contestants/certificate.js'
import { psk } from '../fixtures.js'

/** Sockets that a process may have, where the system lets it. */
const DESCRIPTORS = 65_536

/** A process that does what it is told, a line each. */
export interface Child {
  /** Sends a line and returns the JSON that answers it. */
  ask(command: string): Promise<unknown>
  end(): Promise<void>
}

export function startChild(program: string, ...args: readonly string[]): Child {
  return startIn([process.execPath, '--expose-gc'], program, args)
}

/** Starts it in another runtime than this one, by its path. */
export function startForeignChild(runtime: string, program: string): Child {
  return startIn([runtime], program, [])
}

function startIn(runtime: readonly string[], program: string, args: readonly string[]): Child {
  const path = fileURLToPath(new URL(`./children/${program}.js`, import.meta.url))
  // A shell raises the limit of open sockets, as far as it may; Node has no call for it.
  const raise = `ulimit -n ${DESCRIPTORS} 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"`
  const child = spawn('sh', ['-c', raise, ...runtime, path, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, USMP_BENCH_PSK: Buffer.from(psk).toString('hex'), USMP_BENCH_CA: certificate.cert },
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async ask(command) {
      child.stdin.write(`${command}\n`)
      const line = await lines.next()
      if (line.done) throw new Error(`${program} ended`)
      return JSON.parse(line.value)
    },
    async end() {
      const closed = once(child, 'close')
      child.stdin.end()
      await closed
    },
  }
}
