import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { describeAdapter, type Ends } from '@usmp/testing/adapter-suite'
import { udpTransport } from '../src/udp.ts'
import { LOOPBACK } from './network.ts'

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  return socket
}

async function open(): Promise<Ends> {
  const [near, far] = await Promise.all([bound(), bound()])
  for (const [socket, peer] of [
    [near, far],
    [far, near],
  ] as const) {
    socket.connect(peer.address().port, LOOPBACK)
    await once(socket, 'connect')
  }
  return { client: udpTransport(near), server: udpTransport(far) }
}

describeAdapter({ name: 'UDP', kind: 'datagram', open })
