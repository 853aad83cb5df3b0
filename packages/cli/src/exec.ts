import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { Session } from '@usmp/core'
import { readLines, tooLong } from './lines.js'
import type { Output } from './output.js'

/** A command whose input has ended has this long, ms, until it is told to end, and the same again until it is made to. */
const GRACE = 2_000
const NEWLINE = Buffer.from('\n')

/** How a command ended: with an exit code, or by a signal. */
export interface CommandEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * Runs a shell command during a session: each message is a line of its input, each line of its output is a message.
 * When the command ends, so does the session, and the other way round.
 * @param onMessage told of each message before the command gets it; false if it shall be the last
 * @returns what became of the command
 */
export async function runCommand(
  session: Session,
  command: string,
  output: Output,
  onMessage: () => boolean,
): Promise<CommandEnd> {
  const child = spawn(command, {
    shell: true,
    // A process group: what the shell starts can be ended with it, and Ctrl-C is for us alone.
    detached: process.platform !== 'win32',
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, USMP_DEVICE_ID: session.deviceId, USMP_SESSION_ID: session.sessionId },
  })
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  // A command that cannot be started is told below; until then the rejection counts as handled.
  ended.catch(() => {})
  // The command may end without having read everything.
  child.stdin!.on('error', () => {})
  void hasten(session, child, ended)
  const [, [code, signal]] = await Promise.all([
    feed(session, child.stdin!, onMessage),
    collect(session, child, output)
      .then(() => ended)
      .finally(() => session.close()),
  ])
  return { code, signal }
}

async function feed(session: Session, input: Writable, onMessage: () => boolean): Promise<void> {
  try {
    for (let message = await session.receive(); message; message = await session.receive()) {
      const more = onMessage()
      // A command that has closed its input still gets to say what it has to.
      if (input.writable && !input.write(Buffer.concat([message, NEWLINE]))) await roomIn(input)
      if (!more) break
    }
  } catch {
    // Why the session ended is told by who holds it.
  }
  input.end()
}

function roomIn(input: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      input.off('drain', done).off('close', done)
      resolve()
    }
    input.once('drain', done).once('close', done)
  })
}

async function collect(session: Session, child: ChildProcess, output: Output): Promise<void> {
  for await (const line of readLines(child.stdout!)) {
    if (!line.bytes) output.error(tooLong(line, 'the command'))
    // When the session has ended the rest is read and dropped, so that the command is not held up.
    else await session.send(line.bytes).catch(() => {})
  }
}

/** Ends a command that goes on although its session is over. */
async function hasten(session: Session, child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  await session.closed
  const timers = (['SIGTERM', 'SIGKILL'] as const).map((signal, index) =>
    setTimeout(() => endGroup(child, signal), GRACE * (index + 1)),
  )
  await ended.catch(() => {})
  for (const timer of timers) clearTimeout(timer)
}

function endGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid!, signal)
  } catch {
    // It has ended by itself.
  }
}
