import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { expect, onTestFinished, test } from 'vitest'
import { verifyAudit } from '../src/store/audit-copy.js'
import { Commits } from '../src/store/commits.js'
import { auditKey, HEAD_KEY, layout, recordKey, SCHEMA_KEY } from '../src/store/layout.js'
import { LevelAuditLog } from '../src/store/level-audit-log.js'
import { readRows } from '../src/store/load.js'
import { migrate } from '../src/store/migrate.js'
import { openStore, type StoreOptions } from '../src/store/open.js'
import { RecordState } from '../src/store/record-state.js'
import { openDatabase } from '../src/store/records-database.js'
import { rewrite } from '../src/store/rewrite.js'
import { MAX_TOMBSTONES } from '../src/store/transaction.js'
import { listFolder } from './support/folders.js'
import { approval, approved } from './support/records.js'
import { temporaryFolder, temporaryStore } from './support/temporary-store.js'

const ID = 'aa:bb:cc:dd:ee:01'

async function open(folder: string, options: StoreOptions = {}) {
  const store = await openStore(folder, options)
  onTestFinished(() => store.close())
  return store
}

/** A store with one device, closed. */
async function closedStore(): Promise<string> {
  const folder = await temporaryFolder()
  const store = await open(folder)
  await store.devices.cas(ID, 0, approved('Boiler'), approval(ID))
  await store.close()
  return folder
}

async function withLevel(folder: string, use: (level: ClassicLevel) => Promise<void>): Promise<void> {
  const level = new ClassicLevel(layout(folder).records)
  await use(level)
  await level.close()
}

test('a second gateway is told who has the store open', async () => {
  const folder = await temporaryFolder()
  await open(folder)
  await expect(openStore(folder)).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining(`process ${process.pid}`),
  })
})

test('a store that was closed can be opened again, and refuses changes until then', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  await store.close()
  await expect(store.devices.cas(ID, 0, approved('late'))).rejects.toMatchObject({ code: 'STORE_FAILED' })
  expect(await (await open(folder)).devices.list()).toEqual([])
})

test('a clock that throws fails the change, and the next one works', async () => {
  const folder = await temporaryFolder()
  let time = () => Date.now()
  const store = await open(folder, { now: () => time() })
  time = () => {
    throw new Error('no clock')
  }
  await expect(store.devices.cas(ID, 0, approved('Boiler'))).rejects.toThrow('no clock')
  time = () => Date.now()
  await store.devices.cas(ID, 0, approved('Boiler'))
})

test('close waits for changes that were asked for', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  const change = store.devices.cas(ID, 0, approved('Boiler'))
  await store.close()
  await change
  expect(await (await open(folder)).devices.list()).toHaveLength(1)
})

test('a store of a newer gateway is refused, and not a byte of it is touched', async () => {
  const folder = await closedStore()
  await writeFile(layout(folder).version, '{"schema": 2}')
  const before = await listFolder(folder)
  await expect(openStore(folder)).rejects.toMatchObject({ code: 'STORE_FAILED', message: /version 2.*up to 1/ })
  expect(await listFolder(folder)).toEqual(before)
})

test('a newer version in the database alone is refused too', async () => {
  const folder = await closedStore()
  await withLevel(folder, (level) => level.put(SCHEMA_KEY, '7'))
  await expect(openStore(folder)).rejects.toMatchObject({ code: 'STORE_FAILED', message: /version 7/ })
})

test('an older store is taken through the steps that it has not seen, once', async () => {
  const folder = await closedStore()
  const files = layout(folder)
  const database = await openDatabase<string>(folder, files, files.records, 'utf8', false)
  onTestFinished(() => database.close())
  const rename = (from: string, to: string) => (rows: ReadonlyMap<string, string>) =>
    [...rows].map(([key, text]) => [key, text.replace(from, to)] as const)
  const steps = [rename('"Boiler"', '"Kettle"'), rename('"Kettle"', '"Kettle of version 3"')]
  const rows = await migrate(folder, database, await readRows(folder, database), steps, Date.now)
  expect(rows.rows.get(recordKey('devices', ID))).toContain('Kettle of version 3')
  const again = await readRows(folder, database)
  expect(again).toEqual(rows)
  expect(await migrate(folder, database, again, steps, Date.now)).toBe(again)
  await expect(migrate(folder, database, again, [], Date.now)).rejects.toMatchObject({ message: /version 3/ })
})

test('a record that does not fit is named, kept, and neither given out nor overwritten', async () => {
  const folder = await closedStore()
  const files = layout(folder)
  const database = await openDatabase<string>(folder, files, files.records, 'utf8', false)
  const rows = await readRows(folder, database)
  const strange = JSON.stringify({ rev: 1, commit: 1, value: { ...approved('Boiler'), colour: 'red' } })
  const alien = JSON.stringify({ rev: 1, commit: 1, value: 1 })
  const changes = [
    [recordKey('devices', ID), strange],
    [recordKey('sauces', 'ketchup'), alien],
  ] as const
  await rewrite(database, rows, { changes, audit: approval(ID), at: 0 })
  await database.close()

  const store = await open(folder)
  expect(store.warnings).toEqual([
    expect.stringMatching(`devices/${ID} .*colour`),
    expect.stringContaining('sauces/ketchup'),
  ])
  expect(await store.devices.list()).toEqual([])
  const unreadable = { code: 'STORE_FAILED', message: expect.stringContaining(`devices/${ID}`) }
  await expect(store.devices.get(ID)).rejects.toMatchObject(unreadable)
  await expect(store.devices.cas(ID, 0, approved('new'))).rejects.toMatchObject(unreadable)
  await expect(store.devices.cas(ID, 1, approved('new'))).rejects.toMatchObject(unreadable)
  await store.devices.cas('aa:bb:cc:dd:ee:02', 0, approved('other'))
  await store.close()
  await withLevel(folder, async (level) => {
    expect(await level.get(recordKey('devices', ID))).toBe(strange)
    expect(await level.get(recordKey('sauces', 'ketchup'))).toBe(alien)
  })
})

test.each([
  ['a record is missing', (level: ClassicLevel) => level.del(recordKey('devices', ID))],
  [
    'a record is changed',
    (level: ClassicLevel) => level.put(recordKey('devices', ID), '{"rev":1,"commit":1,"value":{}}'),
  ],
  ['the head is missing', (level: ClassicLevel) => level.del(HEAD_KEY)],
  ['an entry of the audit log is missing', (level: ClassicLevel) => level.del(auditKey(1))],
  ['an entry was appended by hand', (level: ClassicLevel) => level.put(auditKey(2), '{}')],
])('a store in which %s is refused, with the backup named', async (_, damage) => {
  const folder = await closedStore()
  await withLevel(folder, damage)
  await expect(openStore(folder)).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('damaged'),
    hint: expect.stringContaining('usmp gateway restore'),
  })
})

test('a folder whose database is gone is not taken for a new one', async () => {
  const folder = await closedStore()
  await rm(layout(folder).records, { recursive: true })
  await expect(openStore(folder)).rejects.toMatchObject({ code: 'STORE_FAILED', message: /missing/ })
})

test('what a first start has left behind that was cut short does no harm', async () => {
  const folder = await temporaryFolder()
  const level = new ClassicLevel(`${layout(folder).records}.new`)
  await level.put('half', 'made')
  await level.close()
  await rm(join(`${layout(folder).records}.new`, 'CURRENT'))
  const store = await open(folder)
  await store.devices.cas(ID, 0, approved('Boiler'))
})

test('entries removed from the end, changed or swapped are found by verify', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  for (let i = 0; i < 5; i++) await store.audit.append(approval(ID))
  const texts = (await store.audit.page({ limit: 10 })).reverse().map((entry) => JSON.stringify(entry))
  await store.close()
  const files = layout(folder)
  const attacks: [brokenAt: number, entries: number, rows: [number, string | null][]][] = [
    [5, 4, [[5, null]]],
    [3, 4, [[3, null]]],
    [1, 5, [[1, texts[0]!.replace('anna', 'eve')]]],
    [
      2,
      5,
      [
        [2, texts[2]!],
        [3, texts[1]!],
      ],
    ],
    [4, 5, [[4, 'no entry']]],
  ]
  for (const [brokenAt, entries, rows] of attacks) {
    const database = await openDatabase<string>(folder, files, files.records, 'utf8', false)
    const state = new RecordState()
    state.head = (await readRows(folder, database)).head
    const audit = new LevelAuditLog(
      database,
      new Commits(database, state, { folder, now: Date.now, onCommit: () => {} }),
    )
    const put = (seq: number, text: string | null) =>
      text === null
        ? { type: 'del' as const, key: auditKey(seq) }
        : { type: 'put' as const, key: auditKey(seq), value: text }
    await database.write(
      rows.map(([seq, text]) => put(seq, text)),
      { sync: false },
    )
    expect(await audit.verify()).toEqual({ intact: false, entries, brokenAt })
    await database.write(
      texts.map((text, i) => put(i + 1, text)),
      { sync: false },
    )
    expect(await audit.verify()).toMatchObject({ intact: true })
    await database.close()
  }
})

test('tombstones are bounded, and revisions do not go back for it', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  const login = { user: 'anna', generation: 'g', createdAt: 0, lastUsedAt: 0, stepUpUntil: null }
  const ids = Array.from({ length: MAX_TOMBSTONES + 50 }, (_, i) => `login-${i}`)
  await Promise.all(ids.map((id) => store.logins.cas(id, 0, login)))
  await store.logins.cas('login-0', 1, login)
  await store.logins.cas('login-0', 2, null)
  await Promise.all(ids.slice(1).map((id) => store.logins.cas(id, 1, null)))
  await store.close()
  await withLevel(folder, async (level) => {
    expect(await level.keys({ gte: 'record!', lt: 'record"' }).all()).toHaveLength(MAX_TOMBSTONES)
  })
  const again = await open(folder)
  // Its tombstone of revision 3 is gone; the newest of those that were dropped counts for all.
  expect((await again.logins.cas('login-0', 0, login)).rev).toBe(4)
  expect((await again.logins.cas('login-1049', 0, login)).rev).toBe(3)
})

test('the clock does not matter: it may jump back, and both times are told as they were', async () => {
  const times = [5_000, 1_000, 9_000]
  const store = await temporaryStore({ now: () => times.shift()! })
  for (let i = 0; i < 3; i++) await store.audit.append(approval(ID))
  expect((await store.audit.page({ limit: 3 })).map(({ seq, at }) => [seq, at])).toEqual([
    [3, 9_000],
    [2, 1_000],
    [1, 5_000],
  ])
  expect(await store.audit.verify()).toMatchObject({ intact: true })
})

test('nobody else can read the files', async () => {
  const folder = await closedStore()
  expect((await stat(layout(folder).keyFile)).mode & 0o777).toBe(0o600)
  for (const database of [layout(folder).records, layout(folder).telemetry]) {
    expect((await stat(database)).mode & 0o777).toBe(0o700)
  }
  expect(await readFile(layout(folder).keyFile, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
})

test('a log that was changed among its newest entries: the gateway does not start, and `audit verify` says where', async () => {
  const folder = await temporaryFolder()
  const store = await open(folder)
  for (let i = 0; i < 3; i++) await store.audit.append(approval(ID))
  await store.close()
  expect(await verifyAudit(folder)).toEqual({ entries: 3, brokenAt: null })
  await withLevel(folder, async (level) => {
    const text = (await level.get(auditKey(2)))!
    await level.put(auditKey(2), text.replace('"device.approve"', '"device.remove"'))
  })
  await expect(openStore(folder)).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringContaining('breaks at entry 2 of 3'),
  })
  expect(await verifyAudit(folder)).toEqual({ entries: 3, brokenAt: 2 })
})
