import { domainToASCII } from 'node:url'
import { UsmpError } from '@usmp/core'
import { DEFAULT_PORT } from './tcp.js'

/** Where `connect` is to go. */
export type Target =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'udp'; readonly host: string; readonly port: number }
  /** `host` as in the URL, but with the zone that a URL cannot have. */
  | { readonly kind: 'websocket'; readonly url: URL; readonly host: string }
  | { readonly kind: 'serial'; readonly url: URL }

/** A link-local IPv6 address and its zone, `[fe80::1%eth0]`, or `%25` in place of `%` (RFC 6874). */
const ZONE = /^([a-z+]+:\/\/[^/?#[\]]*\[[0-9a-f:.]+)%(?:25)?([^/?#[\]%]+)(\].*)$/i

/**
 * Reads the address of a server.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function parseTarget(address: string | URL): Target {
  const text = String(address)
  const [, before = '', zone, behind = ''] = ZONE.exec(text) ?? []
  const url = urlOf(zone === undefined ? text : before + behind)
  switch (url?.protocol) {
    case 'usmp:':
    case 'usmp+udp:': {
      const host = hostOf(url, zone)
      if (host === undefined || hasMore(url)) break
      return { kind: url.protocol === 'usmp:' ? 'tcp' : 'udp', host, port: Number(url.port || DEFAULT_PORT) }
    }
    case 'ws:':
    case 'wss:': {
      const host = hostOf(url, zone)
      if (host !== undefined) return { kind: 'websocket', url, host }
      break
    }
    case 'serial:':
      return { kind: 'serial', url }
  }
  if (url?.protocol === 'usmp+mdns:') {
    throw new UsmpError('INVALID_ARGUMENT', 'usmp+mdns: addresses need the package @usmp/discovery', {
      hint: 'Install it, and take `connect` and `sessions` from @usmp/discovery: they take every address that this package takes.',
    })
  }
  throw new UsmpError(
    'INVALID_ARGUMENT',
    `the address must look like usmp://host:${DEFAULT_PORT}, usmp+udp://host:${DEFAULT_PORT}, ws://host/, wss://host/ or serial:///dev/ttyUSB0, not ${text.replace(/\/\/[^/]*@/, '//…@')}`,
  )
}

/** Undefined if it is none. Not `URL.canParse` first, which would do the work twice. */
function urlOf(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/** The host as the system looks it up: international names in ASCII, which `URL` does for schemes of the web only. */
function hostOf({ hostname }: URL, zone: string | undefined): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1) + (zone === undefined ? '' : `%${zone}`)
  try {
    return domainToASCII(decodeURIComponent(hostname)) || undefined
  } catch {
    return undefined
  }
}

/** Whether there is something that these addresses have no meaning for. */
function hasMore({ username, password, pathname, search, hash }: URL): boolean {
  return username + password + search + hash !== '' || (pathname !== '' && pathname !== '/')
}
