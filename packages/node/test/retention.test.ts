import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { connect, listen, type Session } from '../src/index.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const psk = new Uint8Array(32).map((_, i) => 11 * i + 5)

/** Connects with a signal that nobody else holds. */
async function connectWithSignal(url: string): Promise<{ session: Session; signal: WeakRef<AbortSignal> }> {
  const { signal } = new AbortController()
  const session = await connect(url, { deviceId: '02:00:00:00:00:01', psk, signal })
  return { session, signal: new WeakRef(signal) }
}

it('a session does not keep the signal of its handshake', async () => {
  await using server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => psk })
  const { session, signal } = await connectWithSignal(`usmp://${server.address}`)
  await expect
    .poll(() => {
      collectGarbage()
      // Not the signal itself, which a matcher would keep.
      return signal.deref() === undefined
    })
    .toBe(true)
  expect(await session.ping()).toBeGreaterThanOrEqual(0)
  await session.close()
})
