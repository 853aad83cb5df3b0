import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../../../scripts/pnpm.mjs'
import type { Manifest, Package } from './packages.ts'

const run = promisify(execFile)
const STORE = join(root, 'node_modules/.pnpm')
/** Bytes of the largest tarball. */
const MAX_TARBALL = 256 * 1024 * 1024

/**
 * Every package of others that the lock file has brought, as it was published. Tests that install from these find the same ones
 * each time: what was published today changes no result, and a slow registry holds nothing up.
 */
export async function thirdParty(): Promise<Package[]> {
  const entries = await readdir(STORE)
  const folders = await Promise.all(entries.map((entry) => packagesIn(join(STORE, entry, 'node_modules'))))
  return Promise.all(folders.flat().map(read))
}

/** The folders of packages that are there themselves: those that they need are links. */
async function packagesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== '.bin')
  const found = folders.map(({ name }) =>
    name.startsWith('@') ? packagesIn(join(path, name)) : Promise.resolve([join(path, name)]),
  )
  return (await Promise.all(found)).flat()
}

async function read(folder: string): Promise<Package> {
  const manifest: Manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  let packed: Promise<Buffer> | undefined
  return { manifest, tarball: () => (packed ??= pack(folder)) }
}

/** Files of the same content are one file in pnpm's store, so without dereferencing they would be links, which npm leaves out. */
async function pack(folder: string): Promise<Buffer> {
  const options = { encoding: 'buffer', maxBuffer: MAX_TARBALL } as const
  const { stdout } = await run(
    'tar',
    ['-cz', '--hard-dereference', '--exclude=./node_modules', '--transform=s,^\\.,package,', '-C', folder, '.'],
    options,
  )
  return stdout
}
