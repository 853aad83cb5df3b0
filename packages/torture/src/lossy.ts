import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LOOPBACK } from './fleet.js'

const script = fileURLToPath(new URL('../../conformance/src/lossy-relay.mjs', import.meta.url))

/** The lossy relay of the conformance tests, a process of its own; its options are there. */
export async function startLossyRelay(
  to: number,
  options: Readonly<Record<string, number>>,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn(process.execPath, [script, '--to', `${LOOPBACK}:${to}`, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  return {
    port: (JSON.parse(line) as { port: number }).port,
    async stop() {
      const closed = once(child, 'close')
      child.stdin!.end()
      await closed
    },
  }
}
