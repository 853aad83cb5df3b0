import { CloseCode, type Join, RelayMessage, type Side } from '../wire.js'
import type { Admission } from './admission.js'
import { Circuit } from './circuit.js'
import type { RelayLimits } from './limits.js'
import type { Metrics } from './metrics.js'
import type { CloseReason, RelaySocket } from './relay-socket.js'

/** A socket of a route is replaced at most so often, ms. */
const REPLACE_INTERVAL = 1_000
/** The side of the guest at a pairing. */
const GUEST: Side = 1

const WAITING = Uint8Array.of(RelayMessage.WAITING)
const PEER = Uint8Array.of(RelayMessage.PEER)
const REPLACED: CloseReason = { code: CloseCode.TAKEN, text: 'a newer socket has this side of the route' }
const SECOND_GUEST: CloseReason = { code: CloseCode.TAKEN, text: 'a second guest came on the route of this pairing' }
const PARTNER_REPLACED: CloseReason = { code: CloseCode.PEER_GONE, text: 'the other peer came again' }
const TOO_EARLY: CloseReason = { code: CloseCode.NO_JOIN, text: 'a message before the other peer is here' }
const REPLACED_TOO_OFTEN: CloseReason = {
  code: CloseCode.LIMIT,
  text: 'a socket of a route may be replaced once a second',
}

/** Who waits for its peer has nothing to say. */
const refuseMessage = (_message: Buffer, socket: RelaySocket) => socket.close(TOO_EARLY)

/** What is on a route: a socket that waits, or a circuit. */
interface Occupants {
  readonly sockets: readonly [RelaySocket | undefined, RelaySocket | undefined]
  /** When a socket was last replaced here, ms. */
  readonly replacedAt: number
  /** Takes them off the route. */
  leave(): void
  /** Closes them, for a reason each side. */
  end(reasons: readonly [CloseReason, CloseReason]): void
}

/**
 * Which sockets are on which route (specification, section 12.1). An entry lives as long as a socket of it is open, so nothing of a
 * route is left after it.
 */
export class RouteTable {
  readonly #admission: Admission
  readonly #limits: RelayLimits
  readonly #metrics: Metrics
  readonly #routes = new Map<string, Occupants>()

  constructor(admission: Admission, limits: RelayLimits, metrics: Metrics) {
    this.#admission = admission
    this.#limits = limits
    this.#metrics = metrics
  }

  /** How many routes have a socket. */
  get size(): number {
    return this.#routes.size
  }

  /** Closes all sockets that are on a route. */
  end(reason: CloseReason): void {
    for (const occupants of [...this.#routes.values()]) occupants.end([reason, reason])
  }

  /** Puts a socket on its route, which has passed {@link Admission.refusalOfJoin}. */
  join(socket: RelaySocket, join: Join, now: number): void {
    const { side, pairing } = join
    const key = `${pairing ? 'p' : 's'}${Buffer.from(join.route).toString('latin1')}`
    const present = this.#routes.get(key)
    if (present?.sockets[side]) {
      const refusal = this.#displace(present, side, pairing, now)
      if (refusal) socket.close(refusal)
      else this.#wait(key, socket, join, now, now)
    } else if (present) this.#meet(key, socket, join, now, present)
    else this.#wait(key, socket, join, now, Number.NEGATIVE_INFINITY)
  }

  /** Makes room on a side that is taken; otherwise the reason why the newcomer has to go. */
  #displace(present: Occupants, side: Side, pairing: boolean, now: number): CloseReason | undefined {
    if (pairing && side === GUEST) {
      present.end([SECOND_GUEST, SECOND_GUEST])
      return SECOND_GUEST
    }
    if (now < present.replacedAt + REPLACE_INTERVAL) return REPLACED_TOO_OFTEN
    present.end(side === 0 ? [REPLACED, PARTNER_REPLACED] : [PARTNER_REPLACED, REPLACED])
    return undefined
  }

  /** Somebody waits on the other side. */
  #meet(key: string, socket: RelaySocket, join: Join, now: number, present: Occupants): void {
    const refusal = this.#admission.refusalOfCircuit(socket.address)
    if (refusal) return socket.close(refusal)
    const other = present.sockets[1 - join.side]!
    const refusalOfOther = this.#admission.refusalOfCircuit(other.address)
    if (refusalOfOther) {
      present.end([refusalOfOther, refusalOfOther])
      return this.#wait(key, socket, join, now, present.replacedAt)
    }
    present.leave()
    this.#connect(key, join.side === 0 ? [socket, other] : [other, socket], present.replacedAt)
  }

  #wait(key: string, socket: RelaySocket, { side, pairing }: Join, now: number, replacedAt: number): void {
    const refusal = this.#admission.refusalOfWaiting(socket.address)
    if (refusal) return socket.close(refusal)
    this.#metrics.waiting++
    socket.address.waiting++
    const leave = () => {
      this.#metrics.waiting--
      socket.address.waiting--
      this.#routes.delete(key)
    }
    const seconds = pairing ? this.#limits.pairingWait : this.#limits.sessionWait
    const text = `the other peer did not come within ${seconds} s`
    socket.expireAt(now + seconds * 1000, { code: CloseCode.WAITED_TOO_LONG, text })
    socket.handler = { onMessage: refuseMessage, onEnd: leave }
    this.#routes.set(key, {
      sockets: side === 0 ? [socket, undefined] : [undefined, socket],
      replacedAt,
      leave,
      end: (reasons) => socket.close(reasons[side]),
    })
    socket.send(WAITING)
  }

  #connect(key: string, sockets: readonly [RelaySocket, RelaySocket], replacedAt: number): void {
    this.#metrics.circuits++
    this.#metrics.circuitsMade++
    for (const { address } of sockets) address.inCircuits++
    const leave = () => {
      this.#metrics.circuits--
      for (const { address } of sockets) address.inCircuits--
      this.#routes.delete(key)
    }
    const circuit = new Circuit(sockets, this.#metrics, leave)
    this.#routes.set(key, { sockets, replacedAt, leave, end: (reasons) => circuit.end(reasons) })
    for (const socket of sockets) socket.send(PEER)
  }
}
