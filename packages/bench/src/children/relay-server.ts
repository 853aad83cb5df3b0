// A process that passes on what one of two sends to the other. Usage: node --expose-gc relay-server.js usmp|naive|splice
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { startRelay } from '@usmp/relay/server'
import { type WebSocket, WebSocketServer } from 'ws'
import { obey } from './commands.js'

const host = '127.0.0.1'
const PEER = Uint8Array.of(2)

async function serveUsmp(): Promise<number> {
  const plenty = 1e9
  const limits = {
    joinsPerSecond: plenty,
    joinBurst: plenty,
    waitingPerAddress: plenty,
    circuitsPerAddress: plenty,
    circuits: 100_000,
    bytesPerSecond: 1e12,
    byteBurst: 1e12,
  }
  const relay = await startRelay({ host, port: 0, open: true, limits })
  return Number(relay.url.port)
}

/** As it is written first: each message is sent on, without a look at the socket. Only the first message is read, for the pair. */
async function serveNaive(): Promise<number> {
  const server = new WebSocketServer({ host, port: 0, perMessageDeflate: false, maxPayload: 492 })
  const waiting = new Map<string, WebSocket>()
  server.on('connection', (own) => {
    own.once('message', (join: Buffer) => {
      const route = join.toString('latin1', 4, 20)
      const other = waiting.get(route)
      if (!other) {
        waiting.set(route, own)
        return
      }
      waiting.delete(route)
      own.on('message', (message) => other.send(message))
      other.on('message', (message) => own.send(message))
      own.on('close', () => other.close())
      other.on('close', () => own.close())
      for (const socket of [own, other]) socket.send(PEER)
    })
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Two connections after each other are a pair. Nothing of what they send is looked at. */
async function splice(): Promise<number> {
  let waiting: Socket | undefined
  const server = createServer((own) => {
    own.on('error', () => {})
    if (waiting) own.pipe(waiting).pipe(own)
    waiting = waiting ? undefined : own
  })
  server.listen(0, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const kinds = { usmp: serveUsmp, naive: serveNaive, splice }
const port = await kinds[process.argv[2] as keyof typeof kinds]()
await obey({
  port: () => port,
  /** Processor time so far, µs. */
  cpu() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
})
