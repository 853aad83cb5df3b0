import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { makeKeyFile } from '../src/store/key-file.js'
import { rotateKeyFile } from '../src/store/key-rotation.js'
import { FileKeySealing } from '../src/store/key-sealing.js'
import { layout } from '../src/store/layout.js'
import { openStore, type StoreOptions } from '../src/store/open.js'
import { approved } from './support/records.js'
import { temporaryFolder } from './support/temporary-store.js'

const ID = 'aa:bb:cc:dd:ee:01'
const PSK = Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 1)
const KEY = Uint8Array.from({ length: 32 }, (_, i) => 5 * i + 3)

async function open(folder: string, options: StoreOptions = {}) {
  const store = await openStore(folder, options)
  onTestFinished(() => store.close())
  return store
}

test('a sealed key opens for its device only, and two sealings differ', () => {
  const sealing = new FileKeySealing(Uint8Array.from(KEY))
  const sealed = sealing.seal(ID, PSK)
  expect(sealed).toMatch(/^v1\.[\w-]{80}$/)
  expect(sealing.seal(ID, PSK)).not.toBe(sealed)
  expect(sealing.open(ID, sealed)).toEqual(PSK)
  expect(() => sealing.open('aa:bb:cc:dd:ee:02', sealed)).toThrow('cannot be opened')
  expect(() => new FileKeySealing(Uint8Array.from(PSK)).open(ID, sealed)).toThrow('cannot be opened')
})

test('no other text opens', () => {
  const sealing = new FileKeySealing(Uint8Array.from(KEY))
  const sealed = sealing.seal(ID, PSK)
  const bytes = Buffer.from(sealed.slice(3), 'base64url')
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(bytes)
      changed[at]! ^= flip
      expect(() => sealing.open(ID, `v1.${changed.toString('base64url')}`)).toThrow('cannot be opened')
    }),
  )
  for (const text of ['', 'v1.', 'v1.AAAA', sealed.slice(0, -4), sealed.replace('v1', 'v2'), `${sealed}AAAA`]) {
    expect(() => sealing.open(ID, text)).toThrow('cannot be opened')
  }
})

test('a wrong or missing key file is told when the store is opened, and nothing is made in its place', async () => {
  const folder = await temporaryFolder()
  const { keyFile } = layout(folder)
  await (await open(folder)).close()
  const other = join(folder, 'other.key')
  await makeKeyFile(other)
  await expect(openStore(folder, { keyFile: other })).rejects.toMatchObject({ message: /not that of this store/ })
  await rename(keyFile, `${keyFile}.away`)
  await expect(openStore(folder)).rejects.toMatchObject({ code: 'STORE_FAILED', message: /is missing/ })
  await expect(readFile(keyFile)).rejects.toThrow('ENOENT')
  await writeFile(keyFile, 'no key\n', { mode: 0o600 })
  await expect(openStore(folder)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: /store\.key/ })
  await rename(`${keyFile}.away`, keyFile)
  await open(folder)
})

test('the key file may be kept apart', async () => {
  const folder = await temporaryFolder()
  const keyFile = join(await temporaryFolder(), 'key')
  const store = await open(folder, { keyFile })
  const sealed = store.keys.seal(ID, PSK)
  await store.close()
  await expect(readFile(layout(folder).keyFile)).rejects.toThrow('ENOENT')
  expect((await open(folder, { keyFile })).keys.open(ID, sealed)).toEqual(PSK)
})

test('a rotation seals all keys by a new file, also when it is cut short after its commit', async () => {
  const folder = await temporaryFolder()
  const { keyFile } = layout(folder)
  const first = await open(folder)
  await first.devices.cas(ID, 0, approved('a', { sealedKey: first.keys.seal(ID, PSK) }))
  await first.devices.cas('master', 0, approved('b', { keySource: 'master' }))
  await first.close()
  const oldKey = await readFile(keyFile, 'utf8')
  expect(await rotateKeyFile(folder)).toBe(1)
  const newKey = await readFile(keyFile, 'utf8')
  expect(newKey).not.toBe(oldKey)

  // As if the power had failed between the commit and the renaming of the file.
  await writeFile(`${keyFile}.new`, newKey, { mode: 0o600 })
  await writeFile(keyFile, oldKey, { mode: 0o600 })
  const second = await open(folder)
  const entry = (await second.devices.get(ID))!
  expect(entry.rev).toBe(2)
  expect(second.keys.open(ID, entry.value.sealedKey!)).toEqual(PSK)
  expect(await second.audit.page({ limit: 1 })).toMatchObject([{ action: 'store.rotate-key', detail: /^1 keys/ }])
  expect(await readFile(keyFile, 'utf8')).toBe(newKey)

  await expect(rotateKeyFile(folder)).rejects.toMatchObject({ code: 'STORE_FAILED', message: /open in another/ })
  await second.close()
  // Cut short before its commit: the file that was begun is used by the next attempt, the store stays with the old one.
  await rm(`${keyFile}.new`, { force: true })
  await makeKeyFile(`${keyFile}.new`)
  const third = await open(folder)
  expect(third.keys.open(ID, (await third.devices.get(ID))!.value.sealedKey!)).toEqual(PSK)
  await third.close()
  expect(await rotateKeyFile(folder)).toBe(1)
})

test('the key is wiped when the store is closed', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  const sealed = store.keys.seal(ID, PSK)
  await store.close()
  expect(() => store.keys.open(ID, sealed)).toThrow('cannot be opened')
})
