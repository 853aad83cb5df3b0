import { CloseCode, type Join } from '../wire.js'
import type { AddressEntry } from './address-table.js'
import type { RelayLimits } from './limits.js'
import type { Metrics } from './metrics.js'
import type { CloseReason } from './relay-socket.js'
import { faultOfToken } from './tokens.js'

/** Who may wait and who may be joined: the token, and the limits of an address and of all. Every refusal says its limit. */
export class Admission {
  readonly #limits: RelayLimits
  readonly #metrics: Metrics
  /** Undefined for a relay that is open to all. */
  readonly #tokenKey: Uint8Array | undefined
  readonly #date: () => Date

  constructor(limits: RelayLimits, metrics: Metrics, tokenKey: Uint8Array | undefined, date: () => Date) {
    this.#limits = limits
    this.#metrics = metrics
    this.#tokenKey = tokenKey?.slice()
    this.#date = date
  }

  wipe(): void {
    this.#tokenKey?.fill(0)
  }

  /** Why a WebSocket of this address is closed at once. */
  refusalOfSocket(address: AddressEntry, now: number): CloseReason | undefined {
    if (address.joins.take(now)) return undefined
    return limit(`an address may join ${this.#limits.joinsPerSecond} times a second`)
  }

  refusalOfJoin({ token, pairing }: Join, address: AddressEntry, now: number): CloseReason | undefined {
    const fault = this.#tokenKey && faultOfToken(this.#tokenKey, token, this.#date())
    if (fault) return { code: CloseCode.TOKEN, text: fault }
    if (!pairing || address.pairingJoins.take(now)) return undefined
    return limit(`an address may try to pair ${this.#limits.pairingJoinsPerMinute} times a minute`)
  }

  refusalOfWaiting(address: AddressEntry): CloseReason | undefined {
    const { waitingPerAddress, waiting } = this.#limits
    if (address.waiting >= waitingPerAddress) return limit(`${waitingPerAddress} sockets of this address wait already`)
    if (this.#metrics.waiting >= waiting) return limit(`${waiting} sockets wait at this relay already`)
    return undefined
  }

  /** Of one of the two; both are asked for. */
  refusalOfCircuit(address: AddressEntry): CloseReason | undefined {
    const { circuitsPerAddress, circuits } = this.#limits
    if (this.#metrics.circuits >= circuits) return limit(`this relay has ${circuits} circuits already`)
    if (address.inCircuits < circuitsPerAddress) return undefined
    return limit(`${circuitsPerAddress} sockets of this address are in a circuit already`)
  }
}

function limit(text: string): CloseReason {
  return { code: CloseCode.LIMIT, text }
}
