// The worked example of the specification (3.14, 4.15, 5.8): one session that several topics continue.
import { keySchedule, unhex, x25519, x25519Public } from './lib.mjs'

const counting = (first, length) => Buffer.from(Array.from({ length }, (_, index) => first + index))

export const EXAMPLE = {
  psk: counting(0x80, 32),
  deviceId: unhex('246f28a1b2c3'),
  clientPrivate: counting(0x00, 32),
  serverPrivate: counting(0x20, 32),
  nonce: counting(0x40, 32),
  sessionId: counting(0x60, 16),
}
export const EXAMPLE_COOKIE = counting(0xc0, 16)
export const EXAMPLE_SALT = { client: counting(0xe0, 32), server: counting(0xd0, 32) }

function sessionKeys() {
  const [clientPublic, serverPublic] = [x25519Public(EXAMPLE.clientPrivate), x25519Public(EXAMPLE.serverPrivate)]
  const shared = x25519(EXAMPLE.clientPrivate, serverPublic)
  const { c2s, s2c } = keySchedule({ version: 2, shared, nonce: EXAMPLE.nonce, clientPublic, serverPublic })
  return { c2s, s2c }
}
export const EXAMPLE_KEYS = sessionKeys()
