import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Random } from '@usmp/testing'

/** A way between a device and a gateway that delays everything, loses some, and counts. */
export interface LossyWay {
  /** Where the device reaches the gateway. */
  readonly port: number
  /** Bytes of both directions so far, with what was lost; without the headers of TCP, UDP and IP. */
  bytes(): number
  close(): Promise<void>
}

export interface WayConditions {
  /** Share of datagrams, or of messages, that are lost: 0 to 1. */
  readonly loss: number
  /** ms, one way. */
  readonly delay: number
}

/** A way for UDP to one server, for one device. */
export async function udpWay(to: number, { loss, delay }: WayConditions): Promise<LossyWay> {
  const random = new Random(1)
  const front = createSocket('udp4')
  const back = createSocket('udp4')
  let device: RemoteInfo | undefined
  let bytes = 0
  const pass = (data: Buffer, send: (data: Buffer) => void) => {
    bytes += data.length
    if (random.share() >= loss) setTimeout(() => send(data), delay)
  }
  front.on('message', (data, from) => {
    device = from
    pass(data, (message) => back.send(message, to, '127.0.0.1'))
  })
  back.on('message', (data) => pass(data, (message) => device && front.send(message, device.port, device.address)))
  // What is under way when the way closes is lost.
  for (const socket of [front, back]) socket.on('error', () => {})
  front.bind(0, '127.0.0.1')
  await once(front, 'listening')
  return {
    port: front.address().port,
    bytes: () => bytes,
    async close() {
      await new Promise((resolve) => setTimeout(resolve, 2 * delay))
      front.close()
      back.close()
    },
  }
}

/** A way for TCP to one server. `passes` says whether a part of the stream is passed on, and what a part is. */
async function streamWay(to: number, delay: number, makeParts: () => (data: Buffer) => Buffer): Promise<LossyWay> {
  let bytes = 0
  const open = new Set<Socket>()
  const pipe = (from: Socket, into: Socket) => {
    const parts = makeParts()
    open.add(from)
    from.on('data', (data) => {
      bytes += data.length
      const rest = parts(data)
      if (rest.length > 0) setTimeout(() => into.destroyed || into.write(rest), delay)
    })
    from.on('error', () => {})
    from.on('close', () => setTimeout(() => into.end(), delay))
  }
  const server = createServer((front) => {
    const back = connect(to, '127.0.0.1')
    for (const socket of [front, back]) socket.setNoDelay(true)
    pipe(front, back)
    pipe(back, front)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => bytes,
    async close() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export const tcpWay = (to: number, { delay }: WayConditions): Promise<LossyWay> =>
  streamWay(to, delay, () => (data) => data)

/** A way for MQTT on which messages of QoS 0 are lost, as at a broker whose queues are full. */
export function mqttWay(to: number, { loss, delay }: WayConditions): Promise<LossyWay> {
  const random = new Random(2)
  return streamWay(to, delay, () => mqttParts(() => random.share() < loss))
}

const PUBLISH = 3

/** Cuts a stream of MQTT into packets, and leaves messages out that are lost. */
function mqttParts(isLost: () => boolean): (data: Buffer) => Buffer {
  let kept: Buffer = Buffer.alloc(0)
  return (data) => {
    kept = Buffer.concat([kept, data])
    const passed: Buffer[] = []
    for (let length = packetLength(kept); length !== undefined && length <= kept.length; length = packetLength(kept)) {
      const packet = kept.subarray(0, length)
      kept = kept.subarray(length)
      if (packet[0]! >> 4 !== PUBLISH || !isLost()) passed.push(packet)
    }
    return Buffer.concat(passed)
  }
}

/** Of the packet at the beginning, with its header; undefined while too little has come (MQTT 5.0, section 2.1.4). */
function packetLength(bytes: Buffer): number | undefined {
  let rest = 0
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at]
    if (byte === undefined) return undefined
    rest += (byte & 0x7f) << (7 * (at - 1))
    if (byte < 0x80) return 1 + at + rest
  }
  throw new Error('no MQTT')
}
