// A server that tells of every message and confirms it. Usage: fault-server.js tcp|udp|ws PORT [--jump]
import { listen, type Server, type Session } from '@usmp/node'
import { type FaultKind, LIVENESS, LOOPBACK, PSK } from '../fleet.js'
import { numberOf } from '../numbered.js'
import { say, serveCommands } from './control-channel.js'
import { letClockJump } from './jumping-clock.js'

const [kind, port, jump] = [process.argv[2] as FaultKind, Number(process.argv[3]), process.argv[4]]
if (jump === '--jump') letClockJump()
const place = { host: LOOPBACK, port }
const options = {
  ...{ tcp: { tcp: place }, udp: { udp: place }, ws: { websocket: place } }[kind],
  ...LIVENESS,
  psk: () => PSK,
}
/** While a server is down, an outgoing connection of another round may have its port for a moment. */
const ATTEMPTS = 20
let server: Server | undefined
for (let attempt = 1; !server; attempt++) {
  try {
    server = await listen(options)
  } catch (error) {
    if (attempt === ATTEMPTS) throw error
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}
const running = server

async function serve(session: Session): Promise<void> {
  for (let message = await session.receive(); message; message = await session.receive()) {
    const n = numberOf(message)
    // First, as one that was confirmed must have been told even if the process ends in this moment.
    say('message', { session: session.sessionId, n })
    await session.send(message)
  }
}

void (async () => {
  for await (const session of running) {
    void serve(session).catch((error) => {
      if (!session.signal.aborted) say('fault', { error: String(error) })
    })
  }
})()

const ports = {
  tcp: () => running.port,
  udp: () => running.udpPort,
  ws: () => Number(new URL(running.websocketUrl).port),
}
await serveCommands({ port: ports[kind] })
