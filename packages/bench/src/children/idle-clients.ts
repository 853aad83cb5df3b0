// Many clients in one process, which do what they are told. Usage: node --expose-gc idle-clients.js usmp|tcp PORT
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { connect } from '@usmp/node'
import { nextDeviceId } from '../fixtures.js'
import { obey } from './commands.js'

const PSK = new Uint8Array(Buffer.from(process.env.USMP_BENCH_PSK!, 'hex'))
const host = '127.0.0.1'
const port = Number(process.argv[3])

/** Handshakes at once, but for a storm. */
const AT_ONCE = 16
const MESSAGE = new Uint8Array(64).fill(0x5a)

interface Client {
  send(): unknown
  close(): unknown
}

async function openUsmp(): Promise<Client> {
  const session = await connect(`usmp://${host}:${port}`, {
    deviceId: nextDeviceId(),
    psk: PSK,
    keepalive: 0,
    idleTimeout: 0,
    handshakeTimeout: 60_000,
    connectTimeout: 60_000,
  })
  void session.receive().catch(() => {})
  return { send: () => session.send(MESSAGE), close: () => session.close() }
}

async function openTcp(): Promise<Client> {
  const socket = connectSocket(port, host)
  await once(socket, 'connect')
  socket.on('data', () => {}).on('error', () => {})
  return {
    send: () => socket.write(MESSAGE),
    async close() {
      socket.end()
      await once(socket, 'close')
    },
  }
}

const openOne = process.argv[2] === 'usmp' ? openUsmp : openTcp
let clients: Client[] = []

async function open(count: number, atOnce: number): Promise<void> {
  let left = count
  async function worker(): Promise<void> {
    while (left-- > 0) clients.push(await openOne())
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

await obey({
  open: (count) => open(count, AT_ONCE),
  /** All begin in the same moment; ms until each of them was served, in order. */
  async storm(count) {
    const begin = performance.now()
    const times: number[] = []
    const one = async () => {
      clients.push(await openOne())
      times.push(performance.now() - begin)
    }
    await Promise.all(Array.from({ length: count }, one))
    return times
  },
  /** A message a second from every client, evenly spread, for so many seconds; how many were sent. */
  async talk(seconds) {
    const begin = performance.now()
    let sent = 0
    while (sent < clients.length * seconds) {
      const due = ((performance.now() - begin) / 1000) * clients.length
      for (; sent < Math.min(due, clients.length * seconds); sent++) await clients[sent % clients.length]!.send()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return sent
  },
  async close() {
    await Promise.all(clients.map((client) => client.close()))
    clients = []
  },
})
