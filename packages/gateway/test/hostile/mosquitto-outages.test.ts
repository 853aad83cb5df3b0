import { expect, test } from 'vitest'
import { ADMIN, OPERATOR } from '../support/gateway.js'
import { eventually, Site } from './site.js'

test('a revoked device is cut off within a second, and its key is gone', async () => {
  const site = await Site.start()
  const { id, session } = await site.online(1)
  const begin = performance.now()
  const [, reason] = await Promise.all([
    site.gateway.revoke(ADMIN, id, { rev: site.gateway.device(id).rev }),
    session.closed,
  ])
  expect(performance.now() - begin).toBeLessThan(1_000)
  expect(reason.code).toBe('CLOSED')
  expect(site.gateway.device(id)).toMatchObject({ state: 'revoked', session: null, fingerprint: null })
  expect((await site.store.devices.get(id))!.value.sealedKey).toBeNull()
})

test('a broker that is killed and comes back: nobody can say how devices are meanwhile, and all sessions live on', async () => {
  const site = await Site.start()
  const devices = await Promise.all([1, 2, 3, 4, 5].map((n) => site.online(n)))
  const since = devices.map(({ id }) => site.gateway.device(id).session!.since)
  await site.broker.kill()
  for (const { id } of devices) await site.state(id, 'unknown')
  expect(site.gateway.system().broker).toMatchObject({ state: expect.stringMatching(/failed|connecting/) })
  await site.broker.restart()
  await eventually(() => site.gateway.system().broker.state).toBe('connected')
  for (const { id, session } of devices) {
    await site.state(id, 'online')
    // The connection of the device may be back later than that of the gateway; frames are repeated until then.
    await eventually(() =>
      site.gateway.ping(OPERATOR, id).then(
        () => 'answers',
        () => 'silent',
      ),
    ).toBe('answers')
    expect(session.signal.aborted).toBe(false)
  }
  expect(devices.map(({ id }) => site.gateway.device(id).session!.since)).toEqual(since)
})
