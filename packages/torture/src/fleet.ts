import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { Session, type Transport } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { nodeClock, nodeProvider, nodeRandom, tcpTransport } from '@usmp/node'
import { udpTransport } from '@usmp/node/internal'

export const LOOPBACK = '127.0.0.1'
/** Of every device of a torture: what is tested is not its secrecy. */
export const PSK = Uint8Array.from({ length: 32 }, (_, i) => (i * 73 + 41) & 0xff)

/** The n-th device of a fleet. */
export function deviceId(n: number): Uint8Array {
  return Uint8Array.of(0x02, 0, n >>> 24, (n >> 16) & 0xff, (n >> 8) & 0xff, n & 0xff)
}

/** A loopback address of its own for every device of a fleet, as limits count by address; Linux has the whole of 127/8. */
function addressOf(n: number): string {
  return `127.1.${(n >> 8) & 0xff}.${n & 0xff}`
}

/** Connects the n-th device from its own address, with the settings that applications get. */
export async function connectDevice(kind: 'tcp' | 'udp', port: number, n: number): Promise<Session> {
  const transport = await (kind === 'tcp' ? openTcp : openUdp)(port, addressOf(n))
  return Session.connect(transport, {
    deviceId: deviceId(n),
    psk: PSK,
    reliableDatagram: ReliableDatagram,
    provider: nodeProvider,
    random: nodeRandom,
    clock: nodeClock,
  })
}

async function openTcp(port: number, localAddress: string): Promise<Transport> {
  const socket = connectSocket({ host: LOOPBACK, port, localAddress })
  await once(socket, 'connect')
  return tcpTransport(socket)
}

async function openUdp(port: number, localAddress: string): Promise<Transport> {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, callback) => callback(null, host, 4) })
  const bound = once(socket, 'listening')
  socket.bind(0, localAddress)
  await bound
  const connected = once(socket, 'connect')
  socket.connect(port, LOOPBACK)
  await connected
  return udpTransport(socket)
}

/** What carries the sessions of a torture of faults. */
export type FaultKind = 'tcp' | 'udp' | 'ws'

/** Both ends notice a silent peer within three seconds, so that a round is short; the defaults are a minute. */
export const LIVENESS = { keepalive: 1_000, idleTimeout: 3_000 }

/** Devices of a soak, the first ones of the fleet. */
export const OF_SOAK = 12
/** The C program of a soak. */
export const C_DEVICE = 999
