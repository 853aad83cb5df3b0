import { errorStatus, type GatewayErrorCode } from './contract/errors.js'

/** What the gateway refuses, and why. `code` is stable; the message is for people, and says what happened. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: GatewayErrorCode
  /** What to do about it. */
  readonly hint: string | null
  /** Seconds after which trying again makes sense, for TOO_MANY. */
  readonly retryAfter: number | null

  constructor(
    code: GatewayErrorCode,
    message: string,
    options: { hint?: string; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.code = code
    this.hint = options.hint ?? null
    this.retryAfter = options.retryAfter ?? null
  }

  /** The HTTP status that goes with the code. */
  get status(): number {
    return errorStatus[this.code]
  }
}
