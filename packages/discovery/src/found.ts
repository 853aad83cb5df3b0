import { type Facts, factsKey } from './facts.js'
import { familyOf, isLinkLocal6 } from './networks.js'

/** The way by which something was heard. */
export type Way = 'mdns' | 'udp'

/** One address at which a peer was found. */
export interface FoundAddress {
  /** IPv4 or IPv6; a link-local IPv6 address with its zone, as `fe80::1%eth0`. */
  readonly address: string
  /** The interface on which it was heard; undefined where the answer came over a router. */
  readonly interface?: string
  /** ms since 1970. */
  readonly lastSeen: number
}

/** A gateway or a device that was heard of. It may be gone, and it may be somebody else: only a session proves anything. */
export interface Found extends Facts {
  readonly addresses: readonly FoundAddress[]
  /** What `connect` takes, the best first. Empty where there is MQTT only. */
  readonly urls: readonly string[]
  readonly by: readonly Way[]
  /** ms since 1970. */
  readonly lastSeen: number
  /** It said goodbye, or did not answer two rounds of queries. */
  readonly gone: boolean
}

/** Where an answer was heard. */
export interface Heard {
  readonly by: Way
  /** Who sent it, for limits: anybody can send, but not from everywhere. */
  readonly source: string
  readonly interface?: string
}

/** Peers in all. */
export const MAX_FOUND = 256
/** Peers that one sender may tell of. */
export const MAX_PER_SOURCE = 16
/** Addresses of one peer. */
export const MAX_ADDRESSES = 8

interface Place {
  readonly interface?: string
  readonly source: string
  by: Way
  lastSeen: number
}

interface Entry {
  facts: Facts
  /** Who told of it first. */
  readonly source: string
  readonly places: Map<string, Place>
}

/**
 * What was found, merged and bounded (specification, section 14.4, rules 3 to 5). `see` and `goodbye` return what changed, and undefined
 * if nothing did. An entry is changed by nobody who does not say the same facts, the join window apart.
 */
export class FoundTable {
  readonly #entries = new Map<string, Entry>()
  #dropped = 0

  /** Answers that were dropped because a limit was reached. */
  get dropped(): number {
    return this.#dropped
  }

  get all(): Found[] {
    return [...this.#entries.values()].map((entry) => foundOf(entry, false))
  }

  /** @param now ms since 1970 */
  see(facts: Facts, addresses: readonly string[], heard: Heard, now: number): Found | undefined {
    const key = factsKey(facts)
    const known = this.#entries.get(key)
    const entry = known ?? this.#add(key, facts, heard.source)
    if (!entry) return undefined
    const hadJoin = entry.facts.joinOpen
    entry.facts = facts
    const before = signature(entry)
    for (const address of addresses) this.#seeAt(entry, address, heard, now)
    if (entry.places.size === 0) this.#entries.delete(key)
    const isNew = known === undefined || hadJoin !== facts.joinOpen || before !== signature(entry)
    return isNew && entry.places.size > 0 ? foundOf(entry, false) : undefined
  }

  /** Forgets what this sender has told of an instance, by either way: it says goodbye by mDNS only. */
  goodbye(instance: string, { source }: Heard): Found[] {
    return this.#forget((entry, place) => entry.facts.instance === instance && place.source === source)
  }

  /** Forgets what was not heard of since `oldest`, ms since 1970. */
  age(oldest: number): Found[] {
    return this.#forget((_, place) => place.lastSeen < oldest)
  }

  #forget(isOver: (entry: Entry, place: Place) => boolean): Found[] {
    const changed: Found[] = []
    for (const [key, entry] of this.#entries) {
      const over = [...entry.places].filter(([, place]) => isOver(entry, place))
      if (over.length === 0) continue
      const last = foundOf(entry, true)
      for (const [address] of over) entry.places.delete(address)
      if (entry.places.size === 0) this.#entries.delete(key)
      changed.push(entry.places.size === 0 ? last : foundOf(entry, false))
    }
    return changed
  }

  #add(key: string, facts: Facts, source: string): Entry | undefined {
    const own = [...this.#entries.values()].filter((entry) => entry.source === source).length
    if (this.#entries.size >= MAX_FOUND || own >= MAX_PER_SOURCE) {
      this.#dropped++
      return undefined
    }
    const entry = { facts, source, places: new Map() }
    this.#entries.set(key, entry)
    return entry
  }

  #seeAt(entry: Entry, address: string, { by, source, interface: name }: Heard, now: number): void {
    const key = `${by} ${address}`
    const place = entry.places.get(key)
    const own = [...entry.places.values()].filter((known) => known.source === source).length
    if (place) {
      place.lastSeen = now
    } else if (entry.places.size < 2 * MAX_ADDRESSES && own < MAX_ADDRESSES) {
      entry.places.set(key, { by, source, lastSeen: now, ...(name === undefined ? {} : { interface: name }) })
    } else {
      this.#dropped++
    }
  }
}

/** Changes when there is something new to tell about where a peer is. */
function signature({ places }: Entry): string {
  return [...places.keys()].sort().join(' ')
}

function foundOf({ facts, places }: Entry, gone: boolean): Found {
  const list = addressesOf(places)
  return {
    ...facts,
    addresses: list,
    urls: urlsOf(facts, list),
    by: [...new Set([...places.values()].map(({ by }) => by))].sort(),
    lastSeen: Math.max(...[...places.values()].map(({ lastSeen }) => lastSeen)),
    gone,
  }
}

/** Each address once, and in turn one of each sender: whoever tells of many addresses cannot push out those of others. */
function addressesOf(places: Entry['places']): FoundAddress[] {
  const addresses = new Map<string, FoundAddress>()
  const senders = new Map<string, string[]>()
  for (const [key, { lastSeen, source, interface: name }] of places) {
    const address = key.slice(key.indexOf(' ') + 1)
    const known = addresses.get(address)
    const at = name ?? known?.interface
    const latest = Math.max(lastSeen, known?.lastSeen ?? 0)
    addresses.set(address, { address, lastSeen: latest, ...(at === undefined ? {} : { interface: at }) })
    senders.set(source, [...(senders.get(source) ?? []), address])
  }
  const lists = [...senders.values()].map((list) => list.sort((a, b) => rank(a) - rank(b)))
  const turns = Array.from({ length: MAX_ADDRESSES }, (_, turn) => lists.flatMap((list) => list[turn] ?? []))
  return [...new Set(turns.flat())].slice(0, MAX_ADDRESSES).map((address) => addresses.get(address)!)
}

/** IPv4 first, as every device has it; link-local IPv6 last, as it needs a zone. */
function rank(address: string): number {
  if (familyOf(address) === 'IPv4') return 0
  return isLinkLocal6(address) ? 2 : 1
}

/** From what needs least to what goes over most networks. MQTT is not reached by an address. */
const schemes = [
  { kind: 'tcp', scheme: 'usmp', withPath: false },
  { kind: 'wss', scheme: 'wss', withPath: true },
  { kind: 'ws', scheme: 'ws', withPath: true },
  { kind: 'udp', scheme: 'usmp+udp', withPath: false },
] as const

function urlsOf({ carriers, path }: Facts, addresses: readonly FoundAddress[]): string[] {
  return schemes.flatMap(({ kind, scheme, withPath }) => {
    const carrier = carriers.find((carrier) => carrier.kind === kind)
    if (!carrier) return []
    const end = withPath ? path || '/' : ''
    return addresses.map(({ address }) => {
      const host = familyOf(address) === 'IPv6' ? `[${address}]` : address
      return `${scheme}://${host}:${carrier.port}${end}`
    })
  })
}
