import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Stack, StackOpener } from './stack.js'

const HOST = '127.0.0.1'

/** Bare datagrams, there and back; nothing is lost on the loopback interface while few are under way. */
export const udp: StackOpener = async (size, atEnd): Promise<Stack> => {
  const message = new Uint8Array(size).fill(0x5a)
  const server = createSocket('udp4')
  const client = createSocket('udp4')
  for (const socket of [server, client]) {
    socket.bind(0, HOST)
    await once(socket, 'listening')
    atEnd(() => socket.close())
  }
  server.on('message', (data, { port }) => server.send(data, port, HOST))
  client.connect(server.address().port, HOST)
  await once(client, 'connect')

  return {
    name: 'UDP',
    visit: () => Promise.reject(new Error('datagrams have no connections')),
    pour: () => Promise.reject(new Error('datagrams that nobody answers are lost')),
    echo: (count, window) =>
      new Promise((resolve) => {
        let [sent, received] = [0, 0]
        const send = () => {
          for (; sent < count && sent - received < window; sent++) client.send(message)
        }
        client.on('message', function onMessage() {
          if (++received < count) return send()
          client.off('message', onMessage)
          resolve()
        })
        send()
      }),
  }
}
