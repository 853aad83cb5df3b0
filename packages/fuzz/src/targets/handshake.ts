import { CipherSuite } from '@usmp/core'
import { Choices, must, type Target } from '../target.js'
import { cookies, End, KINDS, type Role } from './ends.js'
import { plainPacket } from './plain.js'

export const handshake: Target = {
  seeds: () => [
    Uint8Array.of(0, 0, 0, 1, 1, 9, 0, 0, 3, 3, 9),
    Uint8Array.of(1, 0, 0, 2, 2, 9, 0, 0, 4, 4, 9),
    Uint8Array.of(14, 0, 0, 1, 1, 9, 0, 0, 1, 5, 0xc0, 0, 0, 3, 3, 9),
    Uint8Array.of(7, 0, 0, 10, 6, 9, 0, 0, 2, 2, 9, 0, 0, 4, 4, 9),
  ],
  run(bytes) {
    const input = new Choices(bytes)
    const flags = input.byte()
    const role: Role = flags & 1 ? 'client' : 'server'
    const kind = KINDS[(flags >> 1) & 3]!
    const suite = flags & 16 ? CipherSuite.CHACHA20_POLY1305 : CipherSuite.AES_256_GCM
    const end = new End(role, kind, suite, role === 'server' && flags & 8 ? { cookies } : {})
    let now = 0
    end.act(now, () => {})
    while (input.left > 0) {
      const what = input.byte()
      if (what < 160) end.act(now, (connection) => connection.receive(plainPacket(kind, input), now))
      else if (what < 224) {
        now += 16 * input.byte()
        end.act(now, (connection) => connection.handleTimeout(now))
      } else end.act(now, (connection) => connection.receiveEnd(what & 1 ? new Error('cut') : undefined))
      must(!end.connection.established, 'a session without a proof')
    }
  },
}
