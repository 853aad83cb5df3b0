import { RateLimit } from '@usmp/node/adapters'
import type { Answer as DnsRecord, Packet } from 'dns-packet'
import { type AnnouncementFacts, addressesOf } from './announcement-facts.js'
import { addressesIn, answersTo, goodbyeOf, hostName, legacyAnswer, recordsOf } from './dns-sd.js'
import { hasMdns, MdnsLink, type Sender } from './mdns-link.js'
import { NetworkLinks } from './network-links.js'
import { familyOf, type Network, networkKey } from './networks.js'

/** The second announcement comes after so long, ms (RFC 6762, section 8.3). */
const REPEAT = 1_000
/** Announcements of a network that fail in a row until it is told. */
const TOLD_FAILURE = 3
/** Answers to all wait 20 to 120 ms, so that those to several queries are one, and those of several peers do not collide. */
const DELAY = { least: 20, spread: 100 }
/** At most so many multicasts in a network: a flood of queries must not become one of answers. */
const MULTICASTS = { burst: 3, perSecond: 1 }
/** Answers to resolvers that want one for themselves. */
const UNICASTS = { burst: 5, perSecond: 5 }
const ALL_UNICASTS = { burst: 50, perSecond: 50 }
/** New names because another peer has ours: a hostile one could go on for ever. */
const MAX_RENAMES = 5

/** Announces by mDNS in each network, answers queries there, and says goodbye. */
export class MdnsResponder {
  readonly #facts: AnnouncementFacts
  readonly #links: NetworkLinks<MdnsLink>
  readonly #unicasts = new RateLimit(UNICASTS, ALL_UNICASTS, performance.now())
  readonly #multicasts = new RateLimit(MULTICASTS, { burst: 1_000, perSecond: 1_000 }, performance.now())
  /** Answers and repeats that wait, by their network. */
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #onFault: (where: string, error: unknown) => void
  /** What was announced last in each network: what a goodbye must name. */
  readonly #announced = new Map<string, { readonly link: MdnsLink; readonly records: readonly DnsRecord[] }>()
  /** Where the announcement could not be sent, and how often; it is tried again with the next look at the networks. */
  readonly #unsent = new Map<string, number>()
  #networks: readonly Network[] = []
  #renames = 0
  #closed = false

  constructor(facts: AnnouncementFacts, port: number, onFault: (where: string, error: unknown) => void) {
    this.#facts = facts
    this.#onFault = onFault
    this.#links = new NetworkLinks(
      (network) => MdnsLink.open(network, port, (packet, from, link) => this.#receive(packet, from, link)),
      (network, error) => onFault(`mDNS on ${network.name}, UDP port ${port}`, error),
    )
  }

  /** Announces where it is new, and again where our addresses have changed. */
  async update(networks: readonly Network[]): Promise<void> {
    this.#networks = networks
    await this.#links.update(networks.filter(hasMdns))
    await this.announce()
  }

  /** Tells each network what is different there since the last time. */
  async announce(): Promise<void> {
    const links = new Set(this.#links.all)
    for (const [key, { link }] of this.#announced) if (!links.has(link)) this.#announced.delete(key)
    for (const link of links) await this.#announceAt(link)
  }

  /** Says goodbye everywhere. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    for (const { link, records } of this.#announced.values()) {
      await link.send({ type: 'response', answers: goodbyeOf(records) })
    }
    await this.#links.close()
  }

  async #announceAt(link: MdnsLink): Promise<void> {
    const key = networkKey(link.network)
    const records = this.#recordsAt(link)
    const before = this.#announced.get(key)?.records ?? []
    if (JSON.stringify(before) === JSON.stringify(records) && !this.#unsent.has(key)) return
    const lost = before.filter((old) => !records.some((record) => sameRecord(record, old)))
    if (lost.length > 0) await link.send({ type: 'response', answers: goodbyeOf(lost) })
    this.#announced.set(key, { link, records })
    if (records.length === 0) return
    const error = await this.#sendAll(link)
    if (error) return this.#tryAgain(key, error)
    this.#unsent.delete(key)
    this.#later(`repeat ${key}`, REPEAT, () => void this.#sendAll(link))
  }

  /** A new IPv6 address cannot be used for a second or two; what fails for longer is told. */
  #tryAgain(key: string, error: Error): void {
    const failures = (this.#unsent.get(key) ?? 0) + 1
    this.#unsent.set(key, failures)
    if (failures === TOLD_FAILURE) this.#onFault(`mDNS on ${key}`, error)
  }

  async #sendAll(link: MdnsLink): Promise<Error | undefined> {
    const records = this.#announced.get(networkKey(link.network))?.records ?? []
    return records.length > 0 ? link.send({ type: 'response', answers: [...records] }) : undefined
  }

  #recordsAt({ network }: MdnsLink): DnsRecord[] {
    const said = this.#facts.at(addressesOf(network, this.#networks))
    return said ? recordsOf(said.facts, said.addresses) : []
  }

  #receive(packet: Packet, from: Sender, link: MdnsLink): void {
    if (this.#closed) return
    if (packet.type === 'response') return this.#watchForConflict(packet, from)
    const records = this.#announced.get(networkKey(link.network))?.records ?? []
    const found = answersTo(packet, records)
    if (!found) return
    const isLegacy = from.port !== link.port
    if (isLegacy || wantsUnicast(packet)) {
      if (!this.#unicasts.take(from.address, performance.now())) return
      const answer: Packet = isLegacy ? legacyAnswer(packet, found) : { type: 'response', ...found }
      void link.sendTo(authoritative(answer), from)
      return
    }
    const key = networkKey(link.network)
    if (this.#timers.has(key) || !this.#multicasts.take(key, performance.now())) return
    // All records, as what several queries want may differ.
    this.#later(key, DELAY.least + Math.random() * DELAY.spread, () => void this.#sendAll(link))
  }

  /** Another peer with our name gives it an address that is not ours: we take a new one. */
  #watchForConflict(packet: Packet, from: Sender): void {
    const own = this.#networks.map(({ address }) => address)
    const isOurs = (address: string) => own.includes(address.split('%')[0]!)
    if (isOurs(from.address)) return
    const others = addressesIn(packet, hostName(this.#facts.instance)).filter((address) => familyOf(address))
    if (others.length === 0 || others.every(isOurs) || this.#renames >= MAX_RENAMES) return
    this.#renames++
    this.#facts.rename()
    void this.announce()
  }

  #later(key: string, ms: number, run: () => void): void {
    clearTimeout(this.#timers.get(key))
    if (this.#closed) return
    this.#timers.set(
      key,
      setTimeout(() => {
        this.#timers.delete(key)
        run()
      }, ms),
    )
  }
}

function sameRecord(a: DnsRecord, b: DnsRecord): boolean {
  const { ttl: _a, ...left } = a as DnsRecord & { ttl?: number }
  const { ttl: _b, ...right } = b as DnsRecord & { ttl?: number }
  // A TXT record replaces the one before by its flush bit; only its name counts here.
  const isReplaced = a.type === 'TXT' && b.type === 'TXT' && a.name === b.name
  return isReplaced || JSON.stringify(left) === JSON.stringify(right)
}

/** The top bit of the class of a question, which the library gives as a class that it does not know. */
function wantsUnicast({ questions = [] }: Packet): boolean {
  return questions.length > 0 && questions.every((question) => String(question.class) === 'UNKNOWN_32769')
}

function authoritative(packet: Packet): Packet {
  return { ...packet, flags: 0x0400 }
}
