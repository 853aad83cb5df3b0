import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../errors.js'

export interface OriginOptions {
  /** Whether browsers speak https with this server. */
  readonly https: boolean
  /** Host names that are taken; null: all. */
  readonly hosts: readonly string[] | null
  /** The one origin of the page, if a proxy stands before it. */
  readonly origin: string | null
}

/** Tells requests of our own page from those that another page makes a browser send. */
export class OriginCheck {
  readonly #options: OriginOptions

  constructor(options: OriginOptions) {
    this.#options = options
  }

  /**
   * Another name means: a page of that name has had its address changed to ours (DNS rebinding).
   * @throws GatewayError FOREIGN_ORIGIN
   */
  checkHost({ host = '' }: IncomingHttpHeaders): void {
    const { hosts } = this.#options
    if (hosts && !hosts.includes(hostName(host)))
      throw new GatewayError('FOREIGN_ORIGIN', 'The gateway does not have this host name.', {
        hint: `Open it as ${hosts.join(' or ')}; add more names with --name.`,
      })
  }

  /**
   * For all that is not the page: a browser that says it asks for another site is refused. Ports of one host are one site to
   * cookies, and not here.
   * @throws GatewayError FOREIGN_ORIGIN
   */
  checkSite({ 'sec-fetch-site': site }: IncomingHttpHeaders): void {
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw foreign()
  }

  /**
   * For what changes something, and for the live socket.
   * @param required false for scripts with a token, which no browser adds by itself
   * @throws GatewayError FOREIGN_ORIGIN
   */
  checkOrigin(headers: IncomingHttpHeaders, { required }: { required: boolean }): void {
    this.checkSite(headers)
    if (headers['sec-fetch-site'] === 'none') throw foreign()
    const { origin } = headers
    if (origin === undefined ? required : origin.toLowerCase() !== this.#ownOrigin(headers)) throw foreign()
  }

  #ownOrigin({ host = '' }: IncomingHttpHeaders): string {
    const { origin, https } = this.#options
    return origin ?? `${https ? 'https' : 'http'}://${host.toLowerCase()}`
  }
}

const foreign = () =>
  new GatewayError('FOREIGN_ORIGIN', 'This request does not come from the page of the gateway.', {
    hint: 'Scripts send `Authorization: Bearer TOKEN` instead of a cookie.',
  })

function hostName(host: string): string {
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : ''
}
