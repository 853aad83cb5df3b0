import { topic, valid } from '../lib.mjs'

const LAST = 0xfffffffe
const END = 0xffffffff

/** Each step reads "seq" for an authentic frame, or "forged seq"; what is to happen is worked out from the plain definition. */
function datagram(comment, flags, ...steps) {
  const seen = new Set()
  let highest = -1
  const done = steps.map((step) => {
    const authentic = typeof step === 'number'
    const seq = authentic ? step : step.forged
    let expect = 'ACCEPT'
    if (seen.has(seq) || seq <= highest - 64) expect = 'REPLAYED'
    else if (!authentic) expect = 'DROPPED'
    else if (seq === END) expect = 'SEQ_EXHAUSTED'
    if (expect === 'ACCEPT') {
      seen.add(seq)
      highest = Math.max(highest, seq)
    }
    return { seq, authentic, expect }
  })
  return valid(comment, flags, { steps: done })
}

/** An error ends the session, so nothing follows it. */
function ordered(comment, flags, start, ...seqs) {
  let next = start
  const steps = []
  for (const seq of seqs) {
    let expect = 'ACCEPT'
    if (seq === END) expect = 'SEQ_EXHAUSTED'
    else if (seq !== next) expect = 'SEQ_MISMATCH'
    next++
    steps.push({ seq, authentic: true, expect })
    if (expect !== 'ACCEPT' && steps.length < seqs.length) throw new Error(`${comment}: goes on behind its end`)
  }
  return valid(comment, flags, { start, steps })
}

const forged = (seq) => ({ forged: seq })
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

function datagramTests() {
  const jump = (by) =>
    datagram(
      `jump of ${by}`,
      ['JUMP'],
      10,
      10 + by,
      10,
      10 + by,
      9 + by,
      ...(by > 64 ? [10 + by - 63, 10 + by - 64] : [9, 11]),
    )
  return [
    datagram('seq 0 first', ['INITIAL'], 0, 0, 1, 0, 1),
    datagram('seq 1 first, then 0', ['INITIAL'], 1, 0, 0, 1),
    datagram('seq 63 first: all before it are still in the window', ['INITIAL'], 63, 0, 62, 0, 63),
    datagram('seq 64 first: 0 is outside, 1 is inside', ['INITIAL'], 64, 0, 1, 1),
    datagram('first frame far ahead', ['INITIAL'], 1000000, 0, 999936, 999937, 999937, 1000001),
    datagram('in order', ['ORDER'], ...range(0, 70), 70, 7, 6),
    datagram('backwards', ['ORDER'], ...range(0, 20).reverse(), ...range(0, 20)),
    datagram('every second one, then the others', ['ORDER'], 0, 2, 4, 6, 8, 1, 3, 5, 7, 1, 8),
    datagram('each three times', ['ORDER'], 5, 5, 5, 6, 6, 6, 5),
    datagram('the edge of the window', ['EDGE'], 100, 37, 36, 37, 101, 38, 37),
    datagram('the whole window filled from below', ['EDGE'], 63, ...range(0, 62), ...range(0, 63), 64, 0, 1),
    datagram('63 and 64 below the highest, both new', ['EDGE'], 200, 136, 137),
    ...[1, 2, 31, 32, 33, 62, 63, 64, 65, 127, 128, 129, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1].map(jump),
    datagram('jump of 32, bits on both sides kept', ['JUMP'], 10, 12, 42, 10, 11, 12, 13, 41, 42),
    datagram('jump of 63, the oldest bit kept', ['JUMP'], 10, 73, 10, 11, 72, 9),
    datagram('jump of 64 forgets everything', ['JUMP'], 10, 74, 10, 11, 73),
    datagram(
      'over the middle of the numbers',
      ['SIGN'],
      0x7ffffffe,
      0x7fffffff,
      0x80000000,
      0x80000001,
      0x7fffffff,
      0x80000000,
      0x7ffffff0,
    ),
    datagram('a low number after a very high one is old', ['SIGN'], 0x80000005, 5, 0x80000004),
    datagram('to the last number', ['END'], LAST - 2, LAST, LAST - 1, LAST, LAST - 1, LAST - 63, LAST - 64),
    datagram('0xffffffff under a good tag', ['END'], LAST, END, LAST - 1, END),
    datagram('0xffffffff under a good tag does not move the window', ['END'], 5, END, 4, 6),
    datagram('0xffffffff forged', ['END', 'FORGED'], 5, forged(END), 4, 6),
    datagram('the last number does not wrap to 0', ['END'], LAST, 0, 1),
    datagram('forged frames far ahead move nothing', ['FORGED'], 5, forged(1000), forged(70), 6, 4, 7),
    datagram('a forged frame as the very first', ['FORGED', 'INITIAL'], forged(500), 0, 1),
    datagram('a forged frame, then the true one with its number', ['FORGED'], 0, forged(1), 1, 1),
    datagram('a forged frame with a late number marks nothing', ['FORGED'], 10, forged(8), 8, 8),
    datagram('a forged frame with a number already seen', ['FORGED'], 3, forged(3), 4),
    datagram('a forged frame below the window', ['FORGED'], 100, forged(36), 37),
    datagram('a forged frame with the last number', ['FORGED'], 0, forged(LAST), 1),
  ]
}

function orderedTests() {
  return [
    ordered('in order', ['ORDER'], 0, ...range(0, 9)),
    ordered('first frame is not 0', ['INITIAL'], 0, 1),
    ordered('a frame once more', ['ORDER'], 0, 0, 1, 1),
    ordered('the first frame once more', ['ORDER'], 0, 0, 0),
    ordered('one left out', ['ORDER'], 0, 0, 1, 3),
    ordered('64 left out', ['ORDER'], 0, 0, 65),
    ordered('an older one', ['ORDER'], 0, 0, 1, 2, 0),
    ordered('over the middle of the numbers', ['SIGN'], 0x7ffffffe, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001),
    ordered('the last number', ['END'], LAST - 1, LAST - 1, LAST),
    ordered('0xffffffff behind the last number', ['END'], LAST, LAST, END),
    ordered('0xffffffff too early', ['END'], 4, 4, END),
    ordered('the last number does not wrap to 0', ['END'], LAST, LAST, 0),
  ]
}

export default function () {
  return topic({
    topic: 'replay',
    source: 'spec 4.2 and 4.5',
    notes: {
      INITIAL:
        'Nothing received yet is a state of its own. Catches a window that starts as if seq 0 had been seen, or counts everything as old.',
      ORDER: 'Order, disorder and repetition.',
      EDGE: 'The window is 64 wide: the highest seq accepted and the 63 before it.',
      JUMP: 'Jumps at the widths of machine words. Catches a shift by 32 or 64 that shifts by 0, and one that keeps old bits.',
      SIGN: 'Numbers over 0x7fffffff are greater, not negative.',
      END: '0xfffffffe is the last number. 0xffffffff is an error under a good tag only, and moves nothing.',
      FORGED:
        'A frame that is not authentic moves nothing. The window is asked before the tag, so one with a number already seen counts as repeated.',
    },
    groups: [
      { params: { op: 'window', transport: 'datagram' }, tests: datagramTests() },
      { params: { op: 'window', transport: 'ordered' }, tests: orderedTests() },
    ],
  })
}
