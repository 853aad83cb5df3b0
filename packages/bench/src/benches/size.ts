import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
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
  rounds: 15,
  contestants: async () => [
    { name: START, measure: () => processTime('') },
    ...modules.map((name): Contestant => ({ name, limit: START, measure: () => processTime(`import '${name}'`) })),
  ],
}

async function processTime(program: string): Promise<number> {
  const start = performance.now()
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: folder, stdio: 'inherit' })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`a program ended with ${code}`)
  return performance.now() - start
}
