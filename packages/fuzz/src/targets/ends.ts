import type { CipherSuite, CookieGuard, CryptoProvider, KeyPair } from '@usmp/core'
import {
  Connection,
  type ConnectionEvent,
  equalBytes,
  type ServerOptions,
  type TransportKind,
  UsmpError,
  wipe,
} from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { copyBytes } from '@usmp/core/internal'
import { nodeProvider } from '@usmp/node/crypto'
import { must } from '../target.js'

export const KINDS: readonly TransportKind[] = ['stream', 'message', 'serial', 'datagram']
export type Role = 'client' | 'server'
export const otherRole = (role: Role): Role => (role === 'client' ? 'server' : 'client')

export const PSK = Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + 11) & 0xff)
export const DEVICE_ID = Uint8Array.of(2, 0xc0, 0xff, 0xee, 0, 1)
/** A device that the server does not know. */
const UNKNOWN = 0xff
/** Frames and acknowledgements that one call may send at most: all that may be under way or wait, and more. */
const MAX_OUTPUT = 200

/** The same bytes at every call, as an input must mean the same whenever it is run. A single byte is the jitter of repeats: none. */
export const sameRandom = (role: Role) => (length: number) =>
  new Uint8Array(length).fill(length === 1 ? 0 : role === 'client' ? 0x5a : 0x33)

/** By their private keys; there are only a few. */
const pairs = new Map<string, KeyPair>()
const agreed = new Map<string, Uint8Array>()
const MAX_AGREED = 10_000

/** node:crypto with the private keys that `random` gives. Key pairs and Diffie-Hellman are remembered: nothing else takes as long. */
export const provider: CryptoProvider = {
  ...nodeProvider,
  name: 'fuzz',
  generateKeyPair(random) {
    const secret = random(32)
    const own = hex(secret)
    const pair = pairs.get(own) ?? nodeProvider.keyPairFromPrivate(secret)
    pairs.set(own, pair)
    return {
      publicKey: copyBytes(pair.publicKey),
      agree(peerPublic) {
        const name = own + hex(peerPublic)
        const shared = agreed.get(name) ?? pair.agree(peerPublic)
        if (agreed.size < MAX_AGREED) agreed.set(name, shared)
        return copyBytes(shared)
      },
      wipe: () => wipe(secret),
    }
  },
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** A connection that is watched: what every one promises, whatever is done to it. */
export class End {
  readonly connection: Connection
  readonly role: Role
  readonly events: ConnectionEvent[] = []
  readonly #suite: CipherSuite
  #now = 0

  constructor(role: Role, kind: TransportKind, suite: CipherSuite, options: Partial<ServerOptions> = {}) {
    this.role = role
    this.#suite = suite
    const common = { kind, reliableDatagram: ReliableDatagram, provider, random: sameRandom(role), ...options }
    this.connection =
      role === 'client'
        ? Connection.client({ ...common, psk: PSK, deviceId: DEVICE_ID, suite, allowWeakPsk: true }, 0)
        : Connection.server(common, 0)
  }

  /**
   * Does something, and takes all that must leave.
   * @throws Error where the connection breaks a promise
   */
  act(now: number, action: (connection: Connection) => void): Uint8Array[] {
    this.#now = now
    const closedBefore = this.connection.closedReason
    try {
      action(this.connection)
    } catch (error) {
      must(error instanceof UsmpError, `not a UsmpError: ${(error as Error).stack}`)
    }
    const out = this.#drain()
    must(out.length <= MAX_OUTPUT, `${out.length} packets at once`)
    if (closedBefore) must(out.length === 0, 'it sends after its end')
    if (this.connection.closedReason) this.#checkEnd()
    return out
  }

  #drain(): Uint8Array[] {
    const out: Uint8Array[] = []
    for (let again = true; again; ) {
      again = false
      for (let bytes = this.connection.pollTransmit(); bytes; bytes = this.connection.pollTransmit()) out.push(bytes)
      const timeout = this.connection.pollTimeout()
      must(timeout === undefined || !Number.isNaN(timeout), 'a deadline that is no number')
      for (let event = this.connection.pollEvent(); event; event = this.connection.pollEvent()) {
        again = true
        this.#note(event)
      }
    }
    return out
  }

  #note(event: ConnectionEvent): void {
    must(this.events.at(-1)?.kind !== 'closed', `${event.kind} after closed`)
    if (event.kind === 'message') must(event.data.length <= 1808, `a message of ${event.data.length} bytes`)
    if (event.kind === 'connected') must(!this.#has('connected'), 'connected twice')
    if (event.kind === 'message' || event.kind === 'pong')
      must(this.#has('connected'), `${event.kind} before connected`)
    this.events.push(event)
    if (event.kind !== 'hello') return
    const known = event.deviceId[0] !== UNKNOWN
    this.connection.authorize(known ? { psk: PSK, suite: this.#suite, allowWeakPsk: true } : null, this.#now)
  }

  #has(kind: ConnectionEvent['kind']): boolean {
    return this.events.some((event) => event.kind === kind)
  }

  #checkEnd(): void {
    must(this.events.at(-1)?.kind === 'closed', 'an end without an event')
    must(!this.connection.established, 'established after its end')
    must(this.connection.pollTimeout() === undefined, 'a timer after its end')
  }
}

const COOKIE = new Uint8Array(16).fill(0xc0)
export const cookies: CookieGuard = {
  issue: () => COOKIE.slice(),
  verify: (given: Uint8Array) => equalBytes(given, COOKIE),
}
