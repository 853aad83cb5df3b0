import type { Clock } from '@usmp/core'
import { nodeClock } from '@usmp/node'
import { until } from '@usmp/testing'
import { expect, onTestFinished, test } from 'vitest'
import { nodeDial } from '../../src/node-dial.ts'
import type { Side } from '../../src/wire.ts'
import { NotingPeer, numbered, sendNumbered } from './relay-peers.ts'
import { RelayProcess } from './relay-process.ts'

const COUNT = 3_000
/** ms; all that is awaited has happened long before, but for a machine that is very busy. */
const PATIENCE = 60_000

/** Pauses are four times as short; nothing here waits for anything else. */
const fastClock: Clock = {
  ...nodeClock,
  now: () => 4 * nodeClock.now(),
  setTimer: (callback, delay) => nodeClock.setTimer(callback, delay / 4),
}

test('a relay that is killed three times during 3000 messages each way: none is lost, none comes twice, the order is kept', async () => {
  const relay = await RelayProcess.start()
  onTestFinished(() => relay.remove())
  const at = (side: Side) => new NotingPeer(nodeDial(), side, { relay: relay.url, clock: fastClock })
  const [first, second] = [at(0), at(1)]
  for (const peer of [first, second]) peer.receive()
  const all = (count: number) => () => first.received.length >= count && second.received.length >= count
  const sent = Promise.all([sendNumbered(first, 'a', COUNT), sendNumbered(second, 'b', COUNT)])
  for (const count of [1, 800, 1_900]) {
    await until(all(count), `${count} messages each way`, PATIENCE)
    await relay.kill()
    await relay.restart()
  }
  await until(all(COUNT), 'all messages', PATIENCE)
  await sent
  expect(first.received).toEqual(numbered('b', COUNT))
  expect(second.received).toEqual(numbered('a', COUNT))
  for (const { errors } of [first, second]) expect(errors.length).toBeGreaterThanOrEqual(3)
  await Promise.all([first.peer.close(), second.peer.ended])
})
