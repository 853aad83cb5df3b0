import type { CipherSuite, TransportKind } from '@usmp/core'
import type { TrafficKeys } from '@usmp/core/internal'
import { copyBytes } from '@usmp/core/internal'
import { must } from '../target.js'
import { End, otherRole, provider, type Role } from './ends.js'

/** What the other end says in a handshake, and what it knows afterwards. */
export interface Start {
  /** All that it sends, in order. */
  readonly packets: readonly Uint8Array[]
  /** Its keys. */
  readonly keys: TrafficKeys
  readonly sessionId: Uint8Array
}

const known = new Map<string, Start>()

/** The handshake that leads to a session with an end of that role; always the same bytes, so it is made once. */
export function startOf(role: Role, kind: TransportKind, suite: CipherSuite): Start {
  const name = `${role} ${kind} ${suite}`
  const start = known.get(name) ?? make(role, kind, suite)
  known.set(name, start)
  return start
}

function make(role: Role, kind: TransportKind, suite: CipherSuite): Start {
  const end = new End(role, kind, suite)
  const keys: Uint8Array[] = []
  const aead = (which: CipherSuite, key: Uint8Array) => {
    keys.push(copyBytes(key))
    return provider.aead(which, key)
  }
  const other = new End(otherRole(role), kind, suite, { provider: { ...provider, aead } })
  const packets: Uint8Array[] = []
  let [toOther, toEnd] = [end.act(0, () => {}), other.act(0, () => {})]
  while (toOther.length + toEnd.length > 0) {
    packets.push(...toEnd)
    const answers = toEnd.flatMap((bytes) => end.act(0, (connection) => connection.receive(bytes, 0)))
    toEnd = toOther.flatMap((bytes) => other.act(0, (connection) => connection.receive(bytes, 0)))
    toOther = answers
  }
  const connected = other.events.find((event) => event.kind === 'connected')
  must(connected !== undefined && end.connection.established, 'no session to begin with')
  return { packets, keys: { tx: keys[0]!, rx: keys[1]! }, sessionId: connected.sessionId }
}
