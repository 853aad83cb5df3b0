import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import { pageAddress } from '../../src/robolink/page/address.ts'
import { freePort } from '../programs.ts'

const program = (name: string) => fileURLToPath(new URL(`../../dist/robolink/${name}.js`, import.meta.url))

/** For what happens by itself, ms; a busy machine takes its time. */
export const PATIENCE = { timeout: 20_000 }

/** Debian's Chromium, speaking to nobody but this machine. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  })
}

/** A hub with its own keys on its own ports, and a robot, as programs. */
export interface Rig {
  readonly origin: string
  /** The hub's TCP port. */
  readonly port: number
  /** The page's address with the credentials of an operator that the hub knows. */
  address(operator: 'page' | 'terminal'): string
  /** The key of a robot or operator, in a file. */
  keyFile(name: string): string
  startHub(): Promise<void>
  stopHub(): Promise<void>
  /** The robot's program; `command` is another one than that in TypeScript. */
  startRobot(command?: readonly string[]): ChildProcess
}

export async function rig(): Promise<Rig> {
  const state = mkdtempSync(join(tmpdir(), 'robolink-'))
  const children = new Set<ChildProcess>()
  onTestFinished(async () => {
    for (const child of children) await end(child)
    rmSync(state, { recursive: true })
  })
  const [tcp, https] = [await freePort(), await freePort()]
  const origin = `https://127.0.0.1:${https}`
  const keyFile = (name: string) => join(state, `${name}.psk`)
  let hub: ChildProcess | undefined

  function run(command: readonly string[]): ChildProcess {
    const [file, ...args] = command as [string, ...string[]]
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    return child
  }

  return {
    origin,
    port: tcp,
    keyFile,
    address(operator) {
      const known: Record<string, { name: string; psk: string }> = JSON.parse(
        readFileSync(join(state, 'keys.json'), 'utf8'),
      ).operators
      const [id, { psk }] = Object.entries(known).find(([, { name }]) => name === operator)!
      return pageAddress(origin, { operator: id, key: psk })
    },
    async startHub() {
      hub = run([
        process.execPath,
        program('hub'),
        ...['--state', state, '--json'],
        ...['--tcp', `127.0.0.1:${tcp}`, '--udp', `127.0.0.1:${tcp}`, '--https', `127.0.0.1:${https}`],
      ])
      await untilSaid(hub, '"listening"')
    },
    async stopHub() {
      await end(hub!)
    },
    startRobot(command = [process.execPath, program('robot')]) {
      return run([
        ...command,
        ...['--connect', `tcp:127.0.0.1:${tcp}`, '--id', '02:00:00:00:00:01'],
        ...['--psk-file', keyFile('robot-1'), '--name', 'rover'],
      ])
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  // One that was stopped takes no notice of anything else.
  child.kill('SIGCONT')
  await closed
}

/** Waits for a line on any of its outputs; whatever comes later is read, so that it never waits for us. */
function untilSaid(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const lines: string[] = []
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface(stream).on('line', (line) => {
        lines.push(line)
        if (line.includes(text)) resolve()
      })
    }
    child.once('close', () => reject(new Error(`it ended without saying ${text}:\n${lines.join('\n')}`)))
  })
}

/** Opens the page in a profile of its own. Faults and what the browser reports as errors fail the test. */
export async function openPage(
  browser: Browser,
  address: string,
  {
    expectErrors = false,
    ...look
  }: { expectErrors?: boolean; viewport?: { width: number; height: number }; colorScheme?: 'dark' | 'light' } = {},
): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1440, height: 900 }, ...look })
  const page = await context.newPage()
  const faults: unknown[] = []
  page.on('pageerror', (error) => faults.push(error))
  page.on('console', (message) => message.type() === 'error' && !expectErrors && faults.push(message.text()))
  onTestFinished(async () => {
    await context.close()
    expect(faults).toEqual([])
  })
  await page.goto(address)
  return page
}

/** A figure of the page as a number; NaN while there is none. */
export async function figure(page: Page, id: string): Promise<number> {
  return Number((await page.locator(`#${id}`).textContent())?.replace('−', '-'))
}
