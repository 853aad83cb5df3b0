import { UsmpError } from '@usmp/core'
import type { Side } from '@usmp/relay'
import type { Address } from '../options.js'
import type { IdentityFlags } from './files.js'

/** Cells a second; more would be a stream of over 50 kB/s that never rests. */
const MAX_RATE = 100
const PIN = /^[\da-f]{64}$/i

/** Of `usmp relay serve`, as they stand on the command line. */
export interface ServeFlags {
  readonly listen: Address
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly clientCa?: string
  readonly tokenKey?: string
  readonly open?: boolean
  readonly trustProxy?: boolean
  readonly metrics?: Address
}

export interface TokenFlags {
  readonly tokenKey: string
  readonly days: number
  readonly name?: string
}

/** How to reach a relay. */
export interface RelayFlags {
  readonly relay: URL
  readonly tokenFile?: string
  readonly ca?: string
  readonly pin?: string
  readonly cert?: string
  readonly key?: string
}

/** What is sent while there is nothing to say. */
export type CoverFlag = 'off' | 'noise' | number

/** Of `usmp relay peer`. */
export interface PeerFlags extends RelayFlags, IdentityFlags {
  readonly newCode?: boolean
  readonly code?: string
  readonly to?: string
  readonly peerFile?: string
  readonly pairKeyFile?: string
  readonly side?: Side
  /** The own one, which the other end gets at the pairing. */
  readonly name?: string
  readonly cover?: CoverFlag
  /** False for --no-channel. */
  readonly channel: boolean
  readonly api?: Address
  readonly apiTokenFile?: string
}

/**
 * The address of a relay.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseRelay(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url?.hostname || !/^wss?:$/.test(url.protocol)) {
    throw new UsmpError('INVALID_ARGUMENT', 'the address of a relay must begin with wss://, or ws:// on this machine', {
      hint: 'For example wss://relay.example or ws://127.0.0.1:8740.',
    })
  }
  if (url.username || url.password) {
    throw new UsmpError('INVALID_ARGUMENT', 'user and password do not belong into the address of a relay', {
      hint: 'A relay asks for a token: put it into a file, and give --token-file.',
    })
  }
  return url
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parsePin(text: string): string {
  const pin = text.replace(/[:\s]/g, '')
  if (PIN.test(pin)) return pin.toLowerCase()
  throw new UsmpError('INVALID_ARGUMENT', '--pin must be 64 hex digits', {
    hint: 'It is SHA-256 of the public key in the certificate of the relay (SPKI): see docs/relay.md of the project.',
  })
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseCover(text: string): CoverFlag {
  if (text === 'off' || text === 'noise') return text
  const rate = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : 0
  if (rate > 0 && rate <= MAX_RATE) return rate
  throw new UsmpError('INVALID_ARGUMENT', `--cover must be off, noise or cells a second, not ${JSON.stringify(text)}`, {
    hint: `For example 4, or 0.5 for one in two seconds; at most ${MAX_RATE}. Both ends choose for themselves.`,
  })
}

/** @throws UsmpError INVALID_ARGUMENT */
export function parseSide(text: string): Side {
  if (text === '0' || text === '1') return Number(text) as Side
  throw new UsmpError('INVALID_ARGUMENT', `--side must be 0 or 1, not ${JSON.stringify(text)}`, {
    hint: 'One end of the pair has 0, the other one 1.',
  })
}
