import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('../..', import.meta.url))
/** What the command is made of, those that others need first. */
const NAMES = ['core', 'node', 'cli']

/** A folder outside of this project, in which the packages are installed as a user gets them. */
export class Installed {
  readonly folder: string
  /** Where `npm install` has put the commands. */
  readonly bin: string

  private constructor(folder: string) {
    this.folder = folder
    this.bin = join(folder, 'node_modules/.bin')
  }

  /** Packs the packages and installs them from the tarballs; the registry is asked only for packages of others. */
  static async make(): Promise<Installed> {
    buildIfStale()
    const folder = await mkdtemp(join(tmpdir(), 'usmp-installed-'))
    for (const name of NAMES) pnpm('--dir', join(packages, name), 'pack', '--pack-destination', folder)
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }))
    const tarballs = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--omit=optional']
    execFileSync('npm', ['install', ...quiet, ...tarballs.map((file) => `./${file}`)], { cwd: folder, stdio: 'pipe' })
    return new Installed(folder)
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }
}

/** `npm test` builds before it tests. Whoever runs this test alone may have changed a source since. */
function buildIfStale(): void {
  const stale = NAMES.filter((name) => {
    const built = join(packages, name, 'dist')
    if (!existsSync(built)) return true
    return newest(join(packages, name, 'src')) > newest(built)
  })
  if (stale.length > 0) for (const name of NAMES) pnpm('--dir', join(packages, name), 'run', 'build')
}

/** When a file below a folder was changed last. */
function newest(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Math.max(...files.map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs))
}

function pnpm(...args: readonly string[]): void {
  execFileSync('pnpm', args, { stdio: 'pipe' })
}
