// Runs as a process of its own. Opens a store and approves devices one after the other; says what became durable, and what did not.
import { openStore } from '../../src/store/open.js'
import { approval, approved } from '../support/records.js'
import { say } from './say.js'

const [folder, count] = process.argv.slice(2)
const store = await openStore(folder!)
store.onState((reason) => say({ state: reason }))
say({ opened: (await store.devices.list()).length })
for (let i = 0; i < Number(count); i++) {
  const id = `device-${i % 5}`
  const rev = (await store.devices.get(id))?.rev ?? 0
  try {
    await store.devices.cas(id, rev, approved(`${i}`), approval(id))
    say({ written: id, rev: rev + 1 })
  } catch (error) {
    say({ refused: id, rev: rev + 1, code: (error as { code?: string }).code })
  }
}
await store.close()
say({ closed: true })
