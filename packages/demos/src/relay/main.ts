// A relay on this machine, and a page beside it: what to open and what to type.
// Usage: node main.js [--page-port PORT] [--relay-port PORT]
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startRelay } from '@usmp/relay/server'
import { site } from '../shared/site.js'

/** What the page keeps belongs to its origin, so the port is always the same. */
const PAGE_PORT = '8750'
const RELAY_PORT = '8740'
/** The page may ask any relay, and nothing may become a part of it that is a text. */
const POLICY = ['connect-src ws: wss:', "require-trusted-types-for 'script'", "trusted-types 'none'"]

const text = { type: 'string' } as const
const { values } = parseArgs({ options: { 'page-port': text, 'relay-port': text } })
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const relay = await startRelay({ port: Number(values['relay-port'] ?? RELAY_PORT), open: true }).catch(portTaken)
const server = createServer(site(fileURLToPath(new URL('./page', import.meta.url)), POLICY))
try {
  server.listen(Number(values['page-port'] ?? PAGE_PORT), '127.0.0.1')
  await once(server, 'listening').catch(portTaken)
  const address = `ws://${relay.url.host}`
  const program = join(dirname(createRequire(import.meta.url).resolve('@usmp/cli/package.json')), 'bin/usmp.js')
  console.log(`
  The page:
    http://127.0.0.1:${(server.address() as AddressInfo).port}/#relay=${address}
  Open it in two tabs, or type in another terminal what the page shows. In this checkout that command begins with
    node ${quoted(program)} relay peer --relay ${address}

  Ctrl-C ends everything. The relay has nothing to put away; a page that talks waits for the next one.
`)
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
} finally {
  server.close()
  server.closeAllConnections()
  await relay.close()
}

/** Most likely a relay of the guide, or this program, runs already. */
function portTaken(error: Error): never {
  console.error(
    `${error.message}\nIf something else has that port, end it, or take others: npm run relay-page -- --relay-port 8742 --page-port 8752`,
  )
  process.exit(1)
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
