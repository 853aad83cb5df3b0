import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connectTcp, connectUdp, serialPort, tcpTransport } from '@usmp/node'
import { connectSerial, udpTransport } from '@usmp/node/internal'
import { buildCPeers } from '@usmp/testing/c-programs'
import { Cable } from '@usmp/testing/cable'
import { beforeAll } from 'vitest'
import { describeAgainstC } from './c-adapter-suite.js'

const host = '127.0.0.1'

beforeAll(() => buildCPeers(), 120_000)

describeAgainstC({
  name: 'TCP',
  kind: 'stream',
  async open() {
    const listener = createServer()
    return {
      listenAt: `tcp:${host}:0`,
      url: (port) => `usmp://${host}:${port}`,
      dial: (port) => connectTcp(host, Number(port), { timeout: 5_000 }),
      serveAt: { tcp: { host, port: 0 } },
      listening: Promise.resolve(),
      addressOf: ({ port }) => `tcp:${host}:${port}`,
      async await() {
        listener.listen(0, host)
        await once(listener, 'listening')
        const arrival = once(listener, 'connection').then(([socket]) => tcpTransport(socket as Socket))
        return { address: `tcp:${host}:${(listener.address() as AddressInfo).port}`, arrival }
      },
      async close() {
        listener.close()
      },
    }
  },
})

describeAgainstC({
  name: 'UDP',
  kind: 'datagram',
  async open() {
    const socket = createSocket('udp4')
    return {
      listenAt: `udp:${host}:0`,
      url: (port) => `usmp+udp://${host}:${port}`,
      dial: (port) => connectUdp(host, Number(port)),
      serveAt: { udp: { host, port: 0 } },
      listening: Promise.resolve(),
      addressOf: ({ udpPort }) => `udp:${host}:${udpPort}`,
      async await() {
        socket.bind(0, host)
        await once(socket, 'listening')
        // The first HELLO only shows where the client is; it is sent again.
        const arrival = once(socket, 'message').then(async ([, from]) => {
          socket.connect((from as { port: number }).port, host)
          await once(socket, 'connect')
          return udpTransport(socket)
        })
        return { address: `udp:${host}:${socket.address().port}`, arrival }
      },
      async close() {},
    }
  },
})

describeAgainstC({
  name: 'serial line',
  kind: 'serial',
  async open() {
    const cable = await Cable.plugged()
    const near = `serial://${cable.near}`
    let tellOpen = () => {}
    const whenOpen = new Promise<void>((resolve) => (tellOpen = resolve))
    const opened = async (port: Promise<Duplex>) => {
      await port
      tellOpen()
      return port
    }
    return {
      listenAt: `serial:${cable.far}:115200`,
      url: () => near,
      dial: () => connectSerial(new URL(near), undefined),
      serveAt: { serial: { name: cable.near, open: () => opened(serialPort(cable.near).open()) } },
      listening: whenOpen,
      addressOf: () => `serial:${cable.far}:115200`,
      async await() {
        const transport = await connectSerial(new URL(near), undefined)
        return { address: `serial:${cable.far}:115200`, arrival: Promise.resolve(transport) }
      },
      async close() {},
    }
  },
})
