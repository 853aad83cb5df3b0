import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { backupStore, restoreStore } from '../src/store/backup.js'
import { layout } from '../src/store/layout.js'
import { openStore, type StoreOptions } from '../src/store/open.js'
import { listFolder } from './support/folders.js'
import { approval, approved } from './support/records.js'
import { temporaryFolder } from './support/temporary-store.js'

const ID = 'aa:bb:cc:dd:ee:01'
const PSK = Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 1)

async function open(folder: string, options: StoreOptions = {}) {
  const store = await openStore(folder, options)
  onTestFinished(() => store.close())
  return store
}

test('a backup of a running gateway gives the same records and audit log in another folder', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  await store.devices.cas(ID, 0, approved('Boiler', { sealedKey: store.keys.seal(ID, PSK) }), approval(ID))
  await store.devices.cas('gone', 0, approved('gone'))
  await store.devices.cas('gone', 1, null)
  const file = join(folder, 'backup')
  expect(await backupStore(folder, file)).toMatchObject({ devices: 1, auditEntries: 1 })
  expect((await stat(file)).mode & 0o777).toBe(0o600)

  const target = await temporaryFolder()
  expect(await restoreStore(file, target)).toMatchObject({ devices: 1, auditEntries: 1 })
  const restored = await open(target, { keyFile: layout(folder).keyFile })
  expect(await restored.devices.list()).toEqual(await store.devices.list())
  expect(await restored.audit.page({ limit: 10 })).toMatchObject([{ action: 'store.restore' }, { object: ID }])
  expect(await restored.audit.verify()).toMatchObject({ intact: true, entries: 2 })
  expect(restored.keys.open(ID, (await restored.devices.get(ID))!.value.sealedKey!)).toEqual(PSK)
  expect((await restored.devices.cas('gone', 0, approved('again'))).rev).toBe(3)
})

test('a restore brings no login back: its person may have logged out since', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  const login = { user: 'anna', generation: 'g', createdAt: 1, lastUsedAt: 1, stepUpUntil: null }
  await store.logins.cas('0'.repeat(64), 0, login)
  await store.devices.cas(ID, 0, approved('Boiler'))
  await backupStore(folder, join(folder, 'backup'))
  const target = await temporaryFolder()
  await restoreStore(join(folder, 'backup'), target)
  const restored = await open(target, { keyFile: layout(folder).keyFile })
  expect(await restored.logins.list()).toEqual([])
  expect(await restored.devices.list()).toHaveLength(1)
})

test('a backup holds no key, and not the key file', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  await store.devices.cas(ID, 0, approved('Boiler', { sealedKey: store.keys.seal(ID, PSK) }))
  await backupStore(folder, join(folder, 'backup'))
  const text = await readFile(join(folder, 'backup'), 'latin1')
  const secrets = [(await readFile(layout(folder).keyFile, 'utf8')).trim(), Buffer.from(PSK).toString('hex')]
  for (const secret of secrets) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(Buffer.from(secret, 'hex').toString('base64url'))
  }
  const target = await temporaryFolder()
  await restoreStore(join(folder, 'backup'), target)
  await expect(openStore(target)).rejects.toMatchObject({ code: 'STORE_FAILED', message: /key file .* is missing/ })
})

test('backups made while a gateway writes are each the state after one commit', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  let writing = true
  const writer = (async () => {
    // Large records, so that LevelDB begins new files meanwhile.
    const group = (round: number) => `${round}`.padStart(60, 'x')
    for (let round = 1; writing; round++) {
      const values = Array.from({ length: 40 }, (_, i) => ({
        id: `device-${i}`,
        rev: round - 1,
        value: approved(`${round}`, {
          group: group(round),
          replaced: Array.from({ length: 500 }, () => 'aa:bb:cc:dd:ee:00'),
        }),
      }))
      await store.devices.casAll(values, approval(`round ${round}`))
    }
  })()
  try {
    for (let i = 0; i < 6; i++) {
      const acknowledged = (await store.devices.get('device-0'))?.rev ?? 0
      const file = join(folder, `backup-${i}`)
      await backupStore(folder, file)
      const target = await temporaryFolder()
      await restoreStore(file, target)
      const restored = await open(target, { keyFile: layout(folder).keyFile })
      const revisions = new Set((await restored.devices.list()).map(({ rev }) => rev))
      expect(revisions.size).toBeLessThanOrEqual(1)
      const [revision = 0] = revisions
      expect(revision).toBeGreaterThanOrEqual(acknowledged)
      // The entry of the restore comes on top.
      expect(await restored.audit.verify()).toMatchObject({ intact: true, entries: revision + 1 })
      await restored.close()
    }
  } finally {
    writing = false
    await writer
  }
})

test('a restore writes over nothing, and takes a folder that has only the key file', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  await store.devices.cas(ID, 0, approved('Boiler'))
  const file = join(await temporaryFolder(), 'backup')
  await backupStore(folder, file)
  await expect(backupStore(folder, file)).rejects.toMatchObject({ code: 'EXISTS' })
  const before = await listFolder(folder)
  await expect(restoreStore(file, folder)).rejects.toMatchObject({ code: 'EXISTS' })
  expect(await listFolder(folder)).toEqual(before)
  const target = await temporaryFolder()
  await writeFile(layout(target).keyFile, await readFile(layout(folder).keyFile), { mode: 0o600 })
  await restoreStore(file, target)
  expect(await (await open(target)).devices.list()).toHaveLength(1)
})

test('a backup that was cut or changed anywhere is refused, and nothing is made of it', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  for (let i = 0; i < 3; i++) await store.devices.cas(`device-${i}`, 0, approved(`${i}`), approval(`device-${i}`))
  const file = join(folder, 'backup')
  await backupStore(folder, file)
  const whole = await readFile(file)
  const broken = join(folder, 'broken')
  const target = join(folder, 'target')
  for (let at = 0; at < whole.length; at += 41) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 4
    for (const content of [whole.subarray(0, at), changed]) {
      await writeFile(broken, content)
      await expect(restoreStore(broken, target)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    }
  }
  await expect(stat(target)).rejects.toThrow('ENOENT')
})

test('what there is to say when there is nothing to back up or to restore', async () => {
  const folder = await temporaryFolder()
  await expect(backupStore(folder, join(folder, 'b'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(restoreStore(join(folder, 'b'), join(folder, 't'))).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('cannot read'),
  })
  await writeFile(join(folder, 'other'), 'hello\n')
  await expect(restoreStore(join(folder, 'other'), join(folder, 't'))).rejects.toMatchObject({
    message: expect.stringContaining('no backup'),
  })
})
