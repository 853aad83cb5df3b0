import type { Readable } from 'node:stream'
import { decodePresence, encodePresence, limitPackets, topicsOf } from '@usmp/mqtt/internal'
import { Choices, must, type Target } from '../target.js'

const MAX_PACKET = 64
const topics = topicsOf('home')
const text = (value: string) => new TextEncoder().encode(value)

/** Anybody who may publish writes topics: one that names a device names it in the one way that there is. */
function checkTopic(topic: string): void {
  const id = topics.idOf(topic)
  if (id === undefined) return
  must(/^[0-9a-f]{12}$/.test(id), `the id ${JSON.stringify(id)}`)
  for (const made of [topics.up(id), topics.down(id), topics.will(id)]) {
    must(topics.idOf(made) === id, `${made} is not about ${id}`)
  }
  must(topic.split('/')[2] === id.slice(-2), `${topic} is in another shard`)
}

/** And what a gateway says of itself: nothing, or what would be written again in the same way. */
function checkPresence(payload: Uint8Array): void {
  const presence = decodePresence(payload)
  if (!presence) return
  const again = decodePresence(text(encodePresence(presence)))
  must(again?.up === presence.up && again.boot === presence.boot, 'a presence that does not say the same again')
}

/** What the filter lets through of a stream that comes in pieces, and how many packets it left out. */
function filtered(bytes: Uint8Array, size: number): { kept: string; long: number } {
  const kept: Uint8Array[] = []
  let long = 0
  const stream = { push: (chunk: Uint8Array) => kept.push(chunk) > 0 }
  limitPackets(stream as unknown as Readable, MAX_PACKET, () => long++)
  for (let at = 0; at < bytes.length; at += size) stream.push(bytes.subarray(at, at + size))
  return { kept: Buffer.concat(kept).toString('hex'), long }
}

/** The same by the rules of MQTT 3.1.1, section 2.2, with all of it at hand; the last packet may be cut off. */
function expected(bytes: Uint8Array): { kept: string; long: number } {
  const kept: Uint8Array[] = []
  let long = 0
  for (let at = 0; at < bytes.length; ) {
    const last = [1, 2, 3, 4].find((place) => at + place >= bytes.length || bytes[at + place]! < 0x80)
    if (last !== undefined && at + last >= bytes.length) break
    if (last === undefined) {
      long++
      break
    }
    const digits = [...bytes.subarray(at + 1, at + 1 + last)]
    const length = digits.reduceRight((sum, digit) => sum * 128 + (digit & 127), 0)
    const end = at + 1 + last + length
    if (length > MAX_PACKET) long++
    else kept.push(bytes.subarray(at, end))
    at = end
  }
  return { kept: Buffer.concat(kept).toString('hex'), long }
}

export const mqtt: Target = {
  seeds: () => [
    ...[topics.up('a0b7654d902c'), topics.will('a0b7654d9107'), topics.presence('main'), 'usmp/home/+/#/up'].map(
      (topic) => text(`\0${topic}`),
    ),
    text(`\0${encodePresence({ up: true, boot: '01234567' })}`),
    text(`\0${encodePresence({ up: false, boot: undefined })}`),
    Uint8Array.of(1, 3, 0x30, 4, 0, 1, 97, 7, 0xd0, 0, 0x30, 0x90, 1, ...new Uint8Array(144), 0xd0, 0),
    Uint8Array.of(1, 0, 0x30, 0xff, 0xff, 0xff, 0xff, 1),
  ],
  run(input) {
    const choices = new Choices(input)
    if ((choices.byte() & 1) === 0) {
      const rest = choices.bytes(choices.left)
      checkTopic(new TextDecoder().decode(rest))
      checkPresence(rest)
      return
    }
    const size = 1 + choices.byte()
    const bytes = choices.bytes(choices.left)
    const [whole, parts, right] = [filtered(bytes, bytes.length + 1), filtered(bytes, size), expected(bytes)]
    must(whole.kept === parts.kept && whole.long === parts.long, 'the cuts of a stream change what is let through')
    must(whole.kept === right.kept && whole.long === right.long, `${whole.kept} in place of ${right.kept}`)
  },
}
