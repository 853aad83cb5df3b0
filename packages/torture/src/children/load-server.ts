// A server that reads what comes, and counts.
import { listen, type Session } from '@usmp/node'
import { LOOPBACK, PSK } from '../fleet.js'
import { serveCommands } from './control-channel.js'

const server = await listen({
  tcp: { host: LOOPBACK, port: 0 },
  udp: { host: LOOPBACK, port: 0 },
  psk: () => PSK,
  maxConnections: 20_000,
})
let [delivered, wrong, refused, broken] = [0, 0, 0, 0]
server.addEventListener('refused', () => refused++)
server.addEventListener('ended', ({ session }) => {
  if (session.signal.reason.code !== 'CLOSED') broken++
})

/** The messages of a session are numbered from 0. */
async function readAll(session: Session): Promise<void> {
  for (let expected = 0; ; expected++) {
    const message = await session.receive()
    if (!message) return
    delivered++
    if (Buffer.from(message.buffer, message.byteOffset).readUInt32BE() !== expected) wrong++
  }
}

void (async () => {
  for await (const session of server) void readAll(session).catch(() => {})
})()

await serveCommands({
  ports: () => ({ tcp: server.port, udp: server.udpPort }),
  counts: () => ({ sessions: server.sessions.length, delivered, wrong, refused, broken }),
})
