import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { root } from './pnpm.mjs'

/**
 * Runs a Node program of ours in the foreground until it ends, and ends with its exit code. Ctrl-C is the program's business: the
 * terminal tells it too, and we wait until it has put everything away.
 */
export async function foreground(script, args) {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const [code] = await once(child, 'close')
  process.exit(code ?? 1)
}
