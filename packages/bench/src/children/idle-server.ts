// A server that reads what comes and answers nothing. Usage: node --expose-gc idle-server.js usmp|tcp
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { listen, type Session } from '@usmp/node'
import { obey } from './commands.js'

const PSK = new Uint8Array(Buffer.from(process.env.USMP_BENCH_PSK!, 'hex'))
const host = '127.0.0.1'

async function serveUsmp(): Promise<number> {
  const server = await listen({
    tcp: { host, port: 0 },
    psk: () => PSK,
    maxConnections: 100_000,
    maxConnectionsPerAddress: 100_000,
    maxHandshakes: 100_000,
    idleTimeout: 0,
  })
  void (async () => {
    for await (const session of server) void readAll(session).catch(() => {})
  })()
  return server.port
}

async function readAll(session: Session): Promise<void> {
  while (await session.receive());
}

async function serveTcp(): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket
      .on('data', () => {})
      .on('error', () => {})
      .on('close', () => sockets.delete(socket))
  })
  server.listen(0, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const port = await (process.argv[2] === 'usmp' ? serveUsmp() : serveTcp())
await obey({
  port: () => port,
  /** Processor time so far, µs. */
  cpu() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
})
