import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publicPackages } from '../../../scripts/pack.mjs'
import { root } from '../../../scripts/pnpm.mjs'
import { Folder, ownEnvironment } from '../src/folder.ts'
import { type Registry, serveRegistry } from '../src/packages.ts'

const run = promisify(execFile)

let registry: Registry
let folder: Folder
beforeAll(async () => {
  // What is packed has to be enough.
  registry = await serveRegistry([])
  folder = await Folder.create(registry.url)
})
afterAll(async () => {
  await folder?.remove()
  registry?.close()
})

test('the packages that `npm run pack` packs can be installed by the command that it prints', async () => {
  // In the checkout, which was installed from the registry of this machine.
  const { stdout } = await run('npm', ['run', 'pack'], { cwd: root, env: ownEnvironment() })
  const command = /npm install .*$/m.exec(stdout)![0]
  await folder.run(command)
  expect(readdirSync(folder.file('project/node_modules/@usmp')).sort()).toEqual(
    publicPackages()
      .map((path) => path.split('/').at(-1))
      .sort(),
  )
  expect(await folder.run("node --input-type=module --eval \"import '@usmp/node'; console.log('loaded')\"")).toContain(
    'loaded',
  )
  expect(await folder.run('npx usmp --version')).toMatch(/^\d+\.\d+\.\d+$/m)
})
