// Many clients on whose connections nothing happens. Usage: node --expose-gc idle-clients.js usmp|tcp PORT
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { connect } from '@usmp/node'
import { nextDeviceId } from '../fixtures.js'
import { obey } from './commands.js'

const PSK = new Uint8Array(Buffer.from(process.env.USMP_BENCH_PSK!, 'hex'))
const host = '127.0.0.1'
const port = Number(process.argv[3])

/** Resolves with what closes the connection. */
async function openUsmp(): Promise<() => unknown> {
  const session = await connect(`usmp://${host}:${port}`, { deviceId: nextDeviceId(), psk: PSK, keepalive: 0 })
  void session.receive().catch(() => {})
  return () => session.close()
}

async function openTcp(): Promise<() => unknown> {
  const socket = connectSocket(port, host)
  await once(socket, 'connect')
  socket.on('data', () => {}).on('error', () => {})
  return async () => {
    socket.end()
    await once(socket, 'close')
  }
}

const open = process.argv[2] === 'usmp' ? openUsmp : openTcp
let connections: (() => unknown)[] = []

await obey({
  async open(count) {
    for (let i = 0; i < count; i++) connections.push(await open())
  },
  async close() {
    await Promise.all(connections.map((close) => close()))
    connections = []
  },
})
