// All of RoboLink on this machine: the hub, a robot, the autopilot; what to open and what to type.
// Usage: node main.js [--robot PROGRAM] [options of the hub]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { UsmpError } from '@usmp/core'
import { ExitCode, type Output, parseOptions, runProgram, type Stop } from './command.js'
import { firstIds, pskFile } from './hub/keys.js'
import { pageAddress } from './page/address.js'

const USAGE = `usage: npm start -- [--state FOLDER] [--tcp HOST:PORT] [--udp HOST:PORT] [--https HOST:PORT] [--no-autopilot]`

/** What the hub says when it is ready. */
interface Listening {
  readonly tcp: string
  readonly page: string
  readonly fingerprint: string
  readonly state: string
}

await runProgram(async (output, stop) => {
  const text = { type: 'string' } as const
  const options = parseOptions(USAGE, {
    robot: text,
    state: text,
    tcp: text,
    udp: text,
    https: text,
    'no-autopilot': { type: 'boolean' },
  })
  const children: ChildProcess[] = []
  const start = (program: string, args: readonly string[]) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    return child
  }
  try {
    const { state, tcp, udp, https } = options
    const hubOptions = Object.entries({ state, tcp, udp, https }).flatMap(([name, value]) =>
      value ? [`--${name}`, value] : [],
    )
    const hub = start(process.execPath, [script('hub'), '--json', ...hubOptions])
    const listening = await whenListening(hub, output, stop)
    if (!listening) return hub.exitCode ?? ExitCode.OK
    const peer = (name: keyof typeof firstIds) => [
      ...['--connect', `tcp:${listening.tcp}`, '--id', firstIds[name]],
      ...['--psk-file', pskFile(listening.state, name)],
    ]
    const [program, ...args] = options.robot ? [options.robot] : [process.execPath, script('robot')]
    tell(
      start(program!, [...args, ...peer('robot-1'), '--name', options.robot ? 'Robot in C' : 'Robot in TypeScript']),
      output,
    )
    if (!options['no-autopilot']) {
      tell(start(process.execPath, [script('autopilot'), ...peer('autopilot'), '--robot', firstIds['robot-1']]), output)
    }
    await invite(listening, peer('terminal'), output)
    const gone = children.map((child) => once(child, 'exit').then(() => child))
    const first = await Promise.race([...gone, aborted(stop.signal)])
    // To be stopped is how this ends.
    if (!first) return ExitCode.OK
    const name = first === hub ? 'the hub' : first.spawnargs.includes('--name') ? 'the robot' : 'the autopilot'
    output.status(`${name} has ended, so everything ends`, { event: 'ended', name })
    return first.exitCode || ExitCode.INTERNAL
  } finally {
    await Promise.all(children.map(end))
  }
})

function script(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url))
}

/** Hands on what the hub says, and waits for it to listen; undefined if it ended, or somebody ended us. */
async function whenListening(hub: ChildProcess, output: Output, stop: Stop): Promise<Listening | undefined> {
  const listening = new Promise<Listening>((resolve) => {
    createInterface({ input: hub.stderr! }).on('line', (line) => {
      const said = JSON.parse(line) as { event: string; message?: string; hint?: string } & Listening
      output.status(`hub: ${said.message ?? line}${said.hint ? `\n  ${said.hint}` : ''}`, { ...said })
      if (said.event === 'listening') resolve(said)
    })
  })
  const ended = once(hub, 'close').then(() => undefined)
  return Promise.race([listening, ended, aborted(stop.signal)])
}

/** What to do now. */
async function invite(
  { page, fingerprint, state }: Listening,
  operator: readonly string[],
  output: Output,
): Promise<void> {
  const key = (await readFile(pskFile(state, 'page'), 'utf8')).trim()
  const address = pageAddress(page, { operator: firstIds.page, key })
  const command = ['node', script('operator'), ...operator].map(quote).join(' ')
  const text = `
  The operator's page; what stands behind the # is its key, which never leaves the browser:
    ${address}
  The browser warns about the certificate, as the hub has signed it itself. Go on if its SHA-256 fingerprint is
    ${fingerprint}

  An operator in another terminal (type help there):
    ${command}

  The autopilot drives until somebody takes the wheel (\`take force\`, or the button of the page). Ctrl-C ends everything.
`
  await output.result(text, { event: 'ready', page: address, command, fingerprint })
}

/** Hands on the lines of a child, as they are. */
function tell(child: ChildProcess, output: Output): void {
  child.on('error', (error) => output.error(new UsmpError('INVALID_ARGUMENT', error.message, { cause: error })))
  for (const input of [child.stdout!, child.stderr!]) {
    createInterface({ input }).on('line', (line) => output.status(line, { event: 'said', message: line }))
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill()
  await ended
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

/** For a shell. */
function quote(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
