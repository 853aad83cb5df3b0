// What takes the messages of all devices from a broker. Usage: node --expose-gc mqtt-gateway.js KIND URL
import { listenMqtt } from '@usmp/mqtt'
import { listen, type Session } from '@usmp/node'
import { connectAsync } from 'mqtt'
import { type MqttKind, SITE } from '../contestants/mqtt-kinds.js'
import { obey } from './commands.js'

const PSK = new Uint8Array(Buffer.from(process.env.USMP_BENCH_PSK!, 'hex'))
const [kind, url] = process.argv.slice(2) as [MqttKind, string]

let missing = 0
let arrived: Promise<void> = Promise.resolve()
let onArrived = () => {}

function note(): void {
  if (--missing === 0) onArrived()
}

async function readAll(session: Session): Promise<void> {
  while (await session.receive()) note()
}

async function serveUsmp(): Promise<void> {
  const server = await listen({
    psk: () => PSK,
    maxConnections: 100_000,
    maxConnectionsPerAddress: 100_000,
    maxHandshakes: 100_000,
    idleTimeout: 0,
  })
  await new Promise<void>((resolve) => {
    listenMqtt(server, {
      broker: { url },
      site: SITE,
      onStateChange: ({ state }) => {
        if (state === 'connected') resolve()
      },
    })
  })
  void (async () => {
    for await (const session of server) void readAll(session).catch(() => {})
  })()
}

/** A gateway without USMP stands beside its broker, so it needs no TLS. */
async function subscribe(): Promise<void> {
  const client = await connectAsync(url)
  client.on('message', note)
  await client.subscribeAsync(`usmp/${SITE}/+/+/up`)
}

await (kind === 'usmp' ? serveUsmp() : subscribe())
await obey({
  ready: () => true,
  expect(count) {
    missing = count
    arrived = new Promise((resolve) => (onArrived = resolve))
  },
  /** Resolves when as many messages have come as were expected. */
  arrived: () => arrived,
  /** Processor time so far, µs. */
  cpu() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
})
