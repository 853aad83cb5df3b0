import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ObservedRelay } from './observed-relay.ts'
import { circuit, newRoute, type TestPeer } from './test-peer.ts'

/** 16 bytes, and of letters, so that they can be found as text. */
const ROUTE = Buffer.from('MARKER-OF-ROUTE!')
const PAYLOAD = Buffer.from('MARKER-OF-PAYLOAD '.repeat(20))

async function endAll(relay: ObservedRelay, peers: readonly (readonly TestPeer[])[]): Promise<void> {
  await Promise.all(peers.flat().map((peer) => peer.close()))
  await expect.poll(() => relay.metrics(), { timeout: 60_000 }).toContain('usmp_relay_sockets 0\n')
}

test('after a circuit nothing of its route and its messages is left on the heap, in the log or on the disk', async () => {
  const relay = await ObservedRelay.start()
  const [first, second] = await circuit(relay.url, { route: ROUTE })
  for (let count = 0; count < 50; count++) first.send(PAYLOAD)
  for (let count = 0; count < 50; count++) expect(await second.next()).toEqual(PAYLOAD)
  const during = readFileSync(await relay.snapshot('during.heapsnapshot'))
  // The search has teeth: while the circuit is there its route is found. Its messages never are.
  expect(during.includes(ROUTE)).toBe(true)
  expect(during.includes('MARKER-OF-PAYLOAD')).toBe(false)
  await endAll(relay, [[first, second]])
  const after = readFileSync(await relay.snapshot('after.heapsnapshot'))
  expect(after.includes('usmp_relay_')).toBe(true)
  expect(after.includes('MARKER-OF')).toBe(false)
  expect(relay.files().sort()).toEqual(['after.heapsnapshot', 'during.heapsnapshot', 'relay.mjs'])
  expect(relay.log).toBe('')
  expect(await relay.metrics()).not.toContain('MARKER')
  expect(await relay.end()).toBe(0)
})

test('it serves where it may write no file and start no process', async () => {
  const relay = await ObservedRelay.start({ confined: true })
  const [first, second] = await circuit(relay.url)
  first.send(PAYLOAD)
  expect(await second.next()).toEqual(PAYLOAD)
  await endAll(relay, [[first, second]])
  expect(relay.log).toBe('')
  expect(await relay.end()).toBe(0)
})

test('1,000 idle circuits take less than 30 kB each, and leave nothing', async () => {
  const relay = await ObservedRelay.start()
  const open = async (count: number) => {
    const circuits: (readonly TestPeer[])[] = []
    const openSome = async () => {
      while (circuits.length < count) circuits.push(await circuit(relay.url, { route: newRoute() }))
    }
    await Promise.all(Array.from({ length: 8 }, openSome))
    return circuits
  }
  await endAll(relay, await open(100))
  const before = await relay.memory()
  const circuits = await open(1_000)
  const during = await relay.memory()
  await endAll(relay, circuits)
  const after = await relay.memory()
  expect((during - before) / circuits.length).toBeLessThan(30_000)
  expect((after - before) / circuits.length).toBeLessThan(1_000)
  expect((during - before) / circuits.length).toBeGreaterThan(1_000)
  await relay.end()
})
