import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publicPackages } from '../../../scripts/pack.mjs'
import { run } from '../../../scripts/pnpm.mjs'
import { Folder } from '../src/folder.ts'

let folder: Folder
beforeAll(async () => {
  // Nobody answers there: what is packed has to be enough.
  folder = await Folder.create('http://127.0.0.1:9/')
})
afterAll(() => folder?.remove())

test('the packages that a checkout packs can be installed by the command that it prints', async () => {
  const printed = folder.file('printed')
  expect(run('sh', ['-c', `node scripts/pack.mjs > '${printed}'`])).toBe(0)
  const command = /npm install .*$/m.exec(readFileSync(printed, 'utf8'))![0]
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
