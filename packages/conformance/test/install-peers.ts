import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Installs the published releases once, before the tests; without them nothing here could be said. */
export default function installPeers(): void {
  const installer = fileURLToPath(new URL('../peers/install.py', import.meta.url))
  execFileSync('python3', [installer], { stdio: ['ignore', 'ignore', 'inherit'] })
}
