import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { CipherSuite, listen } from '@usmp/node'
import { build } from 'esbuild'
import { psk } from '../fixtures.js'
import type { Contestant } from '../interleave.js'
import type { Bench } from './bench.js'

/** Where the packages can be resolved from. */
const folder = fileURLToPath(new URL('..', import.meta.url))

/** What a program imports, each with everything that it exports. */
const modules = ['@usmp/core/frame', '@usmp/core/crypto-noble', '@usmp/core', '@usmp/node']

export const bundleSizes: Bench = {
  id: 'bundle-size',
  title: 'Size of a bundle',
  unit: 'bytes',
  about: 'Bundled with all dependencies but Node’s own modules, minified, gzipped.',
  rounds: 1,
  contestants: async () =>
    modules.map(
      (name): Contestant => ({ name, measure: () => bundleSize(`import * as usmp from '${name}'\nconsole.log(usmp)`) }),
    ),
}

async function bundleSize(contents: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
  })
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length
}

const START = 'Node alone'

export const importTimes: Bench = {
  id: 'import-time',
  title: 'Time until a program runs',
  unit: 'ms',
  about: 'From the start of a Node process to its end, with nothing in it but one import.',
  rounds: 7,
  contestants: async () => [
    { name: START, measure: () => processTime('') },
    ...modules.map((name): Contestant => ({ name, limit: START, measure: () => processTime(`import '${name}'`) })),
  ],
}

function processTime(program: string): Promise<number> {
  return runTime(['--input-type=module', '--eval', program], '')
}

async function runTime(args: readonly string[], input: string): Promise<number> {
  const start = performance.now()
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['pipe', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (text) => (complaint += text))
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`a program ended with ${code}: ${complaint}`)
  return performance.now() - start
}

/** The program, as it is built. */
const cli = join(dirname(createRequire(import.meta.url).resolve('@usmp/cli/package.json')), 'dist/cli.js')

export const coldConnect: Bench = {
  id: 'cold-connect',
  title: 'A message by `usmp connect`, from a cold start',
  unit: 'ms',
  about:
    'From the start of the process to its end: connect to a server on this machine, handshake, one message from standard ' +
    'input, BYE. Node alone is a process that does nothing.',
  rounds: 7,
  async contestants(atEnd) {
    const folder = mkdtempSync(join(tmpdir(), 'usmp-bench-'))
    atEnd(() => rmSync(folder, { recursive: true }))
    const key = join(folder, 'device.key')
    writeFileSync(key, psk, { mode: 0o600 })
    const suites = { aes: CipherSuite.AES_256_GCM, chacha: CipherSuite.CHACHA20_POLY1305 }
    const programs: Contestant[] = []
    for (const [suite, id] of Object.entries(suites)) {
      const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => psk, suite: id })
      atEnd(() => server.close())
      const connect = ['connect', '--tcp', server.address, '--id', '02:00:00:00:00:01', '--psk-file', key]
      const measure = () => runTime([cli, ...connect, '--suite', suite], 'hello\n')
      programs.push({ name: `usmp connect, ${suite}`, limit: START, measure })
    }
    return [{ name: START, measure: () => processTime('') }, ...programs]
  },
}
