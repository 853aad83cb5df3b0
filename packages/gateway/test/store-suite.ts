import { describe, expect, onTestFinished, test } from 'vitest'
import type { DeviceRecord } from '../src/devices/record.js'
import type { Change, Registry } from '../src/store/registry.js'
import type { AuditLog } from '../src/store/store.js'
import { approval, approved } from './support/records.js'

/** What an implementation of the store gives to the suite. */
export interface StoreUnderTest {
  readonly devices: Registry<DeviceRecord>
  readonly audit: AuditLog
  /** Ends it as the gateway would, and opens what it has stored again. */
  reopen(): Promise<StoreUnderTest>
}

const ID = 'aa:bb:cc:dd:ee:01'
const OTHER = 'aa:bb:cc:dd:ee:02'

/** What holds for every store: the embedded one, and one for a cluster. */
export function storeSuite(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`${name}: registry`, () => {
    test('a record comes back as it was written', async () => {
      const { devices } = await makeStore()
      const value = approved('Boiler <b>‮', { group: 'cellar' })
      expect(await devices.get(ID)).toBeUndefined()
      expect(await devices.cas(ID, 0, value)).toEqual({ id: ID, rev: 1, value })
      expect(await devices.get(ID)).toEqual({ id: ID, rev: 1, value })
    })

    test('a list has all records, by id, without those that were removed', async () => {
      const { devices } = await makeStore()
      await devices.cas(OTHER, 0, approved('b'))
      await devices.cas(ID, 0, approved('a'))
      await devices.cas('aa:bb:cc:dd:ee:03', 0, approved('c'))
      await devices.cas('aa:bb:cc:dd:ee:03', 1, null)
      expect((await devices.list()).map(({ id, value }) => [id, value.name])).toEqual([
        [ID, 'a'],
        [OTHER, 'b'],
      ])
    })

    test('a change that names another revision is refused and changes nothing', async () => {
      const { devices, audit } = await makeStore()
      await devices.cas(ID, 0, approved('first'))
      for (const rev of [0, 2, 17]) {
        await expect(devices.cas(ID, rev, approved('late'), approval(ID))).rejects.toMatchObject({ code: 'CONFLICT' })
      }
      await expect(devices.cas(OTHER, 1, approved('none'))).rejects.toMatchObject({ code: 'CONFLICT' })
      expect((await devices.get(ID))?.value.name).toBe('first')
      expect(await audit.page({ limit: 10 })).toEqual([])
    })

    test('of changes to one revision at the same time exactly one wins', async () => {
      const { devices, audit } = await makeStore()
      await devices.cas(ID, 0, approved('first'))
      const racers = Array.from({ length: 20 }, (_, i) => devices.cas(ID, 1, approved(`racer ${i}`), approval(ID)))
      const results = await Promise.allSettled(racers)
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect((await devices.get(ID))?.rev).toBe(2)
      expect(await audit.page({ limit: 50 })).toHaveLength(1)
    })

    test('revisions never go back, also after a removal and a restart', async () => {
      const first = await makeStore()
      await first.devices.cas(ID, 0, approved('a'))
      await first.devices.cas(ID, 1, approved('b'))
      expect(await first.devices.cas(ID, 2, null)).toEqual({ id: ID, rev: 3, value: approved('b') })
      expect(await first.devices.get(ID)).toBeUndefined()
      const second = await first.reopen()
      expect(await second.devices.get(ID)).toBeUndefined()
      expect((await second.devices.cas(ID, 0, approved('c'))).rev).toBe(4)
    })

    test('several records change together or not at all', async () => {
      const first = await makeStore()
      const { devices, audit } = first
      await devices.cas(ID, 0, approved('old hardware'))
      const replace = [
        { id: ID, rev: 1, value: null },
        { id: OTHER, rev: 0, value: approved('new hardware') },
      ]
      const stale = [replace[0]!, { ...replace[1]!, rev: 4 }]
      await expect(devices.casAll(stale, approval(OTHER))).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(await devices.get(ID)).toMatchObject({ rev: 1 })
      expect(await audit.page({ limit: 10 })).toEqual([])
      await expect(devices.casAll([replace[1]!, replace[1]!])).rejects.toMatchObject({ code: 'INVALID' })
      expect(await devices.casAll(replace, approval(OTHER))).toMatchObject([
        { id: ID, rev: 2 },
        { id: OTHER, rev: 1 },
      ])
      const second = await first.reopen()
      expect((await second.devices.list()).map(({ id }) => id)).toEqual([OTHER])
      expect(await second.audit.page({ limit: 10 })).toHaveLength(1)
    })

    test('a removal of what is not there is refused', async () => {
      const { devices } = await makeStore()
      await expect(devices.cas(ID, 0, null)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(devices.cas(ID, 1, null)).rejects.toMatchObject({ code: 'CONFLICT' })
    })

    test('a record that does not fit is refused', async () => {
      const { devices } = await makeStore()
      const wrong = { ...approved('x'), state: 'waiting' } as unknown as DeviceRecord
      await expect(devices.cas(ID, 0, wrong)).rejects.toMatchObject({ code: 'INVALID', message: /state/ })
      await expect(devices.cas('', 0, approved('x'))).rejects.toMatchObject({ code: 'INVALID' })
      await expect(devices.cas('a\0b', 0, approved('x'))).rejects.toMatchObject({ code: 'INVALID' })
    })

    test('who holds a record cannot change what is stored', async () => {
      const { devices } = await makeStore()
      const value = approved('kept')
      await devices.cas(ID, 0, value)
      value.name = 'changed'
      const entry = await devices.get(ID)
      expect(() => {
        entry!.value.replaced.push(OTHER)
      }).toThrow(TypeError)
      expect((await devices.get(ID))?.value).toEqual(approved('kept'))
    })

    test('what was written is there after a restart', async () => {
      const first = await makeStore()
      for (let i = 0; i < 20; i++)
        await first.devices.cas(`device-${i}`, 0, approved(`name ${i}`), approval(`device-${i}`))
      const before = await first.devices.list()
      const second = await first.reopen()
      expect(await second.devices.list()).toEqual(before)
      expect(await second.audit.verify()).toEqual({ intact: true, entries: 20, brokenAt: null })
    })
  })

  describe(`${name}: watch`, () => {
    test('tells every change after the call, in order, until it is aborted', async () => {
      const { devices } = await makeStore()
      await devices.cas(ID, 0, approved('before'))
      const abort = new AbortController()
      const changes = devices.watch(abort.signal)
      await devices.cas(ID, 1, approved('a'))
      await devices.cas(OTHER, 0, approved('b'))
      await devices.cas(ID, 2, null)
      const seen: Change<DeviceRecord>[] = []
      for await (const change of changes) {
        seen.push(change)
        if (seen.length === 3) abort.abort()
      }
      expect(seen.map(({ id, rev, value }) => [id, rev, value?.name ?? null])).toEqual([
        [ID, 2, 'a'],
        [OTHER, 1, 'b'],
        [ID, 3, null],
      ])
    })

    test('wakes a reader that waits, and ends at once when aborted', async () => {
      const { devices } = await makeStore()
      const abort = new AbortController()
      const reader = devices.watch(abort.signal)[Symbol.asyncIterator]()
      const next = reader.next()
      await devices.cas(ID, 0, approved('a'))
      expect((await next).value).toMatchObject({ id: ID, rev: 1 })
      const last = reader.next()
      abort.abort()
      expect(await last).toEqual({ done: true, value: undefined })
      expect(await devices.watch(abort.signal)[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
    })

    test('a reader that is far behind gets the newest change of each record', async () => {
      const { devices } = await makeStore()
      const abort = new AbortController()
      onTestFinished(() => abort.abort())
      const changes = devices.watch(abort.signal)
      for (let rev = 0; rev < 1500; rev += 100) {
        const writes = Array.from({ length: 100 }, (_, i) => devices.cas(ID, rev + i, approved(`${rev + i}`)))
        await Promise.all(writes)
      }
      let count = 0
      let last = 0
      for await (const { rev } of changes) {
        expect(rev).toBeGreaterThan(last)
        last = rev
        count++
        if (rev === 1500) break
      }
      expect(count).toBeLessThanOrEqual(1001)
    })
  })

  describe(`${name}: audit log`, () => {
    test('an entry is written with its change, and names the revisions', async () => {
      const { devices, audit } = await makeStore()
      await devices.cas(ID, 0, approved('a'), approval(ID))
      await devices.cas(ID, 1, null, { ...approval(ID), action: 'device.remove' })
      expect(await audit.page({ limit: 10 })).toMatchObject([
        { seq: 2, action: 'device.remove', object: ID, before: 1, after: null },
        { seq: 1, actor: 'anna', role: 'operator', action: 'device.approve', before: 0, after: 1, result: 'ok' },
      ])
    })

    test('keeps the order of concurrent calls', async () => {
      const { audit } = await makeStore()
      const calls = Array.from({ length: 100 }, (_, i) => audit.append({ ...approval(ID), detail: String(i) }))
      const entries = await Promise.all(calls)
      expect(entries.map(({ seq, detail }) => [seq, detail])).toEqual(entries.map((_, i) => [i + 1, String(i)]))
      expect(await audit.verify()).toEqual({ intact: true, entries: 100, brokenAt: null })
    })

    test('gives pages, newest first, also of one object', async () => {
      const { audit } = await makeStore()
      for (let i = 1; i <= 10; i++) await audit.append(approval(i % 2 ? ID : OTHER))
      const seqs = async (options: Parameters<AuditLog['page']>[0]) => (await audit.page(options)).map(({ seq }) => seq)
      expect(await seqs({ limit: 3 })).toEqual([10, 9, 8])
      expect(await seqs({ limit: 3, before: 8 })).toEqual([7, 6, 5])
      expect(await seqs({ limit: 3, before: 1 })).toEqual([])
      expect(await seqs({ limit: 2, before: 8, object: ID })).toEqual([7, 5])
      const all = []
      for await (const { seq } of audit.entries()) all.push(seq)
      expect(all).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    })

    test('cuts what is too long', async () => {
      const { audit } = await makeStore()
      const long = 'x'.repeat(100_000)
      const entry = await audit.append({
        actor: long,
        role: long,
        action: long,
        object: long,
        result: long,
        detail: long,
      })
      expect(JSON.stringify(entry).length).toBeLessThan(2000)
      expect(await audit.verify()).toMatchObject({ intact: true })
    })
  })
}
