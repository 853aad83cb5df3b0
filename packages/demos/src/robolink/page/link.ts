import { type Session, sessions } from '@usmp/browser'
import { asUsmpError, PacketType, type UsmpError } from '@usmp/core'
import { type Credentials, pskOf } from './address.ts'

/** A hub that says nothing for so long is gone, ms; what is shown is known to be old long before. */
const IDLE_TIMEOUT = 5_000
/** A silent hub is asked for a sign of life this often, ms. */
const KEEPALIVE = 1_500

/** Where the page and the hub are with each other. */
export type LinkState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'open'; readonly session: Session }
  /** The next attempt is at `until`, ms on the clock of `performance.now()`. */
  | { readonly kind: 'waiting'; readonly reason: UsmpError; readonly until: number }
  /** Trying again is useless until a person does something about it. */
  | { readonly kind: 'refused'; readonly reason: UsmpError }
  /** The hub serves another page of this operator, or sent us away. */
  | { readonly kind: 'dismissed'; readonly code: string; readonly message: string }

/** Keeps a session with the hub, and says how that goes. */
export class Link {
  readonly #url: string
  readonly #credentials: Credentials
  readonly #onState: (state: LinkState) => void
  #attempts = new AbortController()
  #wasOpen = false

  constructor(url: string, credentials: Credentials, onState: (state: LinkState) => void) {
    this.#url = url
    this.#credentials = credentials
    this.#onState = onState
  }

  /** Connects now, also when the next attempt would be later. */
  connect(): void {
    this.end()
    this.#attempts = new AbortController()
    void this.#keep(this.#attempts.signal)
  }

  end(): void {
    this.#attempts.abort()
  }

  /** The hub said that coming back is of no use. */
  dismiss(code: string, message: string): void {
    this.end()
    this.#onState({ kind: 'dismissed', code, message })
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const tell = (state: LinkState) => void (signal.aborted || this.#onState(state))
    const psk = pskOf(this.#credentials)
    try {
      tell({ kind: 'connecting' })
      const found = sessions(this.#url, {
        deviceId: this.#credentials.operator,
        psk,
        idleTimeout: IDLE_TIMEOUT,
        keepalive: KEEPALIVE,
        signal,
        onRetry: (reason, pause) => {
          // The first answer to a key that was just given is for the person who gave it.
          if (!this.#wasOpen && refusesProof(reason)) {
            tell({ kind: 'refused', reason })
            this.end()
          } else tell({ kind: 'waiting', reason, until: performance.now() + pause })
        },
      })
      for await (const session of found) {
        this.#wasOpen = true
        tell({ kind: 'open', session })
        await session.closed
      }
    } catch (error) {
      tell({ kind: 'refused', reason: asUsmpError(error, 'TRANSPORT_FAILED') })
    } finally {
      psk.fill(0)
    }
  }
}

/** Whether the hub went on until we proved our key, and then ended it or could not prove its own. */
function refusesProof(reason: UsmpError): boolean {
  return reason.awaited === PacketType.SESSION_OK
}
