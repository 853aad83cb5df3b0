/** The codes of a {@link RelayError}: the caller's fault, or that of the system. */
export type RelayErrorCode = 'INVALID_ARGUMENT' | 'TRANSPORT_FAILED'

/** Why a relay cannot be started, or a token not be used. Its fields are those of `UsmpError`; the relay imports nothing of the core. */
export class RelayError extends Error {
  override readonly name = 'RelayError'
  readonly code: RelayErrorCode
  /** What to do. */
  readonly hint: string

  constructor(code: RelayErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.hint = hint
  }
}
