/** Why something that the user asked for did not happen: what the gateway said, or that it said nothing. */
export class Failure extends Error {
  override readonly name = 'Failure'
  /** A code of `contract/errors.ts`, or one of the page: `UNREACHABLE`, `CANCELLED`. */
  readonly code: string
  /** What to do about it. */
  readonly hint: string | null

  constructor(code: string, message: string, hint: string | null = null) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

export const isCode = (error: unknown, code: string): boolean => error instanceof Failure && error.code === code
