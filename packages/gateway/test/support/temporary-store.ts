import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type OpenedStore, openStore, type StoreOptions } from '../../src/store/open.js'

/** An empty folder that is removed when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'usmp-store-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A real store in a temporary folder, closed when the test ends. */
export async function temporaryStore(options: StoreOptions = {}): Promise<OpenedStore> {
  const folder = await temporaryFolder()
  const store = await openStore(folder, options)
  onTestFinished(() => store.close())
  return store
}
