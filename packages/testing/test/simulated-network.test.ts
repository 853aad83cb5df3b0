import { expect, test } from 'vitest'
import { bytesOf } from '../src/bytes.ts'
import { type Conditions, simulatedNetwork } from '../src/simulated-network.ts'

/** What becomes of a thousand datagrams, one a millisecond. */
function send(conditions: Conditions, seed: number) {
  const network = simulatedNetwork(conditions, seed)
  return Array.from({ length: 1000 }, (_, index) =>
    network({ from: 'client', index, bytes: bytesOf(20, index), now: index }),
  )
}

test('the same seed loses the same datagrams', () => {
  const conditions = { delay: 10, jitter: 5, loss: 0.2, duplication: 0.1, reordering: 0.1, corruption: 0.1 }
  expect(send(conditions, 1)).toEqual(send(conditions, 1))
  expect(send(conditions, 1)).not.toEqual(send(conditions, 2))
})

test('one condition does not change what the others do', () => {
  const lost = (conditions: Conditions) => send(conditions, 3).map((copies) => copies.length === 0)
  expect(lost({ delay: 10, loss: 0.2, jitter: 5, corruption: 0.5 })).toEqual(lost({ delay: 10, loss: 0.2 }))
})

test('a good network passes everything after its delay, unchanged', () => {
  const expected = Array.from({ length: 1000 }, (_, index) => [{ bytes: bytesOf(20, index), delay: 10 }])
  expect(send({ delay: 10 }, 1)).toEqual(expected)
})

test('a partition passes nothing', () => {
  const arrived = send({ delay: 10, partitions: [[100, 200]] }, 1).flatMap((copies, at) =>
    copies.length > 0 ? [at] : [],
  )
  expect(arrived).toHaveLength(900)
  expect(arrived.filter((at) => at >= 100 && at < 200)).toEqual([])
})
