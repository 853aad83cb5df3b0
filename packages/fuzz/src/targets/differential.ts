import type { Connection, ConnectionEvent } from '@usmp/core'
import { CipherSuite, cobsDecode, concatBytes, PacketType } from '@usmp/core'
import { isUtack } from '@usmp/core/internal'
import { buildCEngine, CEngine, type CModule } from '@usmp/testing/c-programs'
import { Choices, must, type Target } from '../target.js'
import { DEVICE_ID, End, PSK, type Role, sameRandom } from './ends.js'
import { conversations, HostilePeer } from './hostile.js'
import { plainPacket } from './plain.js'
import { startOf } from './start.js'

const KINDS = ['stream', 'serial', 'datagram'] as const
type Kind = (typeof KINDS)[number]

/** What C says when its application is to try again. */
const QUEUE_FULL = -3

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

let module: CModule | undefined
/** Engines of C, and what their memory is like at the beginning and in a new session. */
const engines = new Map<string, { engine: CEngine; fresh: Uint8Array; established: Uint8Array }>()

function engineOf(role: Role, kind: Kind, suite: CipherSuite) {
  const name = `${role} ${kind} ${suite}`
  const known = engines.get(name)
  if (known) return known
  const options = { role, kind, suite, psk: PSK, deviceId: DEVICE_ID, random: sameRandom(role) }
  const engine = new CEngine(module!, options, 0)
  const fresh = engine.save()
  for (const packet of startOf(role, kind, suite).packets) engine.receive(packet, 0)
  engine.takeOutput()
  const made = { engine, fresh, established: engine.save() }
  engines.set(name, made)
  return made
}

function words(event: ConnectionEvent): string[] {
  switch (event.kind) {
    case 'message':
      return [`message ${hex(event.data)}`]
    case 'closed':
      return [`closed ${event.reason.code}`]
    case 'connected':
    case 'pong':
      return [event.kind]
    default:
      return []
  }
}

const without = (events: readonly string[], which: string) => events.filter((event) => event !== which).join()

function isPing(kind: Kind, packet: Uint8Array): boolean {
  const frame = kind === 'serial' ? cobsDecode(packet.subarray(1, -1)) : packet
  return !isUtack(frame) && frame[3] === PacketType.PING
}

/** Both cores in the same role; whatever happens to them, happens to both. */
class BothCores {
  readonly #ts: End
  readonly #c: CEngine
  readonly #kind: Kind
  #told = 0
  /** PINGs that wait for a PONG. */
  #pings = 0
  now = 0

  constructor(role: Role, kind: Kind, suite: CipherSuite, established: boolean) {
    const { engine, fresh, established: inSession } = engineOf(role, kind, suite)
    this.#c = engine
    this.#kind = kind
    this.#ts = new End(role, kind, suite, { datagram: { maxInFlight: 1, delivery: 'on-arrival' } })
    this.#ts.act(0, () => {})
    engine.restore(established ? inSession : fresh)
    if (!established) return
    for (const packet of startOf(role, kind, suite).packets) this.#ts.act(0, (ts) => ts.receive(packet, 0))
    this.#told = this.#ts.events.length
  }

  get closed(): boolean {
    return this.#ts.connection.closedReason !== undefined
  }

  /** How many frames and acknowledgements were dropped as such. */
  get forged(): number {
    return this.#ts.connection.dropped.get('DECRYPT_FAILED') ?? 0
  }

  /** @throws Error where they differ */
  act(what: string, ts: (ts: Connection) => void, c: (c: CEngine) => unknown): Uint8Array[] {
    this.#c.events.length = 0
    // On datagrams TypeScript lets it wait, and C lets its application wait.
    if (c(this.#c) === QUEUE_FULL) return []
    const sent = this.#ts.act(this.now, ts)
    this.#same(what, 'sends', hex(concatBytes(...sent)), hex(this.#c.takeOutput()))
    const events = this.#ts.events.slice(this.#told).flatMap(words)
    this.#told = this.#ts.events.length
    this.#pings +=
      sent.filter((packet) => isPing(this.#kind, packet)).length - events.filter((event) => event === 'pong').length
    this.#same(what, 'reports', without(events, 'pong'), without(this.#c.events, 'pong'))
    // C reports every PONG, and several at once as one; TypeScript those that a PING of its own had asked for.
    must(!events.includes('pong') || this.#c.events.includes('pong'), `${what}: only TypeScript reports a PONG`)
    // C keeps whole ms of round trips.
    if (this.#kind === 'datagram') return sent
    this.#same(what, 'waits', this.#wait(), String(this.#c.timeout(this.now)))
    return sent
  }

  /** ms until the deadline. */
  #wait(): string {
    const deadline = this.#ts.connection.pollTimeout()
    return String(deadline === undefined ? undefined : Math.max(deadline - this.now, 0))
  }

  #same(what: string, does: string, ts: string, c: string): void {
    must(ts === c, `${what}: TypeScript ${does} ${ts}, C ${c}`)
  }

  receive(bytes: Uint8Array): Uint8Array[] {
    const { now } = this
    return this.act(
      'received',
      (ts) => ts.receive(bytes, now),
      (c) => c.receive(bytes, now),
    )
  }

  wait(ms: number): Uint8Array[] {
    const now = (this.now += ms)
    return this.act(
      'timeout',
      (ts) => ts.handleTimeout(now),
      (c) => c.handleTimeout(now),
    )
  }

  command(input: Choices): Uint8Array[] {
    const { now } = this
    const [choice, value] = [input.byte() & 7, input.number()]
    // On datagrams TypeScript waits until its BYE has arrived, and C does not (specification, section 7.10).
    switch (this.#kind === 'datagram' && choice === 4 ? 3 : choice) {
      case 0:
      case 1: {
        const message = new Uint8Array(value % 1820).fill(value)
        return this.act(
          'send',
          (ts) => ts.send(message, now),
          (c) => c.send(message, now),
        )
      }
      case 2:
        // While one waits for its PONG, TypeScript shares that, or on datagrams tries again by itself; C does what it is told.
        if (this.#pings > 0 || this.#kind === 'datagram') return []
        return this.act(
          'ping',
          (ts) => ts.ping(now),
          (c) => c.ping(now),
        )
      case 3:
        return this.act(
          'rekey',
          (ts) => ts.rekey(now),
          (c) => c.rekey(now),
        )
      case 4:
        return this.act(
          'close',
          (ts) => ts.close(),
          (c) => c.close(now),
        )
      default:
        return this.act(
          'end of the transport',
          (ts) => ts.receiveEnd(value & 1 ? new Error('cut') : undefined),
          (c) => c.transportEnded((value & 1) === 1, now),
        )
    }
  }
}

/**
 * Acknowledges all that was sent, so that nothing waits: which of several waiting datagrams goes first, and when it is
 * sealed, either core decides for itself.
 * @returns false if the peer has lost the keys, so that something waits without end
 */
function settle(pair: BothCores, peer: HostilePeer): boolean {
  const before = pair.forged
  for (let utacks = peer.settle(); utacks.length > 0; utacks = peer.settle()) {
    for (const utack of utacks) peer.hear(pair.receive(utack))
    if (pair.forged > before) return false
  }
  return true
}

export const differential: Target = {
  prepare: () => {
    module = buildCEngine()
  },
  seeds: conversations,
  run(bytes) {
    const input = new Choices(bytes)
    const flags = input.byte()
    const role: Role = flags & 1 ? 'client' : 'server'
    const suite = flags & 2 ? CipherSuite.CHACHA20_POLY1305 : CipherSuite.AES_256_GCM
    const kind = KINDS[(flags >> 3) % KINDS.length]!
    // A datagram server of C comes into being with a HELLO whose cookie is good; in TypeScript it waits for that itself.
    const established = (flags & 4) === 0 || (kind === 'datagram' && role === 'server')
    const pair = new BothCores(role, kind, suite, established)
    const peer = new HostilePeer(role, kind, suite)
    while (input.left > 0 && !pair.closed) {
      const what = input.byte()
      switch (what & 3) {
        case 0:
        case 1: {
          const packet = established ? peer.speak(input) : plainPacket(kind, input)
          const at = what & 4 && kind !== 'datagram' ? input.byte() % (packet.length + 1) : packet.length
          peer.hear(pair.receive(packet.subarray(0, at)))
          if (at < packet.length) peer.hear(pair.receive(packet.subarray(at)))
          break
        }
        case 2:
          peer.hear(pair.wait(input.number()))
          break
        default:
          peer.hear(pair.command(input))
      }
      if (!settle(pair, peer)) return
    }
  },
}
