import { contract, rpc } from '@usmp/rpc'
import { object, string } from 'valibot'
import { expect, test } from 'vitest'
import { TwoChannels } from './two-channels.ts'

test('requests of @usmp/rpc survive the death of a session, and so do their answers', async () => {
  const echo = contract({ requests: { echo: { params: object({ text: string() }), result: string() } } })
  const world = new TwoChannels()
  let answered = 0
  rpc(world.channels[0], {
    serves: echo,
    clock: world.clock,
    requests: {
      echo: ({ text }) => {
        answered++
        return text
      },
    },
  })
  const peer = rpc(world.channels[1], { calls: echo, clock: world.clock })
  const long = 'x'.repeat(100_000)
  const early = peer.request('echo', { text: long })
  await world.connect()
  await world.pass(100)
  expect(await early).toBe(long)
  const answers = ['a', 'b', 'c'].map((text) => peer.request('echo', { text }))
  // The requests have arrived, the answers are under way.
  await world.pass(15)
  expect(answered).toBe(4)
  world.cut()
  const later = peer.request('echo', { text: 'd' })
  await world.pass(1000)
  await world.connect()
  await world.pass(100)
  expect(await Promise.all([...answers, later])).toEqual(['a', 'b', 'c', 'd'])
  expect(answered).toBe(5)
  void world.channels[0].close()
  await world.pass(500)
  expect((await peer.closed).code).toBe('CLOSED')
})
