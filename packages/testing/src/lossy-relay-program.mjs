#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Stands between UDP programs and their server and treats what passes as a bad network would.
//
//   node lossy-relay-program.mjs --to 127.0.0.1:9000 [--listen 9001] [--from 9002] [--loss 0.2] [--duplication 0.05] [--reordering 0.05]
//                        [--delay 25] [--jitter 10] [--corruption 0.01] [--seed 1]
//
// With --from all programs reach the server from that one port, as one device does that is started again and again; answers
// go to the one that spoke last. Shares are from 0 to 1 and count for each direction, times are ms one way. Says on standard output, as one JSON object
// a line, where it listens and with which seed ({"event":"listening","port":…,"seed":…}) and, at its end, what it did.
// The same seed gives the same fate to the n-th datagram of a direction. Ends with standard input.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { randomNumbers } from './random-numbers.mjs'

const LOOPBACK = '127.0.0.1'
const { values } = parseArgs({
  options: Object.fromEntries(
    ['to', 'listen', 'from', 'loss', 'duplication', 'reordering', 'delay', 'jitter', 'corruption', 'seed'].map(
      (name) => [name, { type: 'string' }],
    ),
  ),
})
const number = (name, otherwise = 0) => {
  const value = values[name] === undefined ? otherwise : Number(values[name])
  if (Number.isFinite(value) && value >= 0) return value
  console.error(`--${name} must be a number, not ${values[name]}`)
  process.exit(2)
}
const [toHost, toPort] = (values.to ?? '').split(':')
if (!toHost || !toPort) {
  console.error('--to host:port is missing')
  process.exit(2)
}
const seed = number('seed', Math.floor(Math.random() * 2 ** 31))
const conditions = {
  loss: number('loss'),
  duplication: number('duplication'),
  reordering: number('reordering'),
  corruption: number('corruption'),
  delay: number('delay'),
  jitter: number('jitter'),
}
const counts = { passed: 0, lost: 0, duplicated: 0, reordered: 0, corrupted: 0 }

/** One sequence for each direction. */
const dice = { up: randomNumbers(seed), down: randomNumbers(seed + 1) }

function pass(direction, datagram, send) {
  const random = dice[direction]
  const [loss, duplication, reordering, corruption, jitter, bit] = Array.from({ length: 6 }, random)
  if (loss < conditions.loss) {
    counts.lost++
    return
  }
  let bytes = datagram
  if (corruption < conditions.corruption && datagram.length > 0) {
    counts.corrupted++
    const at = Math.floor(bit * datagram.length * 8)
    bytes = Uint8Array.from(datagram)
    bytes[at >> 3] ^= 1 << (at & 7)
  }
  let delay = conditions.delay + jitter * conditions.jitter
  if (reordering < conditions.reordering) {
    counts.reordered++
    delay += Math.max(20, 2 * conditions.delay)
  }
  const copies = duplication < conditions.duplication ? 2 : 1
  counts.duplicated += copies - 1
  counts.passed++
  for (let copy = 0; copy < copies; copy++) {
    if (delay + copy * conditions.delay === 0) send(bytes)
    else setTimeout(send, delay + copy * conditions.delay, bytes)
  }
}

/** For each program its own socket towards the server, so that the server tells them apart; with --from one for all. */
const backs = new Map()
const front = createSocket('udp4')
front.on('message', (datagram, { address, port }) => {
  const key = values.from ?? `${address}:${port}`
  let back = backs.get(key)
  if (!back) {
    back = { socket: createSocket('udp4') }
    back.socket.on('message', (answer) =>
      pass('down', answer, (bytes) => front.send(bytes, back.port, back.address, () => {})),
    )
    back.socket.on('error', () => {})
    if (values.from !== undefined) back.socket.bind(number('from'), LOOPBACK)
    backs.set(key, back)
  }
  Object.assign(back, { address, port })
  pass('up', datagram, (bytes) => back.socket.send(bytes, Number(toPort), toHost, () => {}))
})
front.bind(number('listen'), LOOPBACK)
await once(front, 'listening')
console.log(JSON.stringify({ event: 'listening', port: front.address().port, seed }))
process.stdin.resume()
await once(process.stdin, 'end')
console.log(JSON.stringify({ event: 'done', ...counts }))
process.exit(0)
