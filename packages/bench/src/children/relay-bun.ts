// The server of Bun as a relay. Usage: bun relay-bun.js
import { obey } from './commands.js'

interface BunSocket {
  data: { partner?: BunSocket; hasJoined: boolean }
  send(message: Uint8Array): number
}
interface BunServer {
  readonly port: number
  upgrade(request: Request, options: object): boolean
}
declare const Bun: { serve(options: object): BunServer }

const PEER = Uint8Array.of(2)
const waiting = new Map<string, BunSocket>()

function join(own: BunSocket, message: Buffer): void {
  own.data.hasJoined = true
  const route = message.toString('latin1', 4, 20)
  const other = waiting.get(route)
  if (!other) {
    waiting.set(route, own)
    return
  }
  waiting.delete(route)
  own.data.partner = other
  other.data.partner = own
  for (const socket of [own, other]) socket.send(PEER)
}

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request: Request, own: BunServer) => {
    own.upgrade(request, { data: { hasJoined: false }, headers: { 'Sec-WebSocket-Protocol': 'usmp-relay.1' } })
  },
  websocket: {
    perMessageDeflate: false,
    message(own: BunSocket, message: Buffer) {
      if (own.data.hasJoined) own.data.partner!.send(message)
      else join(own, message)
    },
  },
})
await obey({
  port: () => server.port,
  cpu() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
})
