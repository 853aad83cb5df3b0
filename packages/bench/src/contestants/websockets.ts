import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { certificate } from './certificate.js'
import { Arrivals, type Stack, type StackOpener } from './stack.js'

/** WebSockets of the package `ws`: they keep messages apart, as USMP does. */
export const ws = websocketStack('ws', false)
/** The same over TLS 1.3 with a certificate. */
export const wss = websocketStack('wss', true)

function websocketStack(name: string, tls: boolean): StackOpener {
  return async (size, atEnd): Promise<Stack> => {
    const message = new Uint8Array(size).fill(0x5a)
    const arrivals = new Arrivals()
    const { key, cert } = tls ? certificate : {}
    const server = tls ? createTlsServer({ key, cert }) : createServer()
    const sockets = new WebSocketServer({ server, perMessageDeflate: false })
    sockets.on('connection', (socket, { url }) => {
      socket.on('error', () => {})
      socket.on('message', (data: Buffer) => (url === '/sink' ? arrivals.add(data.length) : socket.send(data)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    atEnd(() => {
      for (const client of sockets.clients) client.terminate()
      server.close()
    })

    async function dial(path: string): Promise<WebSocket> {
      const socket = new WebSocket(`${tls ? 'wss' : 'ws'}://127.0.0.1:${port}${path}`, {
        perMessageDeflate: false,
        ...(cert ? { ca: cert } : {}),
      })
      await once(socket, 'open')
      return socket
    }
    const echoing = await dial('/echo')
    const sinking = await dial('/sink')

    return {
      name,
      async visit() {
        const socket = await dial('/echo')
        socket.send(message.subarray(0, 1))
        await once(socket, 'message')
        return async () => {
          socket.close()
          await once(socket, 'close')
        }
      },
      async pour(count) {
        const arrived = arrivals.expect(count * size)
        for (let i = 0; i < count; i++) {
          if (sinking.bufferedAmount < 64 * 1024) sinking.send(message)
          else await new Promise<void>((sent) => sinking.send(message, () => sent()))
        }
        await arrived
      },
      echo: (count, window) =>
        new Promise((resolve) => {
          let [sent, received] = [0, 0]
          const send = () => {
            for (; sent < count && sent - received < window; sent++) echoing.send(message)
          }
          echoing.on('message', function onMessage() {
            if (++received < count) return send()
            echoing.off('message', onMessage)
            resolve()
          })
          send()
        }),
    }
  }
}
