import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))

/** A program that runs, and everything it has said. */
export interface Program {
  readonly child: ChildProcess
  readonly output: () => string
}

/** The code blocks of a document that begin with a comment naming a file. */
export function snippets(document: string): Map<string, string> {
  const text = readFileSync(join(packageFolder, '../..', document), 'utf8')
  return new Map([...text.matchAll(/```js\n\/\/ (\S+)\n(.*?)```/gs)].map(([, name, code]) => [name!, code!]))
}

/** A folder for one test. It is inside the package, so that its dependencies are found as a user's would be. */
export function programFolder(files: Iterable<readonly [string, string]>): {
  write: (name: string, text: string) => void
  start: (file: string) => Program
} {
  const folder = mkdtempSync(join(packageFolder, 'dist/snippets-'))
  const children: ChildProcess[] = []
  onTestFinished(() => {
    for (const child of children) child.kill()
    rmSync(folder, { recursive: true })
  })
  // As keys have it: of one that others can read, a warning would stand in the output.
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 })
  for (const [name, text] of files) write(name, text)
  return { write, start }

  function start(file: string): Program {
    const child = spawn(process.execPath, [file], { cwd: folder })
    children.push(child)
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    return { child, output: () => output }
  }
}

/** Ends a program as Ctrl-C does. */
export async function interrupt({ child }: Program): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGINT')
  await closed
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
