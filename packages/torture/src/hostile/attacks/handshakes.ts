// Attacks by those who hold no key: before and in the handshake, over TCP.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeRandom } from '@usmp/node'
import { deviceId, Kind } from '../identities.js'
import { type Attack, address, enterTcp, hello, openTcp, over, pour, repeat, type TestTarget } from './test-target.js'

const wrongKey = nodeRandom(32)
/** Between two bytes of a slow peer, ms. */
export const SLOW = 200
let strangers = 0
const stranger = () => deviceId(Kind.STRANGER, strangers++)

/** Opens a connection, does something with it, and waits for its end. */
async function holdConnection(target: TestTarget, from: string, bytes?: Uint8Array): Promise<void> {
  const socket = await openTcp(target, from)
  if (bytes) socket.write(bytes)
  if (bytes) target.sent.packets++
  await over(socket)
}

export const handshakeAttacks: readonly Attack[] = [
  {
    name: 'idle connections',
    what: '2000 from 8 addresses say nothing, and come again when they are ended',
    run: (target) => repeat(target, 2000, (n) => holdConnection(target, address(n % 8))),
  },
  {
    name: 'half-open handshakes',
    what: '2000 from 8 addresses send HELLO and nothing more, and come again',
    run: (target) => repeat(target, 2000, (n) => holdConnection(target, address(n % 8), hello(stranger()))),
  },
  {
    name: 'one address',
    what: '500 half-open handshakes from one address, as fast as they go',
    run: (target) => repeat(target, 500, () => holdConnection(target, address(0), hello(stranger()))),
  },
  {
    name: 'slow handshakes',
    what: '1000 from 8 addresses send HELLO, a byte every 200 ms',
    run: (target) =>
      repeat(target, 1000, async (n) => {
        const socket = await openTcp(target, address(n % 8))
        void over(socket)
        for (const byte of hello(stranger())) {
          if (socket.destroyed || target.signal.aborted) return
          socket.write(Uint8Array.of(byte))
          target.sent.packets++
          await sleep(SLOW)
        }
        await over(socket)
      }),
  },
  {
    name: 'handshake flood',
    what: '64 at once send HELLO, leave when they are answered, and come again',
    run: (target) =>
      repeat(target, 64, async (n) => {
        const socket = await openTcp(target, address(n))
        socket.write(hello(stranger()))
        target.sent.packets++
        await Promise.race([once(socket, 'data'), over(socket)])
        socket.resetAndDestroy()
      }),
  },
  {
    name: 'churn',
    what: '64 at once connect, and leave at once',
    run: (target) =>
      repeat(target, 64, async (n) => {
        const socket = await openTcp(target, address(n))
        socket.resetAndDestroy()
      }),
  },
  {
    name: 'junk instead of HELLO',
    what: '64 at once pour in random bytes, and come again',
    run: (target) =>
      repeat(target, 64, async (n) => {
        const socket = await openTcp(target, address(n))
        const ended = over(socket)
        await pour(target, socket, () => nodeRandom(400))
        await ended
      }),
  },
  {
    name: 'device ids without end',
    what: '64 at once fail with a new device id each time',
    run: (target) =>
      repeat(target, 64, async (n) => {
        const socket = await openTcp(target, address(n))
        await enterTcp(target, socket, { deviceId: stranger(), psk: wrongKey }).catch(() => {})
        socket.destroy()
      }),
  },
  {
    name: 'wrong keys',
    what: '64 at once, each again and again for a device that exists',
    run: (target) =>
      repeat(target, 64, async (n) => {
        const socket = await openTcp(target, address(n))
        await enterTcp(target, socket, { deviceId: deviceId(Kind.GOOD, n), psk: wrongKey }).catch(() => {})
        socket.destroy()
      }),
  },
]
