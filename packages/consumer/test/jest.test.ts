import { createRequire } from 'node:module'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Folder } from '../src/folder.ts'
import { packAll, type Registry, serveRegistry } from '../src/packages.ts'

const jest = createRequire(import.meta.url).resolve('jest/bin/jest')

let registry: Registry
let folder: Folder
beforeAll(async () => {
  registry = await serveRegistry(await packAll())
  folder = await Folder.create(registry.url)
  await folder.run('npm install @usmp/core @usmp/node @usmp/browser @usmp/rpc valibot')
})
afterAll(async () => {
  await folder?.remove()
  registry?.close()
})

/** A test of a user's, in CommonJS as Jest 29 runs it. */
const USERS_TEST = `
const { connect, listen } = require('@usmp/node')
const { Session } = require('@usmp/core')
const browser = require('@usmp/browser')
const { rpc } = require('@usmp/rpc')

test('two ends talk', async () => {
  const psk = require('node:crypto').randomBytes(32)
  const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: { 'aa:bb:cc:dd:ee:ff': psk } })
  const session = await connect('usmp://' + server.address, { deviceId: 'aa:bb:cc:dd:ee:ff', psk })
  expect(session).toBeInstanceOf(Session)
  await session.close()
  await server.close()
  expect(typeof browser.connect).toBe('function')
  expect(typeof rpc).toBe('function')
})
`

test('Jest 29 in CommonJS loads every package and lets two ends talk', async () => {
  await folder.write('package.json', JSON.stringify({ name: 'users', private: true, type: 'commonjs' }))
  await folder.write('talk.test.js', USERS_TEST)
  expect(await folder.run(`node '${jest}' --rootDir .`)).toContain('Tests:       1 passed')
})

test('a program in CommonJS needs no require of ESM', async () => {
  const script = "for (const name of ['core', 'node', 'browser', 'rpc']) require('@usmp/' + name)"
  // As Electron and Node before 20.19 are.
  await folder.run(`node --no-experimental-require-module --eval "${script}"`)
})
