// A server on three transports that sends back what comes, reads slowly now and then, and changes keys.
// Usage: soak-server.js SEED
import { formatDeviceId, listen, type Session } from '@usmp/node'
import { Random } from '@usmp/testing'
import { deviceId, LOOPBACK, OF_SOAK, PSK } from '../fleet.js'
import { numberOf } from '../numbered.js'
import { say, serveCommands } from './control-channel.js'

/** The C program and the bad clients number nothing. */
const numberedDevices = new Set(Array.from({ length: OF_SOAK }, (_, n) => formatDeviceId(deviceId(n))))
const random = new Random(Number(process.argv[2]))
const place = { host: LOOPBACK, port: 0 }
const server = await listen({ tcp: place, udp: place, websocket: place, psk: () => PSK })
let [messages, bytes, rekeys, refused] = [0, 0, 0, 0]
server.addEventListener('refused', () => refused++)

async function serve(session: Session): Promise<void> {
  let delivered = 0
  const isNumbered = numberedDevices.has(session.deviceId)
  try {
    for (let message = await session.receive(); message; message = await session.receive()) {
      messages++
      bytes += message.length
      if (isNumbered) check(session, message, delivered++)
      if (random.share() < 0.02) await new Promise((resolve) => setTimeout(resolve, random.between(0, 100)))
      if (isNumbered && random.share() < 0.01) void changeKeys(session)
      // A device that has said goodbye takes nothing more; what it sent before is still to be read.
      await session.send(message).catch(() => {})
    }
  } catch (error) {
    if (!session.signal.aborted) say('fault', { session: session.sessionId, error: String(error) })
  }
  const { code } = await session.closed
  if (isNumbered) say('end', { session: session.sessionId, delivered, code })
}

function check(session: Session, message: Uint8Array, expected: number): void {
  const n = numberOf(message)
  if (n !== expected) say('fault', { session: session.sessionId, error: `${n} came in place of ${expected}` })
}

/** One may be under way already; then this is not the time. */
async function changeKeys(session: Session): Promise<void> {
  await session.rekey().then(
    () => rekeys++,
    () => {},
  )
}

void (async () => {
  for await (const session of server) void serve(session)
})()

await serveCommands({
  ports: () => ({ tcp: server.port, udp: server.udpPort, ws: Number(new URL(server.websocketUrl).port) }),
  counts: () => ({ sessions: server.sessions.length, messages, bytes, rekeys, refused }),
})
