import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OPERATOR } from '../support/gateway.js'
import { eventually, Site, topicOf } from './site.js'

/** Messages that are under way at once. */
const BATCH = 100

test('whatever is published on whatever topic: the session of a device lives on, and nobody else is there', async () => {
  const site = await Site.start()
  const capture = await site.capture()
  const { id, session } = await site.online(1)
  const frames = capture.filter(({ payload }) => payload.length > 6).map(({ payload }) => payload)
  expect(frames.length).toBeGreaterThan(3)

  const hex = fc.stringMatching(/^[0-9a-f]{0,14}$/)
  const topic = fc.oneof(
    fc.constantFrom(topicOf(id, 'up'), topicOf(id, 'down'), topicOf(id, 'up').replace(/up$/, 'lwt')),
    fc.tuple(hex, hex, fc.constantFrom('up', 'lwt', 'down', '')).map((parts) => `usmp/home/${parts.join('/')}`),
    fc.constantFrom('usmp/home/gw/main', 'usmp/home/gw/', 'usmp/home', 'usmp/home/01/020000000001/up/more'),
  )
  const frame = fc.constantFrom(...frames)
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(frame, fc.nat(), fc.nat(255)).map(([whole, at, value]) => {
      const bent = Buffer.from(whole)
      bent[at % bent.length] = value
      return bent
    }),
    fc.tuple(frame, fc.nat()).map(([whole, at]) => whole.subarray(0, at % whole.length)),
    fc.tuple(frame, frame).map((both) => Buffer.concat(both)),
  )
  const message = fc.record({ topic, payload, retain: fc.boolean() })
  const attacker = await site.attacker()
  const seed = Date.now()
  const all = fc.sample(message, { numRuns: 2_000, seed })
  for (let n = 0; n < all.length; n += BATCH)
    await Promise.all(
      all.slice(n, n + BATCH).map(({ topic, payload, retain }) => attacker.publishAsync(topic, payload, { retain })),
    )

  await eventually(() => Object.values(site.gateway.device(id).session?.dropped ?? {}).length).toBeGreaterThan(1)
  await site.gateway.ping(OPERATOR, id)
  expect(session.signal.aborted, `seed ${seed}`).toBe(false)
  expect(site.gateway.devices().map(({ id, state }) => [id, state])).toEqual([[id, 'online']])
})
