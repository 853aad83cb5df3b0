import { onTestFinished } from 'vitest'
import { openStore } from '../src/store/open.js'
import { type StoreUnderTest, storeSuite } from './store-suite.js'
import { temporaryFolder } from './support/temporary-store.js'

storeSuite('embedded store', async () => {
  const folder = await temporaryFolder()
  const open = async (): Promise<StoreUnderTest> => {
    const store = await openStore(folder)
    onTestFinished(() => store.close())
    return {
      devices: store.devices,
      audit: store.audit,
      reopen: async () => {
        await store.close()
        return open()
      },
    }
  }
  return open()
})
