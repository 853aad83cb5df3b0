import type { Connection } from '@usmp/core'
import { CipherSuite } from '@usmp/core'
import { Choices, type Target } from '../target.js'
import { End, KINDS, type Role } from './ends.js'
import { chunk, conversations, HostilePeer } from './hostile.js'
import { startOf } from './start.js'

/** What the application, the clock and the transport do. */
function commandOf(input: Choices): (connection: Connection, now: number) => void {
  const [choice, value] = [input.byte() & 7, input.number()]
  switch (choice) {
    case 0:
    case 1:
      return (connection, now) => connection.send(new Uint8Array(value % 1900).fill(value), now)
    case 2:
      return (connection, now) => connection.ping(now)
    case 3:
      return (connection, now) => connection.rekey(now)
    case 4:
      return (connection) => connection.close()
    case 5:
      return (connection, now) => connection.setReading((value & 1) === 1, now)
    case 6: {
      const type = value & 1 ? 0x20 : 0x21
      return (connection, now) => connection.sendExtension(type, new Uint8Array(value % 500), now)
    }
    default:
      return (connection) => connection.receiveEnd(value & 1 ? new Error('cut') : undefined)
  }
}

export const session: Target = {
  seeds: conversations,
  run(bytes) {
    const input = new Choices(bytes)
    const flags = input.byte()
    const role: Role = flags & 1 ? 'client' : 'server'
    const kind = KINDS[(flags >> 1) & 3]!
    const suite = flags & 8 ? CipherSuite.CHACHA20_POLY1305 : CipherSuite.AES_256_GCM
    const settles = (flags & 16) === 0
    const end = new End(role, kind, suite, { extensions: [0x20] })
    const peer = new HostilePeer(role, kind, suite)
    let now = 0
    const act = (action: (connection: Connection) => void) => peer.hear(end.act(now, action))
    act(() => {})
    for (const packet of startOf(role, kind, suite).packets) act((connection) => connection.receive(packet, now))

    let waiting: Uint8Array[] = []
    while (input.left > 0) {
      const what = input.byte()
      switch (what & 3) {
        case 0:
          waiting.push(peer.speak(input))
          // Some come alone, some together.
          if (what & 4 && waiting.length < 8) break
          for (const part of chunk(kind, waiting)) act((connection) => connection.receive(part, now))
          waiting = []
          break
        case 1: {
          now += input.number()
          act((connection) => connection.handleTimeout(now))
          break
        }
        case 2: {
          const command = commandOf(input)
          act((connection) => command(connection, now))
          break
        }
        default: {
          const part = peer.speak(input)
          const at = input.byte() % (part.length + 1)
          for (const half of [part.subarray(0, at), part.subarray(at)]) {
            act((connection) => connection.receive(half, now))
          }
        }
      }
      if (!settles) continue
      for (const utack of peer.settle()) act((connection) => connection.receive(utack, now))
    }
  },
}
