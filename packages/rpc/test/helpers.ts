import { type Session, UsmpError } from '@usmp/core'
import { RpcError } from '../src/index.ts'

export { collect, isSettled, pattern, SimulatedClock, turn, turns, until } from '@usmp/testing'
export { sessionPair } from './pair.ts'

/** What a promise fails with: the code of a UsmpError or RpcError. Fails if it does not fail, or otherwise. */
export async function codeOf(promise: Promise<unknown>): Promise<string | number> {
  const error = await failureOf(promise)
  if (error instanceof UsmpError || error instanceof RpcError) return error.code
  throw error
}

/** What a promise fails with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & { data?: unknown }> {
  const outcome = await promise.then(
    (value) => new Error(`it did not fail: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (outcome instanceof UsmpError || outcome instanceof RpcError) return outcome
  throw outcome
}

/** An end of a session that speaks raw JSON, to play any peer. */
export class RawPeer {
  readonly session: Session

  constructor(session: Session) {
    this.session = session
  }

  async send(message: unknown): Promise<void> {
    await this.session.send(JSON.stringify(message))
  }

  /** The next message, which must come. */
  async next(): Promise<Record<string, unknown>> {
    const bytes = await this.session.receive()
    if (!bytes) throw new Error('the session has ended')
    return JSON.parse(new TextDecoder().decode(bytes))
  }

  /** Sends a message and returns what comes back. */
  async ask(message: unknown): Promise<Record<string, unknown>> {
    await this.send(message)
    return this.next()
  }
}
