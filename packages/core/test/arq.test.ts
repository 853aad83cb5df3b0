import { bytesOf } from '@usmp/testing'
import { describe, expect, test } from 'vitest'
import { Arq, RoundTrip, type SentFrame } from '../src/arq.ts'

const frame = (seq: number, more: Partial<SentFrame> = {}): SentFrame => ({
  type: 5,
  seq,
  bytes: bytesOf(20, seq),
  key: bytesOf(32, 9),
  epoch: 0,
  exclusive: false,
  mustDeliver: true,
  ...more,
})
const good = () => true
const bad = () => false

describe('round trip estimate (specification, section 7.6)', () => {
  test('begins at 500 ms', () => expect(new RoundTrip().timeout).toBe(500))

  test('follows the samples as RFC 6298 says', () => {
    const path = new RoundTrip()
    path.sample(200)
    expect(path.timeout).toBe(200 + 4 * 100)
    path.sample(300)
    // Variation 3/4 · 100 + 1/4 · |200 − 300|, smoothed 7/8 · 200 + 1/8 · 300.
    expect(path.timeout).toBe(212.5 + 4 * 100)
  })

  test.each([
    ['at least 100 ms', 1, 100],
    ['at most 5 s', 9_000, 5_000],
  ])('is %s', (_, sample, timeout) => {
    const path = new RoundTrip()
    for (let i = 0; i < 50; i++) path.sample(sample)
    expect(path.timeout).toBe(timeout)
  })

  test('stays doubled until the next sample', () => {
    const path = new RoundTrip()
    path.backOff(5_000)
    path.backOff(5_000)
    expect(path.timeout).toBe(2_000)
    path.backOff(5_000)
    path.backOff(5_000)
    expect(path.timeout).toBe(5_000)
    path.sample(40)
    expect(path.timeout).toBe(40 + 4 * 20)
  })

  test('a limit for doubling does not shorten what the path needs', () => {
    const path = new RoundTrip()
    path.backOff(1_000)
    path.backOff(1_000)
    expect(path.timeout).toBe(1_000)
    path.sample(900)
    path.backOff(1_000)
    expect(path.timeout).toBe(900 + 4 * 450)
  })
})

describe('what may be under way together (section 7.5)', () => {
  test('up to the bound', () => {
    const arq = new Arq(3, 0)
    for (let seq = 0; seq < 3; seq++) {
      expect(arq.canSend(frame(seq))).toBe(true)
      arq.sent(frame(seq), 0)
    }
    expect(arq.canSend(frame(3))).toBe(false)
    arq.acknowledge(5, 1, 10, good)
    expect(arq.canSend(frame(3))).toBe(true)
  })

  test('within less than 64 numbers', () => {
    const arq = new Arq(8, 0)
    arq.sent(frame(10), 0)
    expect(arq.canSend(frame(73))).toBe(true)
    expect(arq.canSend(frame(74))).toBe(false)
  })

  test('nothing beside what goes alone, nor of another epoch', () => {
    const arq = new Arq(8, 0)
    arq.sent(frame(0), 0)
    expect(arq.canSend(frame(1, { exclusive: true }))).toBe(false)
    expect(arq.canSend(frame(0, { epoch: 1 }))).toBe(false)
    arq.clear()
    arq.sent(frame(1, { exclusive: true }), 0)
    expect(arq.canSend(frame(2))).toBe(false)
  })
})

describe('repeats', () => {
  test('the same bytes, later each time, for 30 s; at the first timeout after them the frame is lost', () => {
    const arq = new Arq(8, 0)
    const sent = frame(4)
    arq.sent(sent, 0)
    const times = [0]
    let lost: SentFrame | undefined
    while (!lost) {
      const at = arq.deadline
      expect(arq.handleTimeout(at - 1)).toEqual({ repeats: [], lost: undefined })
      const result = arq.handleTimeout(at)
      lost = result.lost
      if (lost) break
      expect(result.repeats).toEqual([sent.bytes])
      times.push(at)
    }
    expect(times).toEqual([0, 500, 1_500, 3_500, 7_500, 12_500, 17_500, 22_500, 27_500])
    expect(lost.seq).toBe(4)
    expect(arq.deadline).toBe(32_500)
  })

  test('a frame of the handshake is repeated at least every second, until another deadline ends it', () => {
    const arq = new Arq(8, 0)
    arq.sent(frame(0, { type: 1, mustDeliver: false }), 0)
    const times: number[] = []
    for (let sends = 0; sends < 60; sends++) {
      times.push(arq.deadline)
      expect(arq.handleTimeout(arq.deadline).repeats).toHaveLength(1)
    }
    expect(times.slice(0, 4)).toEqual([500, 1_500, 2_500, 3_500])
    expect(times.at(-1)).toBe(59_500)
    expect(arq.acknowledge(1, 0, 60_000, good)).toBe('good')
    expect(arq.empty).toBe(true)
  })

  test('jitter makes waits longer by up to an eighth', () => {
    const arq = new Arq(8, 0.5)
    arq.sent(frame(0), 0)
    expect(arq.deadline).toBe(500 * (1 + 1 / 16))
  })

  test('the loss of many at once slows down once', () => {
    const arq = new Arq(8, 0)
    for (let seq = 0; seq < 8; seq++) arq.sent(frame(seq), seq)
    for (let seq = 0; seq < 8; seq++) expect(arq.handleTimeout(500 + seq).repeats).toHaveLength(1)
    expect(arq.deadline).toBe(1_500)
  })

  test('Karn: a repeated frame gives no sample', () => {
    const arq = new Arq(8, 0)
    arq.sent(frame(0), 0)
    arq.handleTimeout(500)
    arq.acknowledge(5, 0, 520, good)
    arq.sent(frame(1), 1_000)
    expect(arq.deadline).toBe(2_000)
    arq.acknowledge(5, 1, 1_040, good)
    arq.sent(frame(2), 2_000)
    expect(arq.deadline).toBe(2_000 + 40 + 4 * 20)
  })
})

describe('acknowledgements', () => {
  test('stop the repeats of the frame they name, and wipe its key', () => {
    const arq = new Arq(8, 0)
    const sent = frame(0)
    arq.sent(sent, 0)
    expect(arq.acknowledge(6, 0, 1, good)).toBe('none')
    expect(arq.acknowledge(5, 1, 1, good)).toBe('none')
    expect(arq.acknowledge(5, 0, 1, bad)).toBe('bad')
    expect(arq.empty).toBe(false)
    expect(arq.acknowledge(5, 0, 1, good)).toBe('good')
    expect(arq.empty).toBe(true)
    expect(sent.key).toEqual(new Uint8Array(32))
    expect(arq.acknowledge(5, 0, 1, good)).toBe('none')
  })

  test('do not stop a HELLO, but give a sample, once', () => {
    const arq = new Arq(8, 0)
    arq.sent(frame(0, { type: 1, exclusive: true, mustDeliver: false, untilAnswered: true }), 0)
    expect(arq.acknowledge(1, 0, 100, good)).toBe('good')
    arq.acknowledge(1, 0, 400, good)
    expect(arq.handleTimeout(500).repeats).toHaveLength(1)
    arq.answered(({ type }) => type === 1)
    expect(arq.empty).toBe(true)
    arq.sent(frame(0), 1_000)
    // One sample of 100 ms, doubled once for the repeat.
    expect(arq.deadline).toBe(1_000 + 2 * 300)
  })
})
