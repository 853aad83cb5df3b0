import { GatewayError } from '../errors.js'
import { equalHashes, hashSecret, randomSecret } from './secrets.js'

/** How long a setup link can be used, ms. */
export const SETUP_LINK_LIFE = 15 * 60_000
const TOKEN_SIZE = 16

/** The one-time link that makes the first user. There is no default password. */
export class SetupLink {
  readonly #now: () => number
  #valid: { readonly hash: string; readonly until: number } | null = null

  /** @param now a monotonic clock, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Makes a new token; the old one is void. */
  renew(): string {
    const token = randomSecret(TOKEN_SIZE)
    this.#valid = { hash: hashSecret(token), until: this.#now() + SETUP_LINK_LIFE }
    return token
  }

  /**
   * Uses the token up, at once, so that it works for one of two who come together.
   * @returns gives it back, if nothing came of it
   * @throws GatewayError SETUP_CLOSED
   */
  take(token: string): () => void {
    const valid = this.#valid
    if (!valid || this.#now() >= valid.until || !equalHashes(hashSecret(token), valid.hash))
      throw new GatewayError('SETUP_CLOSED', 'This setup link was used, or is too old.', {
        hint: 'Restart the gateway, or run `usmp gateway setup`: while there is no user, each prints a new link.',
      })
    this.#valid = null
    return () => {
      this.#valid ??= valid
    }
  }
}
