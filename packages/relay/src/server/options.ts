import type { RelayClock } from './clock.js'
import { isLoopback } from './ip-address.js'
import type { RelayLimits } from './limits.js'
import { RelayError } from './relay-error.js'
import type { RelayTls } from './tls.js'
import { checkTokenKey } from './tokens.js'

/** Where a relay listens and whom it serves. */
export interface RelayOptions {
  /** Default 127.0.0.1: reached from this machine only. */
  readonly host?: string
  /** Default 8740; 0 for any that is free. */
  readonly port?: number
  readonly tls?: RelayTls
  /** 32 bytes or more: who joins needs a token that was made with it (see `issueToken`). */
  readonly tokenKey?: Uint8Array
  /** Serve everybody without a token. Whoever reaches the relay can then use it up to the limits. */
  readonly open?: boolean
  /**
   * All requests come from a proxy that ends TLS and appends the address of the peer to `X-Forwarded-For`. Only its last address
   * counts. Without such a proxy anybody could write there what he likes, so it is off by default.
   */
  readonly trustProxy?: boolean
  /** What differs from `DEFAULT_LIMITS`. */
  readonly limits?: Partial<RelayLimits>
  /** `GET /metrics`: true beside the relay itself, or on a listener of its own. Off by default. */
  readonly metrics?: boolean | { readonly host?: string; readonly port: number }
  /** Default the system's. */
  readonly clock?: RelayClock
  /** Of the wall clock, for the expiry of tokens. */
  readonly date?: () => Date
}

export const DEFAULT_HOST = '127.0.0.1'
export const DEFAULT_PORT = 8740

/** @throws RelayError INVALID_ARGUMENT for what cannot be done, and for what would be open by mistake */
export function checkOptions({ host = DEFAULT_HOST, port, tls, tokenKey, open, trustProxy }: RelayOptions): void {
  checkPort(port ?? DEFAULT_PORT)
  if (tokenKey) checkTokenKey(tokenKey)
  if (!tokenKey && !open) {
    const hint = 'Give a token key, or say that the relay is open to everybody who reaches it.'
    throw new RelayError('INVALID_ARGUMENT', 'it is not said who may use the relay', hint)
  }
  if (tokenKey && open) {
    const hint = 'Take the token key away, or do not open the relay to everybody.'
    throw new RelayError('INVALID_ARGUMENT', 'a relay with a token key is not open to everybody', hint)
  }
  if (tls || trustProxy || isLoopback(host)) return
  throw new RelayError(
    'INVALID_ARGUMENT',
    `without TLS the relay listens on this machine only, not on ${host}`,
    'Give a certificate and its key (`--tls-cert`, `--tls-key`), or say that a proxy in front speaks TLS (`--trust-proxy`).',
  )
}

/** @throws RelayError INVALID_ARGUMENT */
export function checkPort(port: number): void {
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return
  throw new RelayError('INVALID_ARGUMENT', `${port} is no port`, 'A port is a whole number from 0 to 65535.')
}
