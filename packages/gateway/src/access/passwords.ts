import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../errors.js'

/** Binary logarithm of scrypt's N: 2^17 with r = 8 takes 128 MiB and about half a second (OWASP, Password Storage). */
const LOG2_N = 17
const R = 8
const P = 1
const SALT_SIZE = 16
const HASH_SIZE = 32
/** Most passwords that wait for their turn. */
const MAX_WAITING = 16

/**
 * Hashes and checks passwords by scrypt, one at a time, so that a burst of logins takes neither all memory nor all threads.
 * The stored form names its scheme and cost, so that both can be raised later: `scrypt$17$8$1$salt$hash`.
 */
export class Passwords {
  readonly #log2N: number
  readonly #unknownUser: string
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** @param log2N the cost; tests take a smaller one */
  constructor(log2N = LOG2_N) {
    this.#log2N = log2N
    this.#unknownUser = format(log2N, randomBytes(SALT_SIZE), randomBytes(HASH_SIZE))
  }

  /** @throws GatewayError TOO_MANY if too many wait */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_SIZE)
    return format(this.#log2N, salt, await this.#inTurn(() => derive(password, salt, this.#log2N, R, P, HASH_SIZE)))
  }

  /**
   * @param stored null for an unknown user: takes the same time, and is false
   * @throws GatewayError TOO_MANY if too many wait
   */
  async verify(password: string, stored: string | null): Promise<boolean> {
    const { log2N, r, p, salt, hash } = parse(stored ?? this.#unknownUser)
    const derived = await this.#inTurn(() => derive(password, salt, log2N, r, p, hash.length))
    return timingSafeEqual(derived, hash) && stored !== null
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING)
      throw new GatewayError('TOO_MANY', 'Too many logins at once.', {
        hint: 'Try again in a few seconds.',
        retryAfter: 5,
      })
    this.#waiting++
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn.finally(() => this.#waiting--)
  }
}

function derive(password: string, salt: Buffer, log2N: number, r: number, p: number, size: number): Promise<Buffer> {
  const options = { N: 2 ** log2N, r, p, maxmem: 2 ** log2N * r * 256 }
  return new Promise((resolve, reject) => {
    // The same characters can be typed in two ways on two systems.
    scrypt(password.normalize('NFKC'), salt, size, options, (error, hash) => (error ? reject(error) : resolve(hash)))
  })
}

const format = (log2N: number, salt: Buffer, hash: Buffer) =>
  ['scrypt', log2N, R, P, salt.toString('base64url'), hash.toString('base64url')].join('$')

function parse(stored: string) {
  const [scheme, log2N, r, p, salt = '', hash = ''] = stored.split('$')
  if (scheme !== 'scrypt' || !hash) throw new GatewayError('INTERNAL', 'A stored password has an unknown scheme.')
  return {
    log2N: Number(log2N),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  }
}
