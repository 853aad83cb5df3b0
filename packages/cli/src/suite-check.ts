import { type ErrorCode, type Session, UsmpError } from '@usmp/core'

/** How a session ends at the one who is left, when the other end cannot open the first frame (specification, section 4.14). */
const ENDS_WITHOUT_WORD: readonly ErrorCode[] = ['TRUNCATED', 'TRANSPORT_FAILED']

/**
 * Finds out whether both ends have the same cipher suite. No handshake tells; the first sealed frame does. So it sends a PING
 * at once, except as the server on datagrams, where published devices that send at the same moment would not take it.
 */
export class SuiteCheck {
  readonly #session: Session
  #good = false

  constructor(session: Session, role: 'client' | 'server') {
    this.#session = session
    if (role === 'client' || session.transportKind !== 'datagram') this.#ping()
  }

  /** A message has come, so the suites are equal. */
  passed(): void {
    this.#good = true
  }

  /** Why the session ended: the reason, or the different suites that are most likely behind it. */
  explain(reason: UsmpError): UsmpError {
    return this.#good ? reason : explainSilentEnd(this.#session, reason)
  }

  #ping(): void {
    this.#session.ping().then(
      () => this.passed(),
      () => {},
    )
  }
}

/** Why a session ended in which the other end sent nothing: the reason, or the different suites most likely behind it. */
export function explainSilentEnd(session: Session, reason: UsmpError): UsmpError {
  if (!isSuspicious(session, reason.code)) return reason
  return new UsmpError('SUITE_MISMATCH', 'the other end took no frame, and left without a word', {
    cause: reason,
    hint: 'Most likely the two ends have different cipher suites: compare --suite. If they are equal, the other end crashed, or the network failed, right after the handshake.',
  })
}

function isSuspicious(session: Session, code: ErrorCode): boolean {
  if (session.transportKind !== 'datagram') return ENDS_WITHOUT_WORD.includes(code)
  // Neither end leaves there: frames are dropped in silence until one has waited long enough.
  return code === 'TRANSPORT_FAILED' || (code === 'IDLE_TIMEOUT' && session.dropped.has('DECRYPT_FAILED'))
}
