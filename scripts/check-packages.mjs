// Packs every package that is published, lets publint and arethetypeswrong judge what a user would get, and compiles against it.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkTypes } from './check-types.mjs'
import { pack, publicPackages } from './pack.mjs'
import { pnpm } from './pnpm.mjs'

let failed = false
const out = mkdtempSync(join(tmpdir(), 'usmp-pack-'))
const tarballs = new Map()
for (const folder of publicPackages()) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const before = readdirSync(out)
  pack(folder, out)
  const file = readdirSync(out).find((name) => !before.includes(name))
  const tarball = join(out, file)
  // Commands have no types to import.
  const exports = JSON.stringify(manifest.exports ?? {})
  const hasTypes = exports.includes('.d.ts')
  for (const args of [
    ['exec', 'publint', '--strict', tarball],
    ...(hasTypes
      ? [['exec', 'attw', '--profile', exports.includes('"require"') ? 'node16' : 'esm-only', tarball]]
      : []),
  ]) {
    if (pnpm(args, { mayFail: true }) !== 0) failed = true
  }
  if (hasTypes) tarballs.set(manifest.name, tarball)
}
if (!checkTypes(tarballs)) failed = true
rmSync(out, { recursive: true })
process.exit(failed ? 1 : 0)
