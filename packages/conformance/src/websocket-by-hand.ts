import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9 } as const

/** A WebSocket server that a test leads byte by byte: it opens the WebSocket, and then writes what it is told to, right or wrong. */
export class WebSocketByHand {
  readonly #server: Server
  readonly #sockets: Socket[] = []
  #whenOpened: (socket: Socket) => void = () => {}
  /** The socket of the next client, behind the upgrade. */
  readonly opened = new Promise<Socket>((resolve) => (this.#whenOpened = resolve))

  private constructor() {
    this.#server = createServer().on('upgrade', ({ headers }, socket) => {
      const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${GUID}`).digest('base64')
      socket.on('error', () => {})
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      this.#sockets.push(socket as Socket)
      this.#whenOpened(socket as Socket)
    })
  }

  static async start(): Promise<WebSocketByHand> {
    const made = new WebSocketByHand()
    made.#server.listen(0, '127.0.0.1')
    await once(made.#server, 'listening')
    return made
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}

/** One frame of a WebSocket, as a server sends it (RFC 6455, section 5.2). */
export function frame(opcode: number, payload: Uint8Array, { final = true } = {}): Uint8Array {
  const first = (final ? 0x80 : 0) | opcode
  const size = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff]
  return Uint8Array.of(first, ...size, ...payload)
}

/** Reads the frames of a client: the messages in order, and the status of its close. */
export async function readClient(
  socket: Socket,
  onMessage: (message: Uint8Array) => void = () => {},
): Promise<number | undefined> {
  let left = Buffer.alloc(0)
  for await (const chunk of socket) {
    left = Buffer.concat([left, chunk as Buffer])
    for (let next = takeFrame(left); next; next = takeFrame(left)) {
      left = left.subarray(next.size)
      if (next.opcode === Opcode.CLOSE) return next.payload.length >= 2 ? next.payload.readUInt16BE() : undefined
      if (next.opcode === Opcode.BINARY) onMessage(new Uint8Array(next.payload))
    }
  }
  return undefined
}

function takeFrame(bytes: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (bytes.length < 4) return undefined
  const short = bytes[1]! & 0x7f
  const at = short === 126 ? 4 : 2
  const length = short === 126 ? bytes.readUInt16BE(2) : short
  if (bytes.length < at + 4 + length) return undefined
  const mask = bytes.subarray(at, at + 4)
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length)).map((byte, i) => byte ^ mask[i % 4]!)
  return { opcode: bytes[0]! & 0x0f, payload: payload as Buffer, size: at + 4 + length }
}
