import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@usmp/core'
import { nodeClock } from '@usmp/node'
import { codeOf, failureOf, pseudoRandom, SimulatedClock, turn } from '@usmp/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Identity } from '../../src/identity.ts'
import { readIdentityFile, writeIdentityFile } from '../../src/node/identity-store.ts'
import { readKnownPeers, updateKnownPeers } from '../../src/node/known-peers-store.ts'

const NOW = new Date('2026-11-30T12:00:00Z')
const identity = Identity.generate(pseudoRandom(5))
const keyNumber = (number: number): Uint8Array => new Uint8Array(32).fill(number + 2, 0, 1)
const windows = process.platform === 'win32'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'usmp-relay-'))
  path = join(folder, 'file')
})
afterEach(() => rm(folder, { recursive: true }))

/** Waits for a lock as long as it takes: how long that is on a busy machine is not what is tested. */
const patientClock = { ...nodeClock, now: () => 0 }
const learn = (number: number, name = `peer ${number}`, at = path) =>
  updateKnownPeers(at, (peers) => peers.learn({ name, publicKey: keyNumber(number) }, NOW), patientClock)

test('files are their owner’s alone, and nothing else is left', async () => {
  await writeIdentityFile(path, identity)
  await updateKnownPeers(join(folder, 'new', 'peers'), (peers) =>
    peers.learn({ name: 'Anna', publicKey: keyNumber(1) }, NOW),
  )
  for (const file of windows ? [] : ['file', 'new/peers'])
    expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600)
  expect((await readdir(folder, { recursive: true })).sort()).toEqual(['file', 'new', join('new', 'peers')])
})

test('what is not there is not there', async () => {
  expect(await readIdentityFile(path)).toBeUndefined()
  expect((await readKnownPeers(path)).list()).toEqual([])
  expect(await readdir(folder)).toEqual([])
})

test('an identity comes back, and the passphrase is asked only where there is one', async () => {
  await writeIdentityFile(path, identity)
  const read = await readIdentityFile(path, () => {
    throw new Error('asked')
  })
  expect(toHex(read!.publicKey)).toBe(toHex(identity.publicKey))
  await writeIdentityFile(path, identity, { passphrase: 'a passphrase', replace: true })
  expect(await readFile(path, 'latin1')).not.toContain(toHex(identity.exportSecret()).slice(0, 8))
  expect(toHex((await readIdentityFile(path, async () => 'a passphrase'))!.publicKey)).toBe(toHex(identity.publicKey))
  expect((await failureOf(readIdentityFile(path))).message).toContain('none was given')
})

test('an identity is not overwritten unless that is asked for', async () => {
  await writeIdentityFile(path, identity)
  const before = await readFile(path, 'utf8')
  const other = Identity.generate(pseudoRandom(6))
  expect(await codeOf(writeIdentityFile(path, other))).toBe('INVALID_ARGUMENT')
  expect(await readFile(path, 'utf8')).toBe(before)
  expect(await readdir(folder)).toEqual(['file'])
})

test.skipIf(windows).each([0o640, 0o604, 0o620, 0o602, 0o610])(
  'a file with the mode %o is refused, with the command that mends it',
  async (mode) => {
    await writeIdentityFile(path, identity)
    await chmod(path, mode)
    const error = await failureOf(readIdentityFile(path))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.hint).toContain(`chmod 600 ${path}`)
    await learnFails()
    await chmod(path, 0o600)
    expect(await readIdentityFile(path)).toBeDefined()
  },
)

async function learnFails(): Promise<void> {
  const before = await readFile(path, 'utf8')
  expect(await codeOf(learn(1))).toBe('INVALID_ARGUMENT')
  expect(await readFile(path, 'utf8')).toBe(before)
  expect(await readdir(folder)).toEqual(['file'])
}

test('many changes at once: none is lost', async () => {
  const numbers = Array.from({ length: 20 }, (_, index) => index)
  await Promise.all(numbers.map((number) => learn(number)))
  const peers = await readKnownPeers(path)
  expect(
    peers
      .list()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(numbers.map((number) => `peer ${number}`).sort())
  expect(await readdir(folder)).toEqual(['file'])
})

test('a changed identity leaves the file as it is, byte by byte', async () => {
  await learn(1, 'Anna')
  const before = await readFile(path)
  const { mtimeMs } = await stat(path)
  expect(await codeOf(learn(2, 'Anna'))).toBe('IDENTITY_CHANGED')
  expect(await readFile(path)).toEqual(before)
  expect((await stat(path)).mtimeMs).toBe(mtimeMs)
  expect(await readdir(folder)).toEqual(['file'])
})

test('a lock that stays is told after a while, and is not broken', async () => {
  await learn(1)
  await writeFile(`${path}.lock`, '')
  const clock = new SimulatedClock()
  const failed = failureOf(updateKnownPeers(path, (peers) => peers.forget('peer 1'), clock))
  let done = false
  void failed.then(() => (done = true))
  while (!done) {
    await turn()
    clock.advance(50)
  }
  expect((await failed).hint).toContain(`remove ${path}.lock`)
  expect((await readdir(folder)).sort()).toEqual(['file', 'file.lock'])
  await rm(`${path}.lock`)
  expect(await updateKnownPeers(path, (peers) => peers.forget('peer 1'))).toBe(true)
})

test.skipIf(windows)('a link stays a link, and two names have one lock', async () => {
  await learn(1)
  const link = join(folder, 'link')
  await symlink(path, link)
  await Promise.all([learn(2, 'Bert', link), learn(3)])
  expect((await readKnownPeers(path)).list().length).toBe(3)
  expect((await readdir(folder)).sort()).toEqual(['file', 'link'])
  expect(await readFile(link, 'utf8')).toBe(await readFile(path, 'utf8'))
})

test('what is no file, not UTF-8, or too long is refused', async () => {
  expect(await codeOf(readIdentityFile(folder))).toBe('INVALID_ARGUMENT')
  await writeFile(path, Buffer.from([0xff, 0xfe]), { mode: 0o600 })
  expect((await failureOf(readKnownPeers(path))).message).toContain('UTF-8')
  await writeFile(path, 'x'.repeat(5000))
  expect((await failureOf(readIdentityFile(path))).message).toContain('more than 4096 bytes')
  await writeFile(path, '')
  expect((await failureOf(readKnownPeers(path))).message).toContain('line 1')
})
