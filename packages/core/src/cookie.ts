import { assertBytes, assertInteger, concatBytes, EMPTY, equalBytes, writeUint16, writeUint32 } from './bytes.js'
import { COOKIE_SIZE, PacketType } from './constants.js'
import type { CryptoProvider } from './crypto.js'
import { UsmpError } from './errors.js'
import { decodeFrame, encodeFrame } from './frame.js'
import type { CookieGuard } from './handshake/handshake.js'
import { expectType, type Hello, hello, helloRetry } from './messages.js'
import { encodeUtack } from './utack.js'

const SECRET_SIZE = 32
/** A cookie is good in the slot of time it was made in, and in the next one; ms. */
const SLOT = 30_000
/** Bytes of an IPv4 and of an IPv6 address. */
const ADDRESS_SIZES = [4, 16] as const

/**
 * Cookies that need no memory: a mac over the peer's address and the time (specification, section 7.2). A peer
 * that brings one back receives at that address.
 */
export class CookieIssuer {
  readonly #provider: CryptoProvider
  readonly #secret: Uint8Array

  /**
   * @param secret 32 random bytes, made at start
   * @throws UsmpError INVALID_ARGUMENT
   */
  constructor(provider: CryptoProvider, secret: Uint8Array) {
    assertBytes('secret', secret, SECRET_SIZE)
    this.#provider = provider
    this.#secret = secret
  }

  /**
   * The cookies of one peer at one moment.
   * @param address 4 or 16 bytes
   * @param now ms of a clock that does not jump and does not go below zero
   * @throws UsmpError INVALID_ARGUMENT
   */
  at(address: Uint8Array, port: number, now: number): CookieGuard {
    assertBytes('address', address, ...ADDRESS_SIZES)
    assertInteger('port', port, 0, 0xffff)
    const slot = Math.floor(now / SLOT)
    return {
      issue: () => this.#make(address, port, slot),
      verify: (cookie) => {
        // Both are always computed: the time tells nothing about the age.
        const current = equalBytes(cookie, this.#make(address, port, slot))
        const before = slot > 0 && equalBytes(cookie, this.#make(address, port, slot - 1))
        return current || before
      },
    }
  }

  #make(address: Uint8Array, port: number, slot: number): Uint8Array {
    const when = new Uint8Array(8)
    writeUint32(when, 0, slot)
    writeUint32(when, 4, Math.floor(slot / 2 ** 32))
    const where = new Uint8Array(2)
    writeUint16(where, 0, port)
    return this.#provider.hmacSha256(this.#secret, concatBytes(when, address, where)).slice(0, COOKIE_SIZE)
  }
}

/**
 * What a HELLO says, none of it proven.
 * @throws UsmpError of the frame, UNEXPECTED_PACKET, BAD_PAYLOAD
 */
export function decodeHello(datagram: Uint8Array): Hello {
  const frame = decodeFrame(datagram)
  expectType(frame, PacketType.HELLO)
  return hello.decode(frame)
}

/**
 * A server's look at a HELLO before it keeps anything about the peer (specification, section 7.2).
 * @returns the HELLO; without `cookie` the peer has yet to show that it receives at its address: {@link makeHelloRetry}
 * @throws UsmpError of the frame, UNEXPECTED_PACKET, BAD_PAYLOAD, BAD_COOKIE: to be dropped without an answer
 */
export function verifyHelloCookie(datagram: Uint8Array, guard: CookieGuard): Hello {
  const message = decodeHello(datagram)
  if (message.cookie && !guard.verify(message.cookie)) throw new UsmpError('BAD_COOKIE')
  return message
}

/** The two answers to a HELLO without a cookie: its acknowledgement and HELLO_RETRY, together smaller than the HELLO. */
export function makeHelloRetry(
  datagram: Uint8Array,
  guard: CookieGuard,
  provider: CryptoProvider,
): [Uint8Array, Uint8Array] {
  const { type, seq } = decodeFrame(datagram)
  return [
    encodeUtack(provider, type, seq, EMPTY),
    encodeFrame({ type: PacketType.HELLO_RETRY, payload: helloRetry.encode({ cookie: guard.issue() }) }),
  ]
}
