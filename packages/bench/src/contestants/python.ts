import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../python/pair.py', import.meta.url))

/** What the pair can be asked to do. */
export type PythonTask = 'visit' | 'visit-at-once' | 'pour' | 'echo' | 'round-trip'

/** Both ends of the published Python package in one process of their own, which measures itself. */
export interface PythonPair {
  /** The release. */
  readonly version: string
  /** Does a task `count` times; µs of one. */
  measure(task: PythonTask, count: number): Promise<number>
}

/** Starts the interpreter that has the package `usmp`. */
export async function startPythonPair(
  interpreter: string,
  size: number,
  atEnd: (close: () => unknown) => void,
): Promise<PythonPair> {
  const child = spawn(interpreter, [program, String(size)], { stdio: ['pipe', 'pipe', 'inherit'] })
  atEnd(() => end(child))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  async function answer(): Promise<string> {
    const line = await lines.next()
    if (line.done) throw new Error('the Python pair ended')
    return line.value
  }
  return {
    version: await answer(),
    async measure(task, count) {
      child.stdin.write(`${task} ${count}\n`)
      return Number(await answer())
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.stdin?.end()
  await closed
}
