import { UsmpError } from '@usmp/core'
import { type Carrier, type CarrierKind, carrierKinds, type Facts, faultOf, MAX_PORT, type Role } from './facts.js'

// The TXT record of a service (specification, section 14.5). Pure: lists of `key=value` in and out.

/** Of a whole record with the length bytes of its entries, bytes. */
export const MAX_TXT = 200
/** Entries that are looked at; ours have nine. */
const MAX_ENTRIES = 32

const WIRE_VERSION = '2'
const roleLetters: Readonly<Record<string, Role>> = { g: 'gateway', d: 'device' }

/**
 * The entries of a TXT record.
 * @throws UsmpError INVALID_ARGUMENT: the facts break a rule of section 14.1
 */
export function encodeTxt(facts: Facts): string[] {
  const fault = faultOf(facts)
  if (fault !== undefined) throw new UsmpError('INVALID_ARGUMENT', fault)
  const { role, instance, joinOpen, carriers, site, path, deviceId } = facts
  const entries = [`v=${WIRE_VERSION}`, `r=${role === 'gateway' ? 'g' : 'd'}`, `n=${instance}`]
  if (site) entries.push(`s=${site}`)
  if (carriers.length > 0) entries.push(`t=${carriers.map(({ kind, port }) => `${kind}:${port}`).join(',')}`)
  if (role === 'gateway') entries.push(`j=${joinOpen ? 1 : 0}`)
  if (path) entries.push(`w=${path}`)
  if (deviceId) entries.push(`id=${deviceId}`)
  return entries
}

/**
 * What a TXT record says; undefined if it is none of ours or breaks a rule.
 * @param port of the SRV record: that of the kinds without a port of their own
 */
export function decodeTxt(entries: readonly Uint8Array[], port: number): Facts | undefined {
  const size = entries.reduce((sum, entry) => sum + entry.length + 1, 0)
  if (size > MAX_TXT || entries.length > MAX_ENTRIES) return undefined
  const values = valuesOf(entries)
  const role = roleLetters[values.get('r') ?? '']
  const carriers = carriersOf(values.get('t'), port)
  const join = values.get('j') ?? '0'
  if (values.get('v') !== WIRE_VERSION || role === undefined || carriers === undefined) return undefined
  if (join !== '0' && join !== '1') return undefined
  const id = values.get('id')
  const facts: Facts = {
    role,
    instance: values.get('n') ?? '',
    joinOpen: join === '1',
    carriers,
    site: values.get('s') ?? '',
    path: values.get('w') ?? '',
    ...(id === undefined ? {} : { deviceId: id }),
  }
  return faultOf(facts) === undefined ? facts : undefined
}

/** The first value of each key; an entry without `=` or with bytes beyond printable ASCII says nothing. */
function valuesOf(entries: readonly Uint8Array[]): Map<string, string> {
  const values = new Map<string, string>()
  for (const entry of entries) {
    const text = String.fromCharCode(...entry)
    const [, key, value] = /^([\x21-\x3c\x3e-\x7e]+)=([\x20-\x7e]*)$/.exec(text) ?? []
    if (key !== undefined && !values.has(key)) values.set(key, value!)
  }
  return values
}

/** The ways of `t`; undefined if it is malformed. */
function carriersOf(text: string | undefined, port: number): Carrier[] | undefined {
  if (text === undefined) return []
  const carriers: Carrier[] = []
  for (const part of text.split(',')) {
    const [, kind, own] = /^([a-z]+)(?::([1-9][0-9]{0,4}))?$/.exec(part) ?? []
    const number = own === undefined ? port : Number(own)
    if (!carrierKinds.includes(kind as CarrierKind) || number > MAX_PORT) return undefined
    carriers.push({ kind: kind as CarrierKind, port: number })
  }
  return carriers
}
