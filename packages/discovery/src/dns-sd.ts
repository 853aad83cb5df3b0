import type { Answer as DnsRecord, Packet, SrvAnswer, TxtAnswer } from 'dns-packet'
import type { Facts, Role } from './facts.js'
import { familyOf } from './networks.js'
import { decodeTxt, encodeTxt } from './txt.js'

// What DNS service discovery says about a peer: records out, sightings in (specification, section 14.5; RFC 6762 and 6763). Pure.

export const GATEWAY_TCP = '_usmp._tcp.local'
export const GATEWAY_UDP = '_usmp._udp.local'
export const DEVICE_UDP = '_usmp-device._udp.local'
/** The list of all types of services, for browsers that want to see what there is. */
const ALL_TYPES = '_services._dns-sd._udp.local'

/** Seconds: records that name a host, and all others (RFC 6762, section 10). */
const HOST_TTL = 120
const SERVICE_TTL = 4_500
/** In an answer to a resolver that does not speak mDNS, seconds (RFC 6762, section 6.7). */
const LEGACY_TTL = 10
/** The discard port: a device that takes no sessions has no port. */
const NO_PORT = 9
/** Records of one packet that are looked at. */
const MAX_RECORDS = 128
/** Addresses of one sighting. */
const MAX_ADDRESSES = 8

const INSTANCE = /^usmp-[0-9a-f]{4}$/

/** The types in which a role is announced. */
export function typesOf(role: Role): readonly string[] {
  return role === 'gateway' ? [GATEWAY_TCP, GATEWAY_UDP] : [DEVICE_UDP]
}

export const hostName = (instance: string) => `usmp-${instance}.local`

/** One service that is announced: its type, and the port of its SRV record. */
interface Service {
  readonly type: string
  readonly port: number
}

function servicesOf({ role, carriers }: Facts): Service[] {
  const port = (...kinds: string[]) => carriers.find(({ kind }) => kinds.includes(kind))?.port
  if (role === 'device') return [{ type: DEVICE_UDP, port: port('udp') ?? carriers[0]?.port ?? NO_PORT }]
  const [tcp, udp] = [port('tcp'), port('udp')]
  const other = port('wss') ?? port('ws') ?? port('mqtt')
  const services = [
    ...(tcp === undefined ? [] : [{ type: GATEWAY_TCP, port: tcp }]),
    ...(udp === undefined ? [] : [{ type: GATEWAY_UDP, port: udp }]),
  ]
  return services.length > 0 || other === undefined ? services : [{ type: GATEWAY_TCP, port: other }]
}

/** All records of a peer at these addresses of one network. */
export function recordsOf(facts: Facts, addresses: readonly string[]): DnsRecord[] {
  const target = hostName(facts.instance)
  const txt = encodeTxt(facts).map((entry) => Buffer.from(entry))
  const services = servicesOf(facts).flatMap(({ type, port }): DnsRecord[] => {
    const name = `usmp-${facts.instance}.${type}`
    return [
      { type: 'PTR', name: type, ttl: SERVICE_TTL, data: name },
      { type: 'SRV', name, ttl: HOST_TTL, flush: true, data: { port, target, priority: 0, weight: 0 } },
      { type: 'TXT', name, ttl: SERVICE_TTL, flush: true, data: txt },
      { type: 'PTR', name: ALL_TYPES, ttl: SERVICE_TTL, data: type },
    ]
  })
  const hosts = addresses.map(
    (address): DnsRecord => ({
      type: familyOf(address) === 'IPv4' ? 'A' : 'AAAA',
      name: target,
      ttl: HOST_TTL,
      flush: true,
      data: address,
    }),
  )
  return [...services, ...hosts]
}

/** The same records, to be forgotten at once. */
export function goodbyeOf(records: readonly DnsRecord[]): DnsRecord[] {
  // The list of types is not ours alone.
  return records.filter(({ name }) => name !== ALL_TYPES).map((record) => ({ ...record, ttl: 0 }) as DnsRecord)
}

/** What of our records answers a query: records that were asked for, and the ones that go with them. Undefined: it is not for us. */
export function answersTo(
  { questions = [], answers: known = [] }: Packet,
  records: readonly DnsRecord[],
): { answers: DnsRecord[]; additionals: DnsRecord[] } | undefined {
  const asked = new Set<DnsRecord>()
  for (const { name, type } of questions.slice(0, MAX_RECORDS)) {
    for (const record of records) {
      const fits = type === record.type || (type as string) === 'ANY'
      if (fits && sameName(record.name, name) && !isKnown(record, known)) asked.add(record)
    }
  }
  if (asked.size === 0) return undefined
  const isList = [...asked].every(({ name }) => name === ALL_TYPES)
  const additionals = isList ? [] : records.filter((record) => !asked.has(record) && record.name !== ALL_TYPES)
  return { answers: [...asked], additionals }
}

/** Who asks has this record already, and for long enough (RFC 6762, section 7.1). Only PTR records are asked for again and again. */
function isKnown(record: DnsRecord, known: readonly DnsRecord[]): boolean {
  if (record.type !== 'PTR') return false
  return known
    .slice(0, MAX_RECORDS)
    .some(
      (other) =>
        other.type === 'PTR' &&
        sameName(other.name, record.name) &&
        sameName(String(other.data), String(record.data)) &&
        2 * (other.ttl ?? 0) >= (record.ttl ?? 0),
    )
}

/** The same answer for a resolver that does not speak mDNS: its own id and question, short lives, no flush bit. */
export function legacyAnswer(
  query: Packet,
  { answers, additionals }: { answers: readonly DnsRecord[]; additionals: readonly DnsRecord[] },
): Packet {
  const legacy = (record: DnsRecord) => ({ ...record, ttl: LEGACY_TTL, flush: false }) as DnsRecord
  return {
    id: query.id ?? 0,
    type: 'response',
    questions: (query.questions ?? []).slice(0, 1).map(({ name, type }) => ({ name, type, class: 'IN' as const })),
    answers: answers.map(legacy),
    additionals: additionals.map(legacy),
  }
}

/** Something that a packet says about a peer. */
export interface Sighting {
  readonly facts: Facts
  /** As in its A and AAAA records; may be empty. */
  readonly addresses: readonly string[]
}

/** What a packet says about peers of these types. */
export interface Sightings {
  readonly seen: readonly Sighting[]
  /** Instances that say goodbye. */
  readonly gone: readonly string[]
  /** Names of services that the packet names only; whoever wants to know more asks for them. */
  readonly incomplete: readonly string[]
}

/** Reads the services of these types out of a response. Everything in it may be forged or malformed. */
export function sightingsIn({ answers = [], additionals = [] }: Packet, types: readonly string[]): Sightings {
  const records = [...answers, ...additionals].slice(0, MAX_RECORDS)
  const named = new Set<string>()
  const gone = new Set<string>()
  for (const record of records) {
    const name = nameOfService(record, types)
    if (name === undefined) continue
    if ((record as { ttl?: number }).ttl === 0) gone.add(instanceOf(name))
    else named.add(name)
  }
  const seen: Sighting[] = []
  const incomplete: string[] = []
  for (const name of named) {
    if (gone.has(instanceOf(name))) continue
    const srv = records.find((record): record is SrvAnswer => record.type === 'SRV' && sameName(record.name, name))
    const txt = records.find((record): record is TxtAnswer => record.type === 'TXT' && sameName(record.name, name))
    if (!srv || !txt) incomplete.push(name)
    else seen.push(...sightingOf(name, srv, txt, records))
  }
  return { seen, gone: [...gone], incomplete }
}

function sightingOf(name: string, { data }: SrvAnswer, txt: TxtAnswer, records: readonly DnsRecord[]): Sighting[] {
  const facts = decodeTxt(entriesOf(txt), data.port)
  if (facts?.instance !== instanceOf(name) || !typesOf(facts.role).some((type) => name.endsWith(type))) return []
  const addresses = records
    .filter(({ type, name }) => (type === 'A' || type === 'AAAA') && sameName(name, data.target))
    .map((record) => String((record as { data: unknown }).data))
    .filter((address) => familyOf(address) !== undefined)
  return [{ facts, addresses: [...new Set(addresses)].slice(0, MAX_ADDRESSES) }]
}

/** The service that a record is about, in lower case; undefined if it is none of these types. */
function nameOfService(record: DnsRecord, types: readonly string[]): string | undefined {
  const { type, name } = record
  const about = type === 'PTR' && types.some((known) => sameName(name, known)) ? String(record.data) : name
  if (type !== 'PTR' && type !== 'SRV' && type !== 'TXT') return undefined
  const lower = about.toLowerCase()
  return types.some((known) => lower.endsWith(`.${known}`)) && INSTANCE.test(lower.split('.')[0]!) ? lower : undefined
}

const instanceOf = (name: string) => name.slice('usmp-'.length, 'usmp-'.length + 4)

/** TXT data as the library gives it: one entry or a list of them, text or bytes. */
function entriesOf({ data }: TxtAnswer): Uint8Array[] {
  const list = Array.isArray(data) ? data : [data]
  return list.map((entry) => (typeof entry === 'string' ? Buffer.from(entry) : entry))
}

/** Addresses that a packet gives to this host name, for finding another peer with our name. */
export function addressesIn({ answers = [], additionals = [] }: Packet, host: string): string[] {
  return [...answers, ...additionals]
    .slice(0, MAX_RECORDS)
    .filter(({ type, name }) => (type === 'A' || type === 'AAAA') && sameName(name, host))
    .map((record) => String((record as { data: unknown }).data))
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
