// Attacks by those who hold a key, as a stolen device does: in sessions over TCP.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PacketType } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import { deviceId, Kind } from '../identities.js'
import { SLOW } from './handshakes.js'
import {
  type Attack,
  address,
  enterTcp,
  type Forger,
  openTcp,
  over,
  pour,
  repeat,
  type TestTarget,
} from './test-target.js'

/** Sessions again and again, `count` at once; the connection is left when `behave` is done. */
function inSessions(
  kind: Kind,
  count: number,
  behave: (target: TestTarget, socket: Socket, forger: Forger) => Promise<unknown>,
): Attack['run'] {
  return (target) =>
    repeat(target, count, async (n) => {
      const socket = await openTcp(target, address(n % 8))
      const forger = await enterTcp(target, socket, { deviceId: deviceId(kind, n) })
      try {
        await behave(target, socket, forger)
      } finally {
        socket.destroy()
      }
    })
}

export const maliciousPeerAttacks: readonly Attack[] = [
  {
    name: 'slow frames',
    what: '200 sessions send frames, a byte every 200 ms',
    run: inSessions(Kind.MALICIOUS, 200, async (target, socket, forger) => {
      void over(socket)
      const frame = forger.seal(PacketType.DATA, new Uint8Array(400))
      for (const byte of frame) {
        if (socket.destroyed || target.signal.aborted) return
        socket.write(Uint8Array.of(byte))
        target.sent.packets++
        await sleep(SLOW)
      }
    }),
  },
  {
    name: 'junk in sessions',
    what: '32 at once pour random bytes behind the handshake, and come again',
    run: inSessions(Kind.MALICIOUS, 32, async (target, socket) => {
      const ended = over(socket)
      await pour(target, socket, () => nodeRandom(400))
      await ended
    }),
  },
  {
    name: 'PINGs',
    what: '32 at once send PINGs as fast as they go, and come again',
    run: inSessions(Kind.MALICIOUS, 32, async (target, socket, forger) => {
      const ended = over(socket)
      await pour(target, socket, () => forger.seal(PacketType.PING))
      await ended
    }),
  },
  {
    name: 'sequence jumps',
    what: '32 at once jump to the last number, and come again',
    run: inSessions(Kind.MALICIOUS, 32, async (target, socket, forger) => {
      forger.jumpTo(0xfffffffe)
      socket.write(forger.seal(PacketType.DATA))
      target.sent.packets++
      await over(socket)
    }),
  },
  {
    name: 'sessions without end',
    what: '32 at once make a session, leave, and come again',
    run: inSessions(Kind.MALICIOUS, 32, async () => {}),
  },
  {
    name: 'a consumer that never reads',
    what: '100 sessions read nothing of what the server sends without end',
    run: inSessions(Kind.LISTENER, 100, async (_target, socket) => {
      socket.pause()
      await once(socket, 'close')
    }),
  },
  {
    name: 'an application that never reads',
    what: '100 sessions send without end to an application that does not read',
    run: inSessions(Kind.IGNORED, 100, async (target, socket, forger) => {
      const message = new Uint8Array(450)
      await pour(target, socket, () => forger.seal(PacketType.DATA, message))
    }),
  },
]
