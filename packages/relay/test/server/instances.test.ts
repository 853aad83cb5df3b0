import { expect, test } from 'vitest'
import { startRelay } from '../../src/server.ts'
import { RelayMessage } from '../../src/wire.ts'
import { FrontByHash } from './front-by-hash.ts'
import { newRoute, TestPeer } from './test-peer.ts'

const limits = { joinsPerSecond: 1e6, joinBurst: 1e6 }
const startOne = () => startRelay({ port: 0, open: true, trustProxy: true, limits })

test('two relays behind one name: both peers of a route come to the same one', async () => {
  const relays = await Promise.all([startOne(), startOne()])
  const front = await FrontByHash.start(relays.map(({ url }) => Number(url.port)))
  const routes = Array.from({ length: 24 }, newRoute)
  // All wait before the first partner comes.
  const first = await Promise.all(routes.map((route) => TestPeer.waiting(front.urlFor(route), { route, side: 0 })))
  const second = await Promise.all(routes.map((route) => TestPeer.join(front.urlFor(route), { route, side: 1 })))
  for (const [index, peer] of first.entries()) {
    await Promise.all([peer.expect(RelayMessage.PEER), second[index]!.expect(RelayMessage.PEER)])
    peer.send(Uint8Array.of(index))
    await second[index]!.expect(index)
  }
  // Both relays have a share: one of 24 coins all on one side is one in eight million.
  for (const relay of relays) expect(relay.metrics()).not.toContain('usmp_relay_circuits 0\n')
  await front.close()
  await Promise.all(relays.map((relay) => relay.close()))
})

test('when one of them falls out, its routes meet at the other', async () => {
  const relays = await Promise.all([startOne(), startOne()])
  const route = newRoute()
  const front = await FrontByHash.start(relays.map(({ url }) => Number(url.port)))
  const peers = [
    await TestPeer.waiting(front.urlFor(route), { route, side: 0 }),
    await TestPeer.join(front.urlFor(route), { route, side: 1 }),
  ]
  await Promise.all(peers.map((peer) => peer.expect(RelayMessage.PEER)))
  const fallen = front.counts[0]! > 0 ? 0 : 1
  await relays[fallen]!.close()
  expect((await peers[0]!.closed).code).toBe(1012)
  const rest = await FrontByHash.start([Number(relays[1 - fallen]!.url.port)])
  const again = [
    await TestPeer.waiting(rest.urlFor(route), { route, side: 0 }),
    await TestPeer.join(rest.urlFor(route), { route, side: 1 }),
  ]
  await Promise.all(again.map((peer) => peer.expect(RelayMessage.PEER)))
  await Promise.all([front.close(), rest.close(), ...relays.map((relay) => relay.close())])
})
