// Attacks by one device that holds its own key, and by those whose keys a careless application looks up.
import type { Socket as UdpSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PacketType } from '@usmp/core'
import { encodeUtack } from '@usmp/core/internal'
import { nodeProvider } from '@usmp/node'
import { deviceId, Kind } from '../identities.js'
import {
  type Attack,
  address,
  enterTcp,
  enterUdp,
  type Forger,
  flood,
  HOST,
  hello,
  openTcp,
  openUdp,
  over,
  pour,
  repeat,
  type TestTarget,
} from './test-target.js'

/** How long a peer that answers late waits, ms. */
const LATE = 300
/** How long a session is kept that does nothing, ms. */
const STAY = 200

/** Sessions of one and the same device over UDP, `count` at once from one address. */
function overUdp(
  kind: Kind,
  count: number,
  behave: (target: TestTarget, socket: UdpSocket, forger: Forger) => Promise<unknown>,
): Attack['run'] {
  return (target) =>
    repeat(target, count, async () => {
      const socket = await openUdp(target, address(0))
      try {
        await behave(target, socket, await enterUdp(target, socket, { deviceId: deviceId(kind, 0) }))
      } finally {
        socket.close()
      }
    })
}

/** The same over TCP, on connections that the device does not end when the server does. */
function overTcp(
  kind: Kind,
  count: number,
  behave: (target: TestTarget, socket: Socket, forger: Forger) => Promise<unknown>,
): Attack['run'] {
  return (target) =>
    repeat(target, count, async () => {
      const socket = connect({ port: target.tcp, host: HOST, localAddress: address(0), allowHalfOpen: true })
      socket.on('error', () => {})
      target.sent.connections++
      try {
        await behave(target, socket, await enterTcp(target, socket, { deviceId: deviceId(kind, 0) }))
      } finally {
        socket.destroy()
      }
    })
}

/** Acknowledges what comes, but late. */
function acknowledgeLate(target: TestTarget, socket: UdpSocket, forger: Forger): void {
  socket.on('message', (datagram) => {
    if (datagram[0] !== 0xcd) return
    const [type, seq] = [datagram[3]!, datagram.readUInt32LE(4)]
    setTimeout(() => {
      target.sent.packets++
      try {
        socket.send(encodeUtack(nodeProvider, type, seq, forger.receiveKey))
      } catch {
        // The socket is closed.
      }
    }, LATE)
  })
}

/** HELLOs of devices whose keys a careless application looks up, 200 at once; some of one device, some of many. */
function halfOpen(kind: Kind): Attack['run'] {
  return (target) =>
    repeat(target, 200, async (n, round) => {
      const socket = await openTcp(target, address(n % 8))
      socket.write(hello(deviceId(kind, n % 2 === 0 ? 0 : n * 100_000 + round)))
      target.sent.packets++
      await Promise.race([over(socket), sleep(STAY)])
      socket.destroy()
    })
}

export const oneKeyAttacks: readonly Attack[] = [
  {
    name: 'one key: replaced sessions that stay',
    what: 'one device opens 64 sessions at once again and again, and keeps each connection',
    run: overTcp(Kind.MALICIOUS, 64, () => sleep(STAY)),
  },
  {
    name: 'one key: BYE, and the connection stays',
    what: 'one device opens 64 sessions at once, says BYE, keeps each connection, and comes again',
    run: overTcp(Kind.MALICIOUS, 64, async (target, socket, forger) => {
      socket.write(forger.seal(PacketType.BYE))
      target.sent.packets++
      await sleep(STAY)
    }),
  },
  {
    name: 'one key: REKEY storm',
    what: 'one device changes the keys of 8 sessions as fast as it goes, and comes again',
    run: overTcp(Kind.MALICIOUS, 8, async (target, socket, forger) => {
      const ended = over(socket)
      await pour(target, socket, () => forger.rekey())
      socket.destroy()
      await ended
    }),
  },
  {
    name: 'one key: message flood',
    what: 'one device sends small messages as fast as they go, and takes the echoes',
    run: overTcp(Kind.MALICIOUS, 1, async (target, socket, forger) => {
      socket.resume()
      await pour(target, socket, () => forger.seal(PacketType.DATA, new Uint8Array(8)))
    }),
  },
  {
    name: 'one key, UDP: replaced sessions that stay',
    what: 'one device opens 16 sessions at once again and again, and acknowledges nothing',
    run: overUdp(Kind.MALICIOUS, 16, () => sleep(STAY)),
  },
  {
    name: 'one key, UDP: extension frames',
    what: 'the application sends extension frames without end, and no session of the device acknowledges one',
    run: overUdp(Kind.EXTENDED, 16, () => sleep(STAY)),
  },
  {
    name: 'one key, UDP: late acknowledgements',
    what: 'one device opens 16 sessions at once again and again, and acknowledges everything 300 ms late',
    run: overUdp(Kind.LISTENER, 16, async (target, socket, forger) => {
      acknowledgeLate(target, socket, forger)
      socket.send(forger.seal(PacketType.DATA))
      target.sent.packets++
      await sleep(4 * LATE)
    }),
  },
  {
    name: 'one key, UDP: REKEY storm',
    what: 'one device changes the keys of its session as fast as it goes',
    run: overUdp(Kind.MALICIOUS, 1, (target, socket, forger) => flood(target, socket, () => forger.rekey())),
  },
  {
    name: 'one key, UDP: message flood',
    what: 'one device sends small messages as fast as they go',
    run: overUdp(Kind.MALICIOUS, 1, (target, socket, forger) =>
      flood(target, socket, () => forger.seal(PacketType.DATA, new Uint8Array(8))),
    ),
  },
  {
    name: 'look-ups that hang',
    what: '200 half-open handshakes from 8 addresses, of devices for which the application never answers',
    run: halfOpen(Kind.HANGING),
  },
  {
    name: 'look-ups that throw',
    what: 'the same, and the application throws, rejects, or answers with a thenable that throws',
    run: halfOpen(Kind.THROWING),
  },
  {
    name: 'look-ups that answer with junk',
    what: 'the same, and the answer is no key',
    run: halfOpen(Kind.JUNK),
  },
]
