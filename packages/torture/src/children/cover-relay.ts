// A relay, and before it somebody who notes when each frame of each peer comes and how long it is: all that a relay can know.
import { connect, createServer, type Socket } from 'node:net'
import { startRelay } from '@usmp/relay/server'
import type { SeenFrame } from '@usmp/testing'
import { LOOPBACK } from '../fleet.js'
import { serveCommands } from './control-channel.js'

/** Of a WebSocket message from a client: the mask, and where the length stands for lengths from 126 to 65535. */
const MASK_SIZE = 4
const LONG_LENGTH = 126
/** Of a JOIN: where the side stands, and the first four bytes of the route, which number the circuits here. */
const SIDE_AT = 3
const ROUTE_AT = 4
const MANY = 1_000_000

const relay = await startRelay({
  port: 0,
  open: true,
  limits: { joinsPerSecond: MANY, joinBurst: MANY, waitingPerAddress: MANY, circuitsPerAddress: MANY },
})
const circuits = new Map<number, SeenFrame[]>()

/** Reads the WebSocket messages of one client. */
class Watcher {
  #rest: Buffer = Buffer.alloc(0)
  #upgraded = false
  #frames: SeenFrame[] | undefined
  #from: 0 | 1 = 0

  see(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    if (!this.#upgraded) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#upgraded = true
      this.#rest = this.#rest.subarray(end + 4)
    }
    while (this.#message());
  }

  /** @returns false if none is complete */
  #message(): boolean {
    const rest = this.#rest
    if (rest.length < 2) return false
    const short = rest[1]! & 0x7f
    const head = short === LONG_LENGTH ? 4 : 2
    if (rest.length < head) return false
    const size = short === LONG_LENGTH ? rest.readUInt16BE(2) : short
    const whole = head + MASK_SIZE + size
    if (rest.length < whole) return false
    this.#rest = rest.subarray(whole)
    const isBinary = (rest[0]! & 0x0f) === 2
    if (isBinary && this.#frames) this.#frames.push({ from: this.#from, at: performance.now(), size })
    else if (isBinary) this.#join(rest.subarray(head, head + MASK_SIZE), rest.subarray(head + MASK_SIZE, whole))
    return true
  }

  #join(mask: Buffer, join: Buffer): void {
    const plain = join.map((byte, at) => byte ^ mask[at % MASK_SIZE]!)
    const circuit = Buffer.from(plain).readUInt32BE(ROUTE_AT)
    this.#from = plain[SIDE_AT] === 0 ? 0 : 1
    this.#frames = circuits.get(circuit) ?? []
    circuits.set(circuit, this.#frames)
  }
}

function join(client: Socket): void {
  const server = connect(Number(new URL(relay.url).port), LOOPBACK)
  const watcher = new Watcher()
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.setNoDelay(true)
    from.on('data', (chunk: Buffer) => {
      if (from === client) watcher.see(chunk)
      to.write(chunk)
    })
    from.on('close', () => to.destroy())
    from.on('error', () => {})
  }
}

const front = createServer(join)
await new Promise<void>((resolve) => front.listen(0, LOOPBACK, resolve))

await serveCommands({
  port: () => (front.address() as { port: number }).port,
  /** What was seen of a circuit; then it is forgotten. */
  seen(circuit: number) {
    const frames = circuits.get(circuit) ?? []
    circuits.delete(circuit)
    return frames
  },
})
