// Attacks over UDP: by anybody, and by those who hold a key.
import { setTimeout as sleep } from 'node:timers/promises'
import { PacketType } from '@usmp/core'
import { nodeRandom } from '@usmp/node'
import { deviceId, Kind } from '../identities.js'
import {
  type Attack,
  address,
  cookieFor,
  enterTcp,
  enterUdp,
  type Forger,
  flood,
  forgedFrame,
  hello,
  openTcp,
  openUdp,
  repeat,
  type TestTarget,
} from './test-target.js'

const wrongKey = nodeRandom(32)
const random = (most: number) => nodeRandom(2)[0]! % most

/** Sessions over UDP, `count` at once, each with a socket of its own, for as long as the attack goes on. */
function inSessions(
  kind: Kind,
  count: number,
  behave: (
    target: TestTarget,
    send: (frame: Uint8Array) => void,
    flooding: Flooding,
    forger: Forger,
  ) => Promise<unknown>,
): Attack['run'] {
  return (target) =>
    repeat(target, count, async (n) => {
      const socket = await openUdp(target, address(n % 8))
      try {
        const forger = await enterUdp(target, socket, { deviceId: deviceId(kind, n) })
        const send = (frame: Uint8Array) => {
          socket.send(frame)
          target.sent.packets++
        }
        await behave(target, send, (make) => flood(target, socket, make), forger)
      } finally {
        socket.close()
      }
    })
}
type Flooding = (make: () => Uint8Array) => Promise<void>

/** A flood from one socket that has shown nothing. */
function fromNobody(make: () => Uint8Array): Attack['run'] {
  return async (target) => flood(target, await openUdp(target, address(0)), make)
}

export const datagramAttacks: readonly Attack[] = [
  {
    name: 'UDP: requests for cookies',
    what: 'HELLOs without a cookie from one address, as fast as they go',
    run: fromNobody(() => hello(deviceId(Kind.STRANGER, 1))),
  },
  {
    name: 'UDP: junk',
    what: 'random bytes from one address, as fast as they go',
    run: fromNobody(() => nodeRandom(random(200))),
  },
  {
    name: 'UDP: half-open handshakes',
    what: '200 at once from 40 addresses send HELLO with their cookie, leave, and come again',
    run: (target) =>
      repeat(target, 200, async (n, round) => {
        const id = deviceId(Kind.STRANGER, n * 100_000 + round)
        const socket = await openUdp(target, address(n % 40))
        try {
          const cookie = await cookieFor(target, socket, id)
          socket.send(hello(id, cookie))
          target.sent.packets++
          await sleep(10)
        } finally {
          socket.close()
        }
      }),
  },
  {
    name: 'UDP: handshakes restarted',
    what: 'HELLOs with a good cookie, a new key each, from one address and port, as fast as they go',
    run: async (target) => {
      const socket = await openUdp(target, address(0))
      const id = deviceId(Kind.STRANGER, 1)
      const cookie = await cookieFor(target, socket, id)
      await flood(target, socket, () => hello(id, cookie))
    },
  },
  {
    name: 'UDP: HELLOs of a locked-out device',
    what: 'five wrong keys over TCP, then HELLOs with a good cookie as fast as they go',
    run: async (target) => {
      const id = deviceId(Kind.GOOD, 1)
      for (let i = 0; i < 5; i++) {
        const socket = await openTcp(target, address(0))
        await enterTcp(target, socket, { deviceId: id, psk: wrongKey }).catch(() => {})
        socket.destroy()
      }
      const socket = await openUdp(target, address(0))
      const cookie = await cookieFor(target, socket, id)
      await flood(target, socket, () => hello(id, cookie))
    },
  },
  {
    name: 'UDP: junk in sessions',
    what: '8 sessions send forged frames with far numbers, as fast as they go',
    run: inSessions(Kind.MALICIOUS, 8, (_target, _send, flooding) => flooding(() => forgedFrame())),
  },
  {
    name: 'UDP: PINGs',
    what: '8 sessions send PINGs as fast as they go',
    run: inSessions(Kind.MALICIOUS, 8, (_target, _send, flooding, forger) =>
      flooding(() => forger.seal(PacketType.PING)),
    ),
  },
  {
    name: 'UDP: sequence jumps',
    what: '8 sessions send messages 1000 numbers apart, up to the last',
    run: inSessions(Kind.MALICIOUS, 8, (_target, _send, flooding, forger) => {
      let next = 0
      return flooding(() => {
        forger.jumpTo(next)
        next = Math.min(next + 1000, 0xfffffffe)
        return forger.seal(PacketType.DATA, new Uint8Array(400))
      })
    }),
  },
  {
    name: 'UDP: a consumer that never acknowledges',
    what: '100 sessions acknowledge nothing of what the server sends without end',
    run: inSessions(Kind.LISTENER, 100, async (target, send, _flooding, forger) => {
      send(forger.seal(PacketType.DATA))
      await untilEnd(target)
    }),
  },
  {
    name: 'UDP: an application that never reads',
    what: '8 sessions send without end to an application that does not read',
    run: inSessions(Kind.IGNORED, 8, (_target, _send, flooding, forger) => {
      const message = new Uint8Array(450)
      return flooding(() => forger.seal(PacketType.DATA, message))
    }),
  },
]

async function untilEnd({ signal }: TestTarget): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
}
