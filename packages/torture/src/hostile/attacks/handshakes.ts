// Attacks by those who hold no key: before and in the handshake, over TCP.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeRandom } from '@usmp/node'
import { deviceId, Kind } from '../identities.js'
import { type Attack, address, enterTcp, hello, openTcp, over, pour, repeat, type Victim } from './victim.js'

const wrongKey = nodeRandom(32)
/** Between two bytes of a slow peer, ms. */
export const SLOW = 200
let strangers = 0
const stranger = () => deviceId(Kind.STRANGER, strangers++)

/** Opens a connection, does something with it, and waits for its end. */
async function visit(victim: Victim, from: string, bytes?: Uint8Array): Promise<void> {
  const socket = await openTcp(victim, from)
  if (bytes) socket.write(bytes)
  if (bytes) victim.sent.packets++
  await over(socket)
}

export const handshakeAttacks: readonly Attack[] = [
  {
    name: 'idle connections',
    what: '2000 from 8 addresses say nothing, and come again when they are ended',
    run: (victim) => repeat(victim, 2000, (n) => visit(victim, address(n % 8))),
  },
  {
    name: 'half-open handshakes',
    what: '2000 from 8 addresses send HELLO and nothing more, and come again',
    run: (victim) => repeat(victim, 2000, (n) => visit(victim, address(n % 8), hello(stranger()))),
  },
  {
    name: 'one address',
    what: '500 half-open handshakes from one address, as fast as they go',
    run: (victim) => repeat(victim, 500, () => visit(victim, address(0), hello(stranger()))),
  },
  {
    name: 'slow handshakes',
    what: '1000 from 8 addresses send HELLO, a byte every 200 ms',
    run: (victim) =>
      repeat(victim, 1000, async (n) => {
        const socket = await openTcp(victim, address(n % 8))
        void over(socket)
        for (const byte of hello(stranger())) {
          if (socket.destroyed || victim.signal.aborted) return
          socket.write(Uint8Array.of(byte))
          victim.sent.packets++
          await sleep(SLOW)
        }
        await over(socket)
      }),
  },
  {
    name: 'handshake flood',
    what: '64 at once send HELLO, leave when they are answered, and come again',
    run: (victim) =>
      repeat(victim, 64, async (n) => {
        const socket = await openTcp(victim, address(n))
        socket.write(hello(stranger()))
        victim.sent.packets++
        await Promise.race([once(socket, 'data'), over(socket)])
        socket.resetAndDestroy()
      }),
  },
  {
    name: 'churn',
    what: '64 at once connect, and leave at once',
    run: (victim) =>
      repeat(victim, 64, async (n) => {
        const socket = await openTcp(victim, address(n))
        socket.resetAndDestroy()
      }),
  },
  {
    name: 'junk instead of HELLO',
    what: '64 at once pour in random bytes, and come again',
    run: (victim) =>
      repeat(victim, 64, async (n) => {
        const socket = await openTcp(victim, address(n))
        const ended = over(socket)
        await pour(victim, socket, () => nodeRandom(400))
        await ended
      }),
  },
  {
    name: 'device ids without end',
    what: '64 at once fail with a new device id each time',
    run: (victim) =>
      repeat(victim, 64, async (n) => {
        const socket = await openTcp(victim, address(n))
        await enterTcp(victim, socket, { deviceId: stranger(), psk: wrongKey }).catch(() => {})
        socket.destroy()
      }),
  },
  {
    name: 'wrong keys',
    what: '64 at once, each again and again for a device that exists',
    run: (victim) =>
      repeat(victim, 64, async (n) => {
        const socket = await openTcp(victim, address(n))
        await enterTcp(victim, socket, { deviceId: deviceId(Kind.GOOD, n), psk: wrongKey }).catch(() => {})
        socket.destroy()
      }),
  },
]
