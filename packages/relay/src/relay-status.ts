import type { UsmpError } from '@usmp/core'
import { tell } from './callback.js'

/**
 * Where a peer is: `connecting` to the relay; `waiting` alone on the route; `handshaking` with somebody who is there; `online`, in a session;
 * `away`, as the relay cannot be reached or refuses; `ended`.
 */
export type RelayState = 'connecting' | 'waiting' | 'handshaking' | 'online' | 'away' | 'ended'

/** What is told to people and programs. */
export interface RelayStatus {
  readonly state: RelayState
  /**
   * Why there is no session any more, or none yet. AUTH_FAILED and UNKNOWN_DEVICE: somebody was on the route who does not hold the key of
   * the pair; as nobody but the relay can know the route, the relay is hostile or was read.
   */
  readonly error?: UsmpError
  /** ms until the next attempt. */
  readonly pause?: number
}

/** Keeps the state, and tells it when there is something new. */
export class StatusTeller {
  readonly #onState: ((status: RelayStatus) => void) | undefined
  #state: RelayState | undefined

  constructor(onState: ((status: RelayStatus) => void) | undefined) {
    this.#onState = onState
  }

  get state(): RelayState | undefined {
    return this.#state
  }

  tell(state: RelayState, more: Omit<RelayStatus, 'state'> = {}): void {
    if (state === this.#state && !more.error) return
    this.#state = state
    tell(this.#onState, { state, ...more })
  }
}
