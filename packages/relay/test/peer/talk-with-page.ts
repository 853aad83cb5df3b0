import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { nodeProvider } from '@usmp/node'
import { bundle } from '@usmp/testing/chromium'
import { expect, onTestFinished } from 'vitest'
import { Identity } from '../../src/identity.ts'
import { nodeDial } from '../../src/node-dial.ts'
import { hostByCode } from '../../src/pair-by-code.ts'
import { PairingCode } from '../../src/pairing-code.ts'
import { RelayPeer } from '../../src/peer.ts'
import { startRelay } from '../../src/server.ts'

/** What the page says of itself in the end. */
export interface Report {
  readonly peer: string
  readonly received: readonly string[]
  readonly states: readonly string[]
}

/**
 * Pairs with a page by a code, over a relay, and talks with it.
 * @param openPage opens the page with the search of its address, and gives what it reports
 */
export async function talkWithPage(openPage: (search: string) => Promise<Report>): Promise<void> {
  const server = await startRelay({ port: 0, open: true })
  onTestFinished(() => server.close())
  const { url: relay } = server
  const code = PairingCode.generate()
  const identity = Identity.generate()
  const report = openPage(`?${new URLSearchParams({ relay: relay.href, code: code.toString() })}`)
  const dial = nodeDial()
  const host = hostByCode({ relay, dial, code, identity, name: 'Bank', provider: nodeProvider })
  const paired = await Promise.race([host, report.then((early) => Promise.reject(new Error(JSON.stringify(early))))])
  expect(paired.name).toBe('Page')
  const peer = RelayPeer.start({ relay, dial, keys: identity.pairWith(paired.publicKey), provider: nodeProvider })
  const received: string[] = []
  const said = ['', 'pay 10 euro', 'x'.repeat(2_000)]
  for (const message of said) await peer.channel.send(message)
  while (received.length < 1 + said.length) received.push(Buffer.from((await peer.channel.receive())!).toString())
  await peer.close()
  expect(received).toEqual(['hello', ...said])
  const there = await report
  expect([there.peer, there.received]).toEqual(['Bank', said])
  expect(there.states).toContain('online')
  expect(there.states.at(-1)).toBe('ended')
}

/** A browser that nobody leads: it is started with an address, and the page there tells the site what came of it. */
export async function reportOf(search: string, command: (url: string, folder: string) => string[]): Promise<Report> {
  const script = await bundle(new URL('./page.ts', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'usmp-browser-'))
  let child: ChildProcess | undefined
  let told: (report: Report) => void = () => {}
  const report = new Promise<Report>((resolve) => (told = resolve))
  const site = createServer(async (request, response) => {
    if (request.method === 'POST') told(JSON.parse(await text(request)) as Report)
    const isScript = request.url === '/script.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><title>USMP</title><script src="/script.js"></script>')
  })
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  onTestFinished(async () => {
    await end(child)
    site.closeAllConnections()
    site.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const { port } = site.address() as AddressInfo
  const [program, ...args] = command(`http://127.0.0.1:${port}/${search}`, folder)
  child = spawn(program!, args, {
    stdio: 'ignore',
    detached: true,
    // The sandbox of WebKit refuses to run as root.
    env: { ...process.env, HOME: folder, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', LC_ALL: 'en_US.UTF-8' },
  })
  return report
}

/** The browser, and what it has started. */
async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return
  process.kill(-child.pid, 'SIGTERM')
  await once(child, 'exit')
}
