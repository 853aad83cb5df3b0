// Peers of a relay, with as little work as can be. Usage: node --expose-gc relay-clients.js websocket|tcp PORT SIZE
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { obey } from './commands.js'

const [kind, port, size] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const MASK = Buffer.of(0x3a, 0x91, 0x5c, 0xe7)
/** Bytes of one write. */
const CHUNK = 49_152
/** Circuits that are opened at once. */
const AT_ONCE = 16

/** A binary message of a client (RFC 6455, section 5.2). */
function frame(payload: Uint8Array): Buffer {
  const short = payload.length < 126
  const head = short ? [0x82, 0x80 | payload.length] : [0x82, 0xfe, payload.length >> 8, payload.length & 0xff]
  return Buffer.concat([Buffer.from(head), MASK, payload.map((byte, index) => byte ^ MASK[index % 4]!)])
}

/** What comes out of the relay for each message. */
const received = kind === 'tcp' ? frame(new Uint8Array(size)).length : size + (size < 126 ? 2 : 4)

/** Reads until what has come ends like this. */
async function readUntil(socket: Socket, end: Buffer): Promise<void> {
  let seen = Buffer.alloc(0)
  while (!seen.subarray(-end.length).equals(end)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    seen = Buffer.concat([seen, chunk])
  }
}

async function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  await once(socket, 'connect')
  if (kind === 'tcp') return socket
  const request = [
    'GET /relay HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Protocol: usmp-relay.1',
  ]
  socket.write(`${request.join('\r\n')}\r\n\r\n`)
  await readUntil(socket, Buffer.from('\r\n\r\n'))
  return socket
}

/** A JOIN of the relay (specification, section 12.1). */
const join = (route: Uint8Array, side: number) => frame(Buffer.of(0x55, 0x52, 1, side, ...route, 0))

async function openCircuit(): Promise<[Socket, Socket]> {
  const pair: [Socket, Socket] = [await open(), await open()]
  if (kind === 'tcp') return pair
  const route = randomBytes(16)
  const joined = pair.map((socket) => readUntil(socket, Buffer.of(0x82, 1, 2)))
  for (const [side, socket] of pair.entries()) socket.write(join(route, side))
  await Promise.all(joined)
  return pair
}

const circuits: [Socket, Socket][] = []

async function openCircuits(count: number): Promise<void> {
  let left = count
  const worker = async () => {
    while (left-- > 0) circuits.push(await openCircuit())
  }
  // A splice makes pairs of connections in their order.
  await Promise.all(Array.from({ length: kind === 'tcp' ? 1 : AT_ONCE }, worker))
  for (const socket of circuits.flat()) socket.resume()
}

async function flood(count: number): Promise<void> {
  const [sender, receiver] = circuits[0]!
  const message = frame(randomBytes(size))
  const inChunk = Math.floor(CHUNK / message.length)
  const chunk = Buffer.concat(Array.from({ length: inChunk }, () => message))
  let missing = count * received
  const arrived = new Promise<void>((resolve) => {
    const onData = (data: Buffer) => {
      missing -= data.length
      if (missing > 0) return
      receiver.off('data', onData)
      resolve()
    }
    receiver.on('data', onData)
  })
  for (let left = count; left > 0; left -= inChunk) {
    const part = left < inChunk ? chunk.subarray(0, left * message.length) : chunk
    if (!sender.write(part)) await once(sender, 'drain')
  }
  await arrived
}

await obey({
  open: openCircuits,
  flood,
  async close() {
    const closed = circuits.flat().map((socket) => once(socket.destroy(), 'close'))
    await Promise.all(closed)
    circuits.length = 0
  },
})
