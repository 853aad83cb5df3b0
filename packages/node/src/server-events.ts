import type { Session, UsmpError } from '@usmp/core'

/** A peer was turned away; the wire does not say why, this does. */
export class RefusedEvent extends Event {
  /** `host:port` of the peer. */
  readonly address: string
  /** What the peer called itself, if it came that far; proven for DUPLICATE_DEVICE only. */
  readonly deviceId: string | undefined
  readonly error: UsmpError

  constructor(address: string, deviceId: string | undefined, error: UsmpError) {
    super('refused')
    this.address = address
    this.deviceId = deviceId
    this.error = error
  }
}

/** A session began (`session`) or ended (`ended`, see `session.signal.reason`). */
export class SessionEvent extends Event {
  readonly session: Session
  /** Of `session` only: the older session of the same device. It ends after this event, with REPLACED; a last word still leaves. */
  readonly replaced: Session | undefined

  constructor(type: 'session' | 'ended', session: Session, replaced?: Session) {
    super(type)
    this.session = session
    this.replaced = replaced
  }
}

/** Something is insecure, or the listening socket had a fault; nothing ended because of it. */
export class WarningEvent extends Event {
  readonly message: string
  readonly cause: unknown

  constructor(message: string, cause?: unknown) {
    super('warning')
    this.message = message
    this.cause = cause
  }
}

export interface ServerEvents {
  refused: RefusedEvent
  session: SessionEvent
  ended: SessionEvent
  warning: WarningEvent
}
