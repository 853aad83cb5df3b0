import { SimulatedClock, turns, until } from '@usmp/testing'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { type LiveMessage, liveMessage } from '../../src/contract/live.js'
import { LiveFeed, type LiveTopics } from '../../src/live.js'
import { GatewayTime } from '../../src/time.js'
import {
  ADMIN,
  approved,
  connectDevice,
  deviceNumber,
  knock,
  newKey,
  OPERATOR,
  pass,
  serve,
  testGateway,
  untilState,
} from '../support/gateway.js'

const ID = deviceNumber(1)

/** Reads the feed into a list; each message is what the contract says. */
function follow(feed: AsyncIterable<LiveMessage>): LiveMessage[] {
  const messages: LiveMessage[] = []
  void (async () => {
    for await (const message of feed) messages.push(v.parse(liveMessage, message))
  })()
  return messages
}

test('a reader gets a snapshot, then every change, put together four times a second', async () => {
  const made = await testGateway()
  const { gateway } = made
  const key = newKey()
  const stop = new AbortController()
  const messages = follow(gateway.live(stop.signal))
  await until(() => messages.length === 3)
  expect(messages[0]).toMatchObject({ type: 'snapshot', devices: [], join: { open: false }, broker: { state: 'none' } })
  expect(messages.slice(1)).toEqual([
    { type: 'rollouts', rollouts: [] },
    { type: 'images', images: [] },
  ])
  await knock(gateway, ID, key.psk)
  await turns()
  await pass(made, 250)
  await approved(gateway, ID, key)
  const peer = serve(await connectDevice(gateway, ID, key.psk))
  await untilState(gateway, ID, 'online')
  await pass(made, 250)
  messages.length = 0
  for (let n = 0; n < 40; n++) await peer.notify('telemetry', { values: { n, constant: true } })
  await until(() => gateway.device(ID).readings.n?.value === 39)
  await pass(made, 1_000, 250)
  const readings = messages.filter((message) => message.type === 'readings')
  expect(readings.length).toBeLessThanOrEqual(4)
  expect(readings.at(-1)!.changed).toMatchObject([
    { id: ID, name: 'n', value: 39 },
    { id: ID, name: 'constant', value: true },
  ])
  await gateway.request(OPERATOR, ID, { method: 'nothing' })
  await gateway.remove(ADMIN, ID, { rev: gateway.device(ID).rev })
  await pass(made, 500, 250)
  expect(messages).toContainEqual({ type: 'removed', id: ID })
  expect(messages.find(({ type }) => type === 'request')).toMatchObject({
    id: ID,
    outcome: { error: { code: -32601 } },
  })
  stop.abort()
  await turns()
  messages.length = 0
  await gateway.closeJoin(OPERATOR)
  await pass(made, 500)
  expect(messages).toEqual([])
})

test('a reader that is too slow gets a new snapshot in place of what it missed', async () => {
  const clock = new SimulatedClock()
  let snapshots = 0
  const feed = new LiveFeed({
    time: new GatewayTime(clock, () => clock.now()),
    topics: {
      rollouts: () => ({ type: 'rollouts', rollouts: [] }),
      images: () => ({ type: 'images', images: [] }),
    } as unknown as LiveTopics,
    rollout: () => undefined,
    rolloutDevices: () => [],
    snapshot: () => ({ type: 'snapshot', now: ++snapshots }) as Extract<LiveMessage, { type: 'snapshot' }>,
    describe: (id) => ({ type: 'removed', id }),
  })
  const reader = feed.read(new AbortController().signal)
  const next = async () => (await reader.next()).value
  const lists = async () => [(await next())?.type, (await next())?.type]
  expect(await next()).toMatchObject({ type: 'snapshot', now: 1 })
  expect(await lists()).toEqual(['rollouts', 'images'])
  feed.onDevice('a')
  clock.advance(250)
  expect(await next()).toEqual({ type: 'removed', id: 'a' })
  for (let n = 0; n < 5_000; n++) feed.onDevice(`${n}`)
  clock.advance(250)
  expect(await next()).toMatchObject({ type: 'snapshot', now: 2 })
  expect(await lists()).toEqual(['rollouts', 'images'])
  feed.onDevice('b')
  clock.advance(250)
  expect(await next()).toEqual({ type: 'removed', id: 'b' })
  const last = next()
  feed.close()
  expect(await last).toBeUndefined()
})
