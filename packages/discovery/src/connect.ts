import { assertPsk, parseDeviceId, type ReconnectOptions, reconnecting, type Session, UsmpError } from '@usmp/core'
import { checkOptions, group, type OptionTable } from '@usmp/core/options'
import {
  type ConnectOptions,
  type SessionsOptions as NodeSessionsOptions,
  nodeClock,
  connect as nodeConnect,
  sessions as nodeSessions,
} from '@usmp/node'
import { allowManyListeners, connectTable, sessionsTable } from '@usmp/node/adapters'
import { discover, type Search } from './discover.js'
import { factsKey } from './facts.js'
import type { Found } from './found.js'
import { type DiscoverOptions, discoverTable } from './options.js'
import { whyNothing } from './why-nothing.js'

/** Where and how `usmp+mdns:` searches. */
export type SearchOptions = Omit<DiscoverOptions, 'roles' | 'site' | 'timeout' | 'signal'>

/** As `ConnectOptions` of @usmp/node; for `usmp+mdns:` `connectTimeout` is the time for search and attempts together. */
export interface FindingConnectOptions extends ConnectOptions {
  /** For `usmp+mdns:` addresses: where to search. */
  readonly search?: SearchOptions
}

/** As `SessionsOptions` of @usmp/node. */
export interface FindingSessionsOptions extends NodeSessionsOptions {
  /** For `usmp+mdns:` addresses: where to search. */
  readonly search?: SearchOptions
}

const SCHEME = 'usmp+mdns:'
const CONNECT_TIMEOUT = 10_000
/** After the first gateway others may still answer, ms: where it matters which ones there are. */
const SETTLE = 1_000
/** After a gateway that did not work, ms: another one may still answer. */
const AFTER_FAILURE = 1_500
/** The least that an attempt gets, ms, however little is left. */
const LEAST_ATTEMPT = 500
/** Of one attempt, ms: a forged answer must not use up all the time. */
const LONGEST_ATTEMPT = 3_000
const SITE = /^[A-Za-z0-9_-]{1,32}$/

/**
 * `connect` of @usmp/node that finds gateways too.
 * @param url `usmp+mdns://SITE` for a gateway of this site, `usmp+mdns://` for the only one there is; any other goes to @usmp/node as it is.
 * All gateways that are found are tried, each by all its ways, until one proves that it has the key.
 * @throws UsmpError as `connect` of @usmp/node; UNREACHABLE if no gateway is found; INVALID_ARGUMENT if gateways of several sites are found
 * and none is named
 */
export async function connect(url: string | URL, options: FindingConnectOptions): Promise<Session> {
  const { search, ...rest } = options
  const site = siteOf(url)
  if (site === undefined) return nodeConnect(url, rest)
  checkFirst('connect', options, connectTable)
  return find(site, rest, search ?? {})
}

/**
 * `sessions` of @usmp/node that finds gateways too: each attempt searches anew, so a gateway that moves is found again.
 * @throws UsmpError where repeating is useless
 */
export function sessions(url: string | URL, options: FindingSessionsOptions): AsyncGenerator<Session, void, undefined> {
  const { search, ...rest } = options
  const site = siteOf(url)
  if (site === undefined) return nodeSessions(url, rest)
  checkFirst('sessions', options, sessionsTable)
  const { onRetry, maxRefusals, ...connectOptions } = rest
  const retry: Pick<ReconnectOptions, 'onRetry' | 'maxRefusals'> = {
    ...(onRetry ? { onRetry } : {}),
    ...(maxRefusals === undefined ? {} : { maxRefusals }),
  }
  allowManyListeners(rest.signal)
  // Everybody can announce another site for a while: that is no reason to give up.
  return reconnecting(() => find(site, connectOptions, search ?? {}, 'UNREACHABLE'), {
    clock: nodeClock,
    jitter: Math.random,
    signal: rest.signal,
    ...retry,
  })
}

/** The site of a `usmp+mdns:` address, empty for any; undefined for other addresses. */
function siteOf(url: string | URL): string | undefined {
  const text = String(url)
  if (!text.toLowerCase().startsWith(SCHEME)) return undefined
  const [, site = '', more = ''] = /^usmp\+mdns:\/\/([^/?#]*)\/?(.*)$/i.exec(text) ?? [undefined, undefined, text]
  if (more !== '' || (site !== '' && !SITE.test(site))) {
    throw new UsmpError('INVALID_ARGUMENT', `the address must look like ${SCHEME}//SITE, not ${text.slice(0, 64)}`, {
      hint: 'SITE is the name that the gateway was started with, as `home`. `usmp discover` shows what there is.',
    })
  }
  return site
}

/** Before the network is asked: a wrong argument is not to hide behind a gateway that is not found. @throws UsmpError */
function checkFirst(caller: string, options: FindingConnectOptions, table: OptionTable): void {
  const { roles: _r, site: _s, timeout: _t, signal: _a, ...where } = discoverTable
  checkOptions(caller, options, { ...table, search: group(where) })
  parseDeviceId(options.deviceId)
  assertPsk(options.psk, options.allowWeakPsk)
}

/** @param severalSites the code where none is named and there are several */
async function find(
  site: string,
  options: ConnectOptions,
  place: SearchOptions,
  severalSites: 'INVALID_ARGUMENT' | 'UNREACHABLE' = 'INVALID_ARGUMENT',
): Promise<Session> {
  const { connectTimeout = CONNECT_TIMEOUT, signal } = options
  const enough = new AbortController()
  const search = discover({
    ...place,
    ...(site === '' ? {} : { site }),
    timeout: connectTimeout,
    signal: signal ? AbortSignal.any([signal, enough.signal]) : enough.signal,
  })
  const until = connectTimeout === 0 ? Number.POSITIVE_INFINITY : performance.now() + connectTimeout
  const attempts = new Attempts(options, until)
  // Without a site it matters whether there is another one: the first ones wait for each other.
  const decideAt = site === '' ? performance.now() + SETTLE : 0
  for await (const found of search) {
    if (found.gone) continue
    if (site === '') await settled(search, decideAt, signal, severalSites)
    const session = await attempts.tryAll(site === '' ? search.found : [found])
    if (session) return session
    // Others have had their time to answer too.
    setTimeout(() => enough.abort(), AFTER_FAILURE).unref()
  }
  if (signal?.aborted) throw new UsmpError('ABORTED', undefined, { cause: signal.reason })
  throw attempts.failure ?? nothingFound(site, search)
}

/** @throws UsmpError with this code if there is more than one site */
async function settled(
  search: Search,
  at: number,
  signal: AbortSignal | undefined,
  code: 'INVALID_ARGUMENT' | 'UNREACHABLE',
): Promise<void> {
  const left = at - performance.now()
  if (left > 0) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, left)
      function done() {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      signal?.addEventListener('abort', done)
    })
  }
  const sites = [...new Set(search.found.map((found) => found.site))].sort()
  if (sites.length < 2) return
  const names = sites.map((name) => name || '(without a name)').join(', ')
  throw new UsmpError(code, `there are gateways of several sites: ${names}`, {
    hint: `Name one of them, as ${SCHEME}//${sites.find(Boolean)}.`,
  })
}

/** Tries gateways one by one, each way once. Whoever is not the right one fails in the handshake. */
class Attempts {
  readonly #options: ConnectOptions
  readonly #until: number
  readonly #tried = new Set<string>()
  /** Gateways and hosts that refused, or could not prove themselves: the same key again by another way would only count as a guess. */
  readonly #refusing = new Set<string>()
  #failure: UsmpError | undefined

  constructor(options: ConnectOptions, until: number) {
    this.#options = options
    this.#until = until
  }

  /** Why none of them worked: that one was there and refused says more than that another was not reached. */
  get failure(): UsmpError | undefined {
    return this.#failure
  }

  async tryAll(gateways: readonly Found[]): Promise<Session | undefined> {
    for (const gateway of gateways) {
      const session = await this.#tryOne(gateway)
      if (session) return session
    }
    return undefined
  }

  async #tryOne(found: Found): Promise<Session | undefined> {
    for (const url of found.urls) {
      const place = `${factsKey(found)} ${hostOf(url)}`
      const left = this.#until - performance.now()
      if (this.#tried.has(url) || this.#refusing.has(place) || left <= 0) continue
      this.#tried.add(url)
      const time = Math.max(LEAST_ATTEMPT, Math.min(left, LONGEST_ATTEMPT))
      const { handshakeTimeout = time } = this.#options
      try {
        return await nodeConnect(url, {
          ...this.#options,
          connectTimeout: time,
          handshakeTimeout: Math.min(handshakeTimeout || time, time),
        })
      } catch (error) {
        if (!(error instanceof UsmpError) || error.family === 'usage' || error.family === 'platform') throw error
        if (error.family === 'handshake') this.#refusing.add(place)
        this.#note(url, error)
      }
    }
    return undefined
  }

  #note(url: string, error: UsmpError): void {
    if (this.#failure && error.family === 'transport' && this.#failure.family !== 'transport') return
    const general = new UsmpError(error.code).message
    const detail = error.message.slice(general.length + 2)
    this.#failure = new UsmpError(error.code, `the gateway at ${url}${detail && `, ${detail}`}`, {
      cause: error,
      hint: error.hint,
      ...(error.awaited === undefined ? {} : { awaited: error.awaited }),
    })
  }
}

/** The host of an address of ours; with the zone, which `URL` does not take. */
function hostOf(url: string): string {
  return /\/\/(\[[^\]]*\]|[^/:]*)/.exec(url)?.[1] ?? url
}

function nothingFound(site: string, search: Search): UsmpError {
  const what = site === '' ? 'no gateway' : `no gateway of the site "${site}"`
  const { summary, advice } = whyNothing(search.tried)
  return new UsmpError('UNREACHABLE', `${what} was found; ${summary}`, { hint: advice.join(' ') })
}
