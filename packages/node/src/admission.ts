import { UsmpError } from '@usmp/core'
import type { Arrival, IncomingConnection } from './incoming-connection.js'
import { Lockout } from './lockout.js'

/** Handshakes at once of one device id from one source; an honest device has one or two. */
const MAX_HANDSHAKES_OF_ONE = 5
/** Connections of one device that may be leaving at once, besides the one of its session. */
const MAX_LEAVING = 2

/** What {@link Admission} keeps to; see the options of `listen`. */
export interface AdmissionLimits {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly maxHandshakes: number
}

/**
 * Decides who may connect: counts connections (in all and by source), handshakes and wrong proofs, and chooses who gives way.
 * It knows no socket and reads no clock but the function that it is given.
 *
 * The server calls, for each connection in this order: `add` when it comes, `claim` for each HELLO, then `succeed` or `fail`
 * when the handshake is over, `leave` when its session ends, and `remove` when the connection is gone. `remove` may come at
 * any time, and more than once.
 *
 * Every connection is in one of three states: in its handshake, in a session, or leaving. At a limit of connections one that
 * leaves gives way, then a handshake, and a session never. What must not happen: that a flood from one source ends the
 * handshake of another one, or that idle connections keep a newcomer out.
 */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #now: () => number
  readonly #lockout = new Lockout()
  readonly #connections = new Set<IncomingConnection>()
  readonly #connectionsBySource = new Map<string, number>()
  /** In order of arrival. */
  readonly #handshakes = new Set<IncomingConnection>()
  /** Connections about to end, with the device that has proven itself on each; who left first comes first. */
  readonly #leaving = new Map<IncomingConnection, string | undefined>()

  /** @param now ms of a clock that does not jump */
  constructor(limits: AdmissionLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /** Connections that count, in whatever state. */
  get size(): number {
    return this.#connections.size
  }

  /** Counts a connection as a handshake, and makes room for it; or says why it may not stay: LOCKED_OUT, TOO_MANY_CONNECTIONS. */
  add({ address, source, deviceId, exempt = false, handle }: Arrival): IncomingConnection | UsmpError {
    // First: a device that is locked out must not end the handshake of another one.
    const lockedOut = deviceId === undefined ? undefined : this.#lockedOut(source, deviceId)
    const refusal = lockedOut ?? (exempt ? undefined : this.#makeRoom(source))
    if (refusal) return refusal
    const handshake = new AbortController()
    const connection: IncomingConnection = { address, source, exempt, handle, deviceId: undefined, handshake }
    this.#handshakes.add(connection)
    if (exempt) return connection
    this.#connections.add(connection)
    this.#count(source, 1)
    return connection
  }

  /**
   * A HELLO names the device.
   * @returns LOCKED_OUT if it may not try; the handshake is aborted then
   */
  claim(connection: IncomingConnection, deviceId: string): UsmpError | undefined {
    connection.deviceId = deviceId
    const lockedOut = this.#lockedOut(connection.source, deviceId)
    if (lockedOut) connection.handshake?.abort(lockedOut)
    else this.#boundHandshakesOf(connection.source, deviceId)
    return lockedOut
  }

  /** The device has proven itself, and the handshake is over. */
  succeed(connection: IncomingConnection, deviceId: string): void {
    this.#endHandshake(connection)
    this.#lockout.succeeded(connection.source, deviceId)
  }

  /** The handshake became no session, and the connection only ends. A wrong proof counts for the lockout. Does nothing after `succeed`. */
  fail(connection: IncomingConnection, error: UsmpError): void {
    if (!connection.handshake) return
    this.#endHandshake(connection, error)
    this.leave(connection)
    const { source, deviceId } = connection
    // Only for who claimed the id from this source.
    if (deviceId === undefined || !isWrongProof(error)) return
    this.#lockout.failed(source, deviceId, this.#now())
    const lockedOut = this.#lockedOut(source, deviceId)
    // Handshakes that began before the lockout are no way around it.
    if (lockedOut) this.abortHandshakes(lockedOut, (other) => other.source === source && other.deviceId === deviceId)
  }

  /** Wrong proofs of a device so far count no longer: its key has become known. */
  unlock(deviceId: string): void {
    this.#lockout.forget(deviceId)
  }

  /**
   * From here on the connection only ends, and is the first to give way. A device has no more than two such connections.
   * @param deviceId who has proven itself on it
   */
  leave(connection: IncomingConnection, deviceId?: string): void {
    if (!this.#connections.has(connection)) return
    this.#leaving.set(connection, deviceId)
    if (deviceId === undefined) return
    const [oldest, ...others] = [...this.#leaving].filter(([, id]) => id === deviceId)
    if (oldest && others.length >= MAX_LEAVING) this.#cutOff(oldest[0])
  }

  /** The connection is gone. */
  remove(connection: IncomingConnection): void {
    if (!this.#connections.delete(connection)) return
    this.#handshakes.delete(connection)
    this.#leaving.delete(connection)
    this.#count(connection.source, -1)
  }

  /** Ends handshakes, all of them or those that `matches` names; each is told to `fail` by its own end. */
  abortHandshakes(reason: UsmpError, matches: (connection: IncomingConnection) => boolean = () => true): void {
    for (const connection of [...this.#handshakes]) if (matches(connection)) connection.handshake?.abort(reason)
  }

  /** Cuts off every connection that is left. */
  destroyAll(): void {
    for (const connection of [...this.#connections]) connection.handle.destroy()
  }

  /** @returns the limit for which there is no room */
  #makeRoom(source: string): UsmpError | undefined {
    const { maxConnections, maxConnectionsPerAddress, maxHandshakes } = this.#limits
    if ((this.#connectionsBySource.get(source) ?? 0) >= maxConnectionsPerAddress) {
      return this.#endOne(`${maxConnectionsPerAddress} connections from ${source}`, source, source)
    }
    if (this.#connections.size >= maxConnections) return this.#endOne(`${maxConnections} connections`, source)
    if (this.#handshakes.size >= maxHandshakes) {
      this.#endOldestHandshake(`${maxHandshakes} handshakes at once`, this.#busiestSource(source))
    }
    return undefined
  }

  /** @returns the limit, if no connection (from `only`) gives way */
  #endOne(limit: string, newcomer: string, only?: string): UsmpError | undefined {
    for (const connection of this.#leaving.keys()) {
      if (only !== undefined && connection.source !== only) continue
      this.#cutOff(connection)
      return undefined
    }
    return this.#endOldestHandshake(limit, only ?? this.#busiestSource(newcomer))
  }

  #cutOff(connection: IncomingConnection): void {
    // It counts no longer, though its transport may take a moment to be gone.
    this.remove(connection)
    connection.handle.destroy()
  }

  /** @returns the limit, if no handshake from `source` holds a connection */
  #endOldestHandshake(limit: string, source: string | undefined): UsmpError | undefined {
    for (const connection of this.#handshakes) {
      if (connection.source !== source || connection.exempt) continue
      this.#handshakes.delete(connection)
      // Now, and not when it fails: until then it would count as a session, which makes up for a handshake.
      this.leave(connection)
      connection.handshake?.abort(new UsmpError('TOO_MANY_CONNECTIONS', `${limit}, and this handshake was the oldest`))
      return undefined
    }
    return new UsmpError('TOO_MANY_CONNECTIONS', limit)
  }

  /**
   * The source with the most handshakes, the newcomer counted, less one for each session that it has: a site whose devices
   * are known may bring more at once than a stranger. Of equals it is that of the newcomer, or the one with the oldest handshake.
   */
  #busiestSource(newcomer: string): string | undefined {
    const load = new Map<string, number>()
    for (const { source, exempt } of this.#handshakes) if (!exempt) load.set(source, (load.get(source) ?? 0) + 1)
    const leaving = new Map<string, number>()
    for (const { source } of this.#leaving.keys()) leaving.set(source, (leaving.get(source) ?? 0) + 1)
    let busiest: string | undefined
    let most = Number.NEGATIVE_INFINITY
    for (const [source, handshakes] of load) {
      const sessions = this.#connectionsBySource.get(source)! - handshakes - (leaving.get(source) ?? 0)
      const excess = handshakes - sessions + (source === newcomer ? 1 : 0)
      if (excess > most || (excess === most && source === newcomer)) [busiest, most] = [source, excess]
    }
    return busiest
  }

  /** The wrong proofs of a handshake count when it ends, so few may be open at once: the oldest gives way, and counts now. */
  #boundHandshakesOf(source: string, deviceId: string): void {
    const open = [...this.#handshakes].filter((one) => one.source === source && one.deviceId === deviceId)
    if (open.length <= MAX_HANDSHAKES_OF_ONE) return
    this.#handshakes.delete(open[0]!)
    open[0]!.handshake?.abort(
      new UsmpError('TOO_MANY_CONNECTIONS', `more than ${MAX_HANDSHAKES_OF_ONE} handshakes of one device`),
    )
  }

  /** @param reason why it became no session; a key that is still looked up is not needed then */
  #endHandshake(connection: IncomingConnection, reason?: UsmpError): void {
    const { handshake } = connection
    this.#handshakes.delete(connection)
    // The connection stays to its end, but what belongs to a handshake need not stay as long.
    connection.handshake = undefined
    if (reason) handshake?.abort(reason)
  }

  #lockedOut(source: string, deviceId: string): UsmpError | undefined {
    const wait = this.#lockout.remaining(source, deviceId, this.#now())
    return wait > 0 ? new UsmpError('LOCKED_OUT', `another ${Math.ceil(wait / 1000)} s`) : undefined
  }

  #count(source: string, change: number): void {
    const count = (this.#connectionsBySource.get(source) ?? 0) + change
    if (count > 0) this.#connectionsBySource.set(source, count)
    else this.#connectionsBySource.delete(source)
  }
}

function isWrongProof({ code }: UsmpError): boolean {
  return code === 'AUTH_FAILED' || code === 'UNKNOWN_DEVICE' || code === 'LOW_ORDER_POINT'
}
