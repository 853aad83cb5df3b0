import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientOptions, WebSocket } from 'ws'
import { encodeJoin, type Join, RelayMessage, SUBPROTOCOL } from '../../src/wire.ts'

export const newRoute = (): Uint8Array => new Uint8Array(randomBytes(16))

/** A session's, without a token, if nothing else is said. */
export type PartialJoin = Partial<Join> & Pick<Join, 'route' | 'side'>

export const joinOf = (join: PartialJoin): Join => ({
  pairing: false,
  token: new Uint8Array(),
  ...join,
})

/** A WebSocket to a relay that notes all that comes. */
export class TestPeer {
  readonly webSocket: WebSocket
  readonly received: Buffer[] = []
  readonly opened: Promise<unknown>
  /** Code and reason of the end. */
  readonly closed: Promise<{ code: number; reason: string }>
  #wake = () => {}

  constructor(url: URL | string, options: ClientOptions = {}) {
    this.webSocket = new WebSocket(url, SUBPROTOCOL, options)
    this.webSocket.on('message', (data: Buffer) => {
      this.received.push(Buffer.from(data))
      this.#wake()
    })
    this.webSocket.on('error', () => {})
    this.opened = new Promise((resolve) => this.webSocket.once('open', resolve))
    this.closed = new Promise((resolve) => {
      this.webSocket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() })
        this.#wake()
      })
    })
  }

  static async open(url: URL | string, options?: ClientOptions): Promise<TestPeer> {
    const peer = new TestPeer(url, options)
    await once(peer.webSocket, 'open')
    return peer
  }

  /** Opens a socket and says JOIN. */
  static async join(url: URL | string, join: PartialJoin): Promise<TestPeer> {
    const peer = await TestPeer.open(url)
    peer.join(join)
    return peer
  }

  /** Joins, and waits for WAITING. */
  static async waiting(url: URL | string, join: PartialJoin): Promise<TestPeer> {
    const peer = await TestPeer.join(url, join)
    await peer.expect(RelayMessage.WAITING)
    return peer
  }

  join(join: PartialJoin): void {
    this.send(encodeJoin(joinOf(join)))
  }

  send(bytes: Uint8Array | string): void {
    this.webSocket.send(bytes)
  }

  /** The next message; fails if the socket ends first. */
  async next(): Promise<Buffer> {
    while (this.received.length === 0) {
      if (this.webSocket.readyState === WebSocket.CLOSED) {
        throw new Error(`closed: ${JSON.stringify(await this.closed)}`)
      }
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    return this.received.shift()!
  }

  /** The next message has to be this byte. */
  async expect(byte: number): Promise<void> {
    const message = await this.next()
    if (message.length !== 1 || message[0] !== byte) throw new Error(`${message.toString('hex')} instead of ${byte}`)
  }

  /** Reads up to this byte. */
  async until(byte: number): Promise<void> {
    while ((await this.next())[0] !== byte);
  }

  async close(): Promise<void> {
    this.webSocket.close()
    await this.closed
  }
}

/** Two peers in a circuit. */
export async function circuit(
  url: URL | string,
  join: Partial<Join> & { route?: Uint8Array } = {},
): Promise<[TestPeer, TestPeer]> {
  const route = join.route ?? newRoute()
  const first = await TestPeer.waiting(url, { ...join, route, side: 0 })
  const second = await TestPeer.join(url, { ...join, route, side: 1 })
  await Promise.all([first.expect(RelayMessage.PEER), second.expect(RelayMessage.PEER)])
  return [first, second]
}
