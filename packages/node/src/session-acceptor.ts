import { createHash } from 'node:crypto'
import {
  type Authorization,
  asUsmpError,
  type Clock,
  Session,
  type AcceptOptions as SessionOptions,
  type Transport,
  UsmpError,
} from '@usmp/core'
import { wireVersion1 } from '@usmp/core/wire-version-1'
import type { Admission } from './admission.js'
import { nodeProvider } from './crypto-node.js'
import { prepareSuite } from './crypto-sodium.js'
import type { Arrival, IncomingConnection } from './incoming-connection.js'
import { addressBlock } from './ip-address.js'
import type { ListenOptions } from './listen-options.js'
import type { AcceptOptions, ConnectionHandler } from './listener.js'
import type { Authorizer } from './psk-source.js'
import { RefusedEvent, SessionEvent, WarningEvent } from './server-events.js'
import type { SessionRegistry } from './session-registry.js'
import { TrackedTransport } from './tracked-transport.js'
import { UnprovenDevices, type UnprovenProof } from './unproven-devices.js'

/** Longest text that is kept as it is where it counts as one address, characters. */
const MAX_SOURCE = 256

/** What a {@link SessionAcceptor} works with. */
export interface AcceptorParts {
  readonly admission: Admission
  readonly registry: SessionRegistry
  readonly authorize: Authorizer
  /** What all sessions have in common. */
  readonly session: Omit<SessionOptions, 'authorize' | 'clock' | 'signal' | 'unsafeWireVersion1'> & {
    readonly clock: Clock
  }
  readonly unsafeWireVersion1: boolean
  /** The application's; see the options of `listen`. */
  readonly onUnproven: ListenOptions['onUnproven']
  /** Takes every event of the server. */
  readonly dispatch: (event: RefusedEvent | SessionEvent | WarningEvent) => void
}

/**
 * Leads every connection of a server through its life: admission, handshake, session, end; and tells by an event what became
 * of it. It owns the unproven attempts, and whether the server closes: who may stay is decided by {@link Admission}, which session of
 * a device counts by {@link SessionRegistry}.
 *
 * Listeners and the application call it as their {@link ConnectionHandler}; the server calls `close`, then `destroyAll`. What must
 * not happen: that the wire tells a peer why it was refused, or that a session ends for a peer that has not proven its key.
 */
export class SessionAcceptor implements ConnectionHandler {
  readonly #parts: AcceptorParts
  readonly #unproven: UnprovenDevices
  #closed = false
  /** One for all transports. */
  readonly #release = (connection: IncomingConnection) => this.release(connection)

  constructor(parts: AcceptorParts) {
    this.#parts = parts
    this.#unproven = new UnprovenDevices(parts.session.clock)
  }

  async accept(
    transport: Transport,
    { address, deviceId, onSession, exempt = false }: AcceptOptions & Pick<Arrival, 'exempt'> = {},
  ): Promise<Session | undefined> {
    const tracked = new TrackedTransport(transport, this.#release)
    const name = addressOf(transport)
    const connection = this.reserve({
      address: name,
      source: sourceOf(address ?? name),
      deviceId,
      exempt,
      handle: tracked,
    })
    tracked.connection = connection
    return connection && this.#establish(tracked, connection, onSession)
  }

  reserve(arrival: Arrival): IncomingConnection | undefined {
    const connection = this.#closed ? new UsmpError('SHUTDOWN') : this.#parts.admission.add(arrival)
    if (!(connection instanceof UsmpError)) return connection
    arrival.handle.destroy(connection)
    this.#refuse(arrival.address, arrival.deviceId, connection)
    return undefined
  }

  acceptReserved(transport: Transport, connection: IncomingConnection): void {
    void this.#establish(transport, connection)
  }

  release(connection: IncomingConnection): void {
    this.#parts.admission.remove(connection)
  }

  onRefused(address: string, error: UsmpError): void {
    this.#refuse(address, undefined, error)
  }

  onFault(message: string, cause: unknown): void {
    this.#warn(message, cause)
  }

  /** Ends the session of a device, and every handshake that claims its id. */
  async disconnect(deviceId: string): Promise<void> {
    const reason = new UsmpError('CLOSED', 'the server disconnected the device')
    this.#parts.admission.abortHandshakes(reason, (connection) => connection.deviceId === deviceId)
    const session = this.#parts.registry.get(deviceId)
    if (session) await this.#endSession(session, reason)
  }

  /** Lets a device try at once that was locked out. */
  unlock(deviceId: string): void {
    this.#parts.admission.unlock(deviceId)
  }

  /** Refuses newcomers and ends all handshakes and sessions; resolves when the sessions have ended. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unproven.clear()
    const reason = new UsmpError('SHUTDOWN')
    this.#parts.admission.abortHandshakes(reason)
    await Promise.all(this.#parts.registry.sessions.map((session) => this.#endSession(session, reason)))
  }

  /** Cuts off every connection that is still there. */
  destroyAll(): void {
    this.#parts.admission.destroyAll()
  }

  async #establish(
    transport: Transport,
    connection: IncomingConnection,
    onSession?: AcceptOptions['onSession'],
  ): Promise<Session | undefined> {
    try {
      const session = await this.#handshake(transport, connection)
      await this.#acceptSession(session, connection, onSession)
      return session
    } catch (failure) {
      this.#onHandshakeFailed(connection, failure)
      return undefined
    }
  }

  #handshake(transport: Transport, connection: IncomingConnection): Promise<Session> {
    // Wire version 1 knows no cookies.
    const takesVersion1 = this.#parts.unsafeWireVersion1 && transport.kind !== 'datagram'
    return Session.accept(transport, {
      ...this.#parts.session,
      ...(takesVersion1 ? { unsafeWireVersion1: wireVersion1 } : {}),
      signal: connection.handshake!.signal,
      authorize: (deviceId) => this.#authorize(connection, deviceId),
      ...(this.#parts.onUnproven && { onUnproven: (proof: UnprovenProof) => void this.#onUnproven(proof, connection) }),
    })
  }

  async #authorize(connection: IncomingConnection, deviceId: string): Promise<Authorization | null> {
    const { source, handshake } = connection
    if (!handshake || this.#parts.admission.claim(connection, deviceId)) return null
    const answer = await this.#parts.authorize(deviceId, { source: source, signal: handshake.signal })
    if (this.#parts.session.provider === nodeProvider) await prepareSuite(answer?.suite)
    return answer
  }

  /** Tells the application of a proof for which it has no key. What its function throws ends nothing. */
  async #onUnproven(proof: UnprovenProof, connection: IncomingConnection): Promise<void> {
    // A proof is told a tick after it came. Nothing is kept for a server that has begun to close.
    if (this.#closed) return
    const attempt = this.#unproven.add(proof, connection)
    try {
      await this.#parts.onUnproven?.(attempt)
    } catch (error) {
      this.#warn('onUnproven threw', error)
    }
  }

  /**
   * Takes in a session that is proven, as the policy for duplicates says.
   * @throws UsmpError why it was refused
   */
  async #acceptSession(
    session: Session,
    connection: IncomingConnection,
    onSession: AcceptOptions['onSession'],
  ): Promise<void> {
    const { admission, registry, dispatch } = this.#parts
    const refusal = this.#refusalFor(session, connection)
    admission.succeed(connection, session.deviceId)
    if (refusal) {
      admission.leave(connection, session.deviceId)
      await session.close(refusal)
      throw refusal
    }
    const older = registry.add(session, connection)
    void session.closed.then(() => this.#onSessionEnded(session, connection))
    if (session.wireVersion === 1) {
      this.#warn(`${session.deviceId} speaks wire version 1: its encryption is broken, upgrade its firmware`)
    }
    // One that has ended by itself is not replaced, and takes no last word.
    dispatch(new SessionEvent('session', session, older?.signal.aborted ? undefined : older))
    this.#callOnSession(onSession, session)
    if (older) void this.#endSession(older, new UsmpError('REPLACED'))
  }

  /** Why a session that is proven is not taken in. Its handshake may have been called off at the last moment. */
  #refusalFor({ deviceId }: Session, { handshake }: IncomingConnection): UsmpError | undefined {
    if (handshake?.signal.aborted) return handshake.signal.reason as UsmpError
    return this.#closed ? new UsmpError('SHUTDOWN') : this.#parts.registry.refusal(deviceId)
  }

  #callOnSession(onSession: AcceptOptions['onSession'], session: Session): void {
    try {
      onSession?.(session)
    } catch (error) {
      this.#warn('the onSession of a transport threw', error)
    }
  }

  #endSession(session: Session, reason: UsmpError): Promise<void> {
    const connection = this.#parts.registry.connectionOf(session)
    if (connection) this.#parts.admission.leave(connection, session.deviceId)
    return session.close(reason)
  }

  #onSessionEnded(session: Session, connection: IncomingConnection): void {
    this.#parts.registry.remove(session)
    // Its connection may stay a while for the last bytes.
    this.#parts.admission.leave(connection, session.deviceId)
    this.#parts.dispatch(new SessionEvent('ended', session))
  }

  #onHandshakeFailed(connection: IncomingConnection, failure: unknown): void {
    const error = refusalOf(asUsmpError(failure, 'TRANSPORT_FAILED'))
    this.#parts.admission.fail(connection, error)
    // A serial port may stay silent.
    if (connection.exempt && connection.deviceId === undefined) return
    this.#refuse(connection.address, connection.deviceId, error)
  }

  #refuse(address: string, deviceId: string | undefined, error: UsmpError): void {
    this.#parts.dispatch(new RefusedEvent(address, deviceId, error))
  }

  #warn(message: string, cause?: unknown): void {
    this.#parts.dispatch(new WarningEvent(message, cause))
  }
}

/** For people. An adapter whose peer has gone may have no address any more, or throw. */
function addressOf(transport: Transport): string {
  try {
    const address: unknown = transport.address
    return typeof address === 'string' ? address : 'unknown'
  } catch {
    return 'unknown'
  }
}

/** What counts as one address. The lockout keeps it for thousands of devices, and a peer may have chosen it: a long one is hashed. */
function sourceOf(address: string): string {
  if (address.length <= MAX_SOURCE) return addressBlock(address)
  return createHash('sha256').update(address).digest('base64')
}

/** What stands behind an aborted handshake is the reason that the server gave for it. */
function refusalOf(error: UsmpError): UsmpError {
  return error.code === 'ABORTED' && error.cause instanceof UsmpError ? error.cause : error
}
