// Runs as a process of its own, with faults.c in it. Lets every call that writes fail once, in turn, and checks each time that a change
// is either refused and not there, or there; that reads go on; and that the next change works again.
import assert from 'node:assert/strict'
import { layout } from '../../src/store/layout.js'
import { withCopyOfRecords } from '../../src/store/live-copy.js'
import { makeState } from '../../src/store/load.js'
import { type OpenedStore, openStore } from '../../src/store/open.js'
import { SCHEMAS } from '../../src/store/schemas.js'
import { approval, approved } from '../support/records.js'
import { FaultControl } from './fault-control.js'
import { say } from './say.js'

const [folder, scratch, controlFile, mode, span] = process.argv.slice(2)
const control = new FaultControl(controlFile!)
const store = await openStore(folder!)
const states: (string | null)[] = []
store.onState((reason) => states.push(reason))
let refused = 0

for (let first = 1; ; first++) {
  const before = await contents(store)
  control.set(mode as 'fail' | 'torn', first, Number(span))
  const results: boolean[] = []
  for (const i of [0, 1, 2]) results.push(await change(store, `device-${i}`, before.get(`device-${i}`) ?? 0))
  const calls = control.count
  control.set('off')
  for (const [i, written] of results.entries()) {
    const rev = (before.get(`device-${i}`) ?? 0) + Number(written)
    assert.equal((await contents(store)).get(`device-${i}`) ?? 0, rev, `call ${first}: device-${i} after a fault`)
  }
  refused += results.filter((written) => !written).length
  assert.ok(await change(store, 'after', before.get('after') ?? 0), `call ${first}: the next change works`)
  assert.deepEqual(await onDisk(), await contents(store), `call ${first}: disk and memory`)
  assert.ok((await store.audit.verify()).intact, `call ${first}: audit log`)
  if (calls < first) break
}
await store.close()
say({ refused, states })

async function change(on: OpenedStore, id: string, rev: number): Promise<boolean> {
  try {
    await on.devices.cas(id, rev, approved(`${id} ${rev}`), approval(id))
    return true
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'STORE_FAILED')
    return false
  }
}

async function contents(of: OpenedStore): Promise<Map<string, number>> {
  return new Map((await of.devices.list()).map(({ id, rev }) => [id, rev]))
}

async function onDisk(): Promise<Map<string, number>> {
  return withCopyOfRecords(folder!, layout(folder!), scratch!, async (_, rows) => {
    const [state] = makeState(folder!, rows, SCHEMAS)
    const devices = [...state.collection('devices').rows].map(([id, { rev }]) => [id, rev] as const)
    return new Map(devices.sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
