// Packs every package that is to be published into the folder `packed`, for those who install them from a checkout.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, install, pnpm, root } from './pnpm.mjs'

/** The folders of the packages that are to be published. */
export function publicPackages() {
  return readdirSync(join(root, 'packages'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(root, 'packages', name))
    .filter((folder) => isPublic(join(folder, 'package.json')))
}

function isPublic(manifest) {
  try {
    return !JSON.parse(readFileSync(manifest, 'utf8')).private
  } catch {
    return false
  }
}

/** Packs one package, which has to be built, into a folder. */
export function pack(folder, destination) {
  pnpm(['--dir', folder, 'pack', '--pack-destination', destination], { stdio: ['inherit', 'ignore', 'inherit'] })
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const destination = join(root, 'packed')
  rmSync(destination, { recursive: true, force: true })
  mkdirSync(destination)
  console.log('Installing what the lock file names …')
  install()
  console.log('Building every package; this takes a minute or two …')
  build()
  for (const folder of publicPackages()) {
    pack(folder, destination)
    console.log(`Packed ${basename(folder)}`)
  }
  console.log(`Packed into ${destination}. In a folder of your own: npm install ${join(destination, '*.tgz')}`)
}
