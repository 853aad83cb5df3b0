// Clients that no server wishes for, one after the other. Usage: soak-bad-clients.js TCP-PORT UDP-PORT WS-PORT SEED
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { connect, tcpTransport } from '@usmp/node'
import { Random } from '@usmp/testing'
import { deviceId, LOOPBACK } from '../fleet.js'
import { beDevice } from '../narrow.js'
import { serveCommands } from './control-channel.js'

const [tcp, udp, ws, seed] = process.argv.slice(2).map(Number) as [number, number, number, number]
const random = new Random(seed)
const STRANGERS = 1_000
/** The one that has the key, and no manners. */
const RUDE = 998
let [done, stopped] = [0, false]

async function open(port: number): Promise<Socket> {
  const socket = connectSocket({ port, host: LOOPBACK })
  socket.on('error', () => {}).on('data', () => {})
  await once(socket, 'connect')
  return socket
}

const pause = (most: number) => new Promise((resolve) => setTimeout(resolve, random.between(0, most)))
const wrong = (url: string) =>
  connect(url, { deviceId: deviceId(STRANGERS + random.between(0, 50)), psk: randomBytes(32) }).then(
    () => {
      throw new Error('a wrong key was accepted')
    },
    () => {},
  )

const tricks: readonly (() => Promise<void>)[] = [
  async function junk() {
    const socket = await open(random.pick([tcp, ws]))
    socket.write(randomBytes(random.between(1, 2_000)))
    await pause(200)
    socket.destroy()
  },
  async function silence() {
    const socket = await open(random.pick([tcp, ws]))
    await pause(2_000)
    socket.resetAndDestroy()
  },
  async function datagrams() {
    const socket = createSocket('udp4')
    for (let i = 0; i < 50; i++) socket.send(randomBytes(random.between(1, 500)), udp, LOOPBACK)
    await pause(200)
    socket.close()
  },
  () => wrong(`usmp://${LOOPBACK}:${tcp}`),
  () => wrong(`ws://${LOOPBACK}:${ws}`),
  async function rudeEnd() {
    // A good device whose process dies: a reset among its frames.
    const socket = connectSocket({ port: tcp, host: LOOPBACK })
    await once(socket, 'connect')
    const session = await beDevice(tcpTransport(socket), RUDE)
    for (let i = 0; i < 20; i++) await session.send(new Uint8Array(100))
    await pause(50)
    socket.resetAndDestroy()
    await session.closed
  },
  async function noWebSocket() {
    await fetch(`http://${LOOPBACK}:${ws}/`)
      .then((response) => response.text())
      .catch(() => {})
  },
]

const running = (async () => {
  while (!stopped) {
    await random.pick(tricks)()
    done++
    await pause(300)
  }
})()

await serveCommands({
  async stop() {
    stopped = true
    await running
    return done
  },
})
