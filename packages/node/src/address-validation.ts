import type { RemoteInfo } from 'node:dgram'
import { type CryptoProvider, UsmpError } from '@usmp/core'
import { CookieIssuer, makeHelloRetry, verifyHelloCookie } from '@usmp/core/datagram'
import { addressBlock, ipBytes } from './ip-address.js'
import { type Rate, RateLimit } from './token-bucket.js'

/**
 * Cookies handed out to one address, and in all; and as many handshakes begun with one. A whole site behind one address may
 * start at the same moment.
 */
const HELLOS_EACH: Rate = { burst: 100, perSecond: 50 }
const HELLOS_ALL: Rate = { burst: 5_000, perSecond: 5_000 }

/** An IP address and port that datagrams come from. */
export type IpSource = Pick<RemoteInfo, 'address' | 'port'>

/**
 * Address validation for UDP: a peer shows with a cookie that it receives at its address and port, before a server keeps
 * anything about it (specification, section 7.2). Cookies, and the handshakes begun with them, are limited by address block
 * (an IPv4 address, a /64 of IPv6) and in all.
 */
export class AddressValidation {
  readonly #provider: CryptoProvider
  readonly #now: () => number
  readonly #cookieIssuer: CookieIssuer
  readonly #cookieRate: RateLimit
  /** A cookie is good for half a minute and more, and each handshake costs a key pair, or an event that tells of a refusal. */
  readonly #handshakeRate: RateLimit

  /**
   * @param secret 32 random bytes
   * @param now ms of a clock that does not jump
   */
  constructor(provider: CryptoProvider, secret: Uint8Array, now: () => number) {
    this.#provider = provider
    this.#now = now
    this.#cookieIssuer = new CookieIssuer(provider, secret)
    this.#cookieRate = new RateLimit(HELLOS_EACH, HELLOS_ALL, now())
    this.#handshakeRate = new RateLimit(HELLOS_EACH, HELLOS_ALL, now())
  }

  /**
   * @param answer takes what asks the source for its cookie, less than the HELLO had
   * @returns the device id of a HELLO with a good cookie; undefined for one without a cookie
   * @throws UsmpError TOO_MANY_CONNECTIONS, BAD_COOKIE, or of the frame
   */
  validateHello(
    datagram: Uint8Array,
    { address, port }: IpSource,
    answer: (datagram: Uint8Array) => void,
  ): Uint8Array | undefined {
    const guard = this.#cookieIssuer.at(ipBytes(address), port, this.#now())
    const hello = verifyHelloCookie(datagram, guard)
    if (hello.cookie) return hello.deviceId
    if (!this.#cookieRate.take(addressBlock(address), this.#now())) throw new UsmpError('TOO_MANY_CONNECTIONS')
    for (const retry of makeHelloRetry(datagram, guard, this.#provider)) answer(retry)
    return undefined
  }

  /** Whether this address may begin a handshake now; then it counts as begun. */
  mayBegin({ address }: IpSource): boolean {
    return this.#handshakeRate.take(addressBlock(address), this.#now())
  }
}
