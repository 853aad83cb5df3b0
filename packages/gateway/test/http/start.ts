import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SimulatedClock } from '@usmp/testing'
import { expect, onTestFinished } from 'vitest'
import type { Role } from '../../src/contract/access.js'
import { type HttpOptions, type HttpServer, startHttp } from '../../src/http/server.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { Browser } from './client.js'
import { type FakeOperations, fakeOperations } from './fake-operations.js'

export const PASSWORD = 'correct horse battery'
/** 2^4: a hash takes no time. */
const QUICK = 4
const START = 1_800_000_000_000

export interface TestServer extends HttpServer {
  readonly operations: FakeOperations
  readonly store: Store
  readonly clock: SimulatedClock
  readonly folder: string
  /** What the server called a fault of its own. */
  readonly faults: unknown[]
  /** Lets time pass, for the clock and for what is stored. */
  advance(ms: number): void
  /** Closes all of it. */
  stop(): Promise<void>
  /** The first user, `anna`, an admin. */
  setUp(): Promise<Browser>
  /** A new user of this role, who bears its name, logged in. */
  logIn(admin: Browser, role: Role): Promise<Browser>
}

/** As {@link makeTestServer}, for one test. */
export async function startTestServer(options: Partial<HttpOptions> = {}): Promise<TestServer> {
  const server = await makeTestServer(options)
  onTestFinished(() => server.stop())
  return server
}

/** A server on a free port with a real store and operations that are made up, in simulated time. */
export async function makeTestServer(options: Partial<HttpOptions> = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'usmp-http-'))
  const clock = new SimulatedClock()
  const begin = clock.now()
  const now = () => START + clock.now() - begin
  const store = await openStore(join(folder, 'store'), { now })
  const operations = fakeOperations()
  const faults: unknown[] = []
  const server = await startHttp({
    operations,
    store,
    folder,
    port: 0,
    clock,
    now,
    passwordCost: QUICK,
    onError: (error) => faults.push(error),
    ...options,
  })
  return {
    ...server,
    operations,
    store,
    clock,
    folder,
    faults,
    advance: (ms) => clock.advance(ms),
    async stop() {
      await server.close()
      await store.close()
      await rm(folder, { recursive: true, force: true })
    },
    async setUp() {
      const browser = new Browser(server.url)
      const token = server.setupUrl!.split('#')[1]
      const answer = await browser.post('/api/setup', { token, name: 'anna', password: PASSWORD })
      expect(answer.status, answer.text).toBe(200)
      return browser
    },
    async logIn(admin, role) {
      const created = await admin.post('/api/users', { name: role, role, password: PASSWORD })
      expect(created.status, created.text).toBe(200)
      const browser = new Browser(server.url)
      expect((await browser.post('/api/login', { name: role, password: PASSWORD })).status).toBe(200)
      return browser
    },
  }
}
