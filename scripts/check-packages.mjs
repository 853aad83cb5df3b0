// Packs every package that is published and lets publint and arethetypeswrong judge what a user would get.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pack, publicPackages } from './pack.mjs'
import { pnpm } from './pnpm.mjs'

let failed = false
for (const folder of publicPackages()) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const out = mkdtempSync(join(tmpdir(), 'usmp-pack-'))
  pack(folder, out)
  const tarball = join(out, readdirSync(out)[0])
  // Commands have no types to import.
  const hasTypes = JSON.stringify(manifest.exports ?? {}).includes('.d.ts')
  for (const args of [
    ['exec', 'publint', '--strict', tarball],
    ...(hasTypes ? [['exec', 'attw', '--profile', 'node16', tarball]] : []),
  ]) {
    if (pnpm(args, { mayFail: true }) !== 0) failed = true
  }
  rmSync(out, { recursive: true })
}
process.exit(failed ? 1 : 0)
