import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import type { Session, Transport, UsmpError } from '@usmp/core'
import { PSK, until } from '@usmp/testing'
import { onTestFinished } from 'vitest'
import type { ListenOptions } from '../src/listen-options.ts'
import { listen, type Server } from '../src/server.ts'
import type { RefusedEvent } from '../src/server-events.ts'
import { tcpTransport } from '../src/tcp.ts'

export const LOOPBACK = '127.0.0.1'

/** A server with what it has told so far. It is closed when the test is over. */
export interface Watched {
  readonly server: Server
  readonly url: string
  readonly refusals: RefusedEvent[]
  /** The codes of the refusals, in order. */
  readonly codes: () => UsmpError['code'][]
  readonly ended: Session[]
  readonly warnings: string[]
}

/** Starts a server on a free port of this machine; by default it knows every device under {@link PSK}. */
export async function startServer(options: Partial<ListenOptions> = {}): Promise<Watched> {
  const keys = options.psk || options.sharedPsk ? {} : { psk: () => PSK }
  const server = await listen({ tcp: { host: LOOPBACK, port: 0 }, ...keys, ...options })
  onTestFinished(() => server.close())
  const refusals: RefusedEvent[] = []
  const ended: Session[] = []
  const warnings: string[] = []
  server.addEventListener('refused', (event) => refusals.push(event))
  server.addEventListener('ended', (event) => ended.push(event.session))
  server.addEventListener('warning', (event) => warnings.push(event.message))
  const withoutTcp = 'tcp' in options && !options.tcp
  const url = withoutTcp ? (options.websocket ? server.websocketUrl : '') : `usmp://${LOOPBACK}:${server.port}`
  return { server, url, refusals, codes: () => refusals.map(({ error }) => error.code), ended, warnings }
}

/** A port of this machine where nobody listens. */
export async function closedPort(): Promise<number> {
  const { server } = await startServer()
  const { port } = server
  await server.close()
  return port
}

/** A bare socket to a server, from any address of this machine. It is destroyed when the test is over. */
export async function openSocket(port: number, localAddress: string = LOOPBACK): Promise<Socket> {
  const socket = connectSocket({ port, host: LOOPBACK, localAddress })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

/** A transport to a server, for a peer that is led by hand. */
export async function openTransport(port: number, localAddress?: string): Promise<Transport> {
  return tcpTransport(await openSocket(port, localAddress))
}

/** A server of raw sockets; `url` leads to it. */
export async function rawServer(
  onSocket: (socket: Socket) => void = () => {},
): Promise<{ url: string; port: number; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}))
    onSocket(socket)
  })
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `usmp://${LOOPBACK}:${port}`, port, sockets }
}

/** Two sockets that are connected with each other. */
export async function socketPair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, LOOPBACK)
  await once(server, 'listening')
  const near = connectSocket((server.address() as AddressInfo).port, LOOPBACK)
  const [far] = (await once(server, 'connection')) as [Socket]
  await until(() => !near.connecting)
  server.close()
  return { near, far }
}
