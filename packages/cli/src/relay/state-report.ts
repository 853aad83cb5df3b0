import { UsmpError } from '@usmp/core'
import type { RelayStatus } from '@usmp/relay'
import { errorFields } from '../describe.js'
import type { Output } from '../output.js'
import { reasonOf, relayHint } from './relay-reason.js'

/** Somebody on the route does not hold the key of the pair. */
const WRONG_PROOF: readonly UsmpError['code'][] = ['AUTH_FAILED', 'UNKNOWN_DEVICE']

/** The relay is the wrong one, or we are: another attempt with the same options ends in the same way. */
const REFUSALS: readonly UsmpError['code'][] = ['RELAY_REFUSED', 'UNTRUSTED_CERTIFICATE', 'INVALID_RESPONSE']
const REACHED: readonly RelayStatus['state'][] = ['waiting', 'handshaking', 'online']

/** Tells on stderr where a peer is. */
export class StateReport {
  readonly #peer: string
  readonly #relay: string
  readonly #output: Output
  #hasBeenOnline = false
  #hasReachedRelay = false
  #state: RelayStatus['state'] = 'connecting'
  /** Why the relay was not reached at the last attempt, as it was told. */
  #toldReason: string | undefined

  constructor(peer: string, relay: URL, output: Output) {
    this.#peer = peer
    this.#relay = relay.host
    this.#output = output
  }

  get state(): RelayStatus['state'] {
    return this.#state
  }

  get hasBeenOnline(): boolean {
    return this.#hasBeenOnline
  }

  /**
   * Returns the reason to give up, if there is one: the relay does not let us in, or the first who answers in the name of the peer is
   * somebody else. Once there was a session, a stranger on the route is told, and nothing more: it must not be able to end a conversation.
   */
  tell(status: RelayStatus): UsmpError | undefined {
    this.#state = status.state
    if (status.state === 'online') this.#hasBeenOnline = true
    if (REACHED.includes(status.state)) this.#hasReachedRelay = true
    const { error } = status
    if (error && !this.#hasBeenOnline && WRONG_PROOF.includes(error.code)) return this.#impostor(error)
    if (error && !this.#hasReachedRelay && REFUSALS.includes(error.code)) return error
    if (status.state !== 'ended') this.#show(status)
    return undefined
  }

  #impostor(cause: UsmpError): UsmpError {
    const message = `somebody who is not ${this.#peer} answers in its place: nothing was shown and nothing was sent`
    return new UsmpError('AUTH_FAILED', message, {
      cause,
      hint: `Only the relay itself, or who reads along there, can do that: take another relay. If ${this.#peer} has got a new key, ask its owner by another way; then \`usmp relay forget ${this.#peer}\`, and pair anew.`,
    })
  }

  /** An attempt that failed as the one before is one short line, so that a conversation is not drowned. */
  #show({ state, error, pause }: RelayStatus): void {
    const reason = error && this.#reasonOf(error)
    const isRepeated = state === 'away' && reason !== undefined && reason === this.#toldReason
    this.#toldReason = state === 'away' ? reason : undefined
    const what = isRepeated ? [`still not connected to ${this.#relay}`] : [this.#textOf(state, error)]
    this.#output.status(
      [...what, ...(reason === undefined || isRepeated ? [] : [reason]), ...pauseText(pause)].join('; '),
      {
        event: 'state',
        state,
        peer: this.#peer,
        ...(error ? errorFields(error) : {}),
        ...(pause === undefined ? {} : { pause_ms: pause }),
      },
      error && !isRepeated ? relayHint(error) : '',
    )
  }

  #textOf(state: RelayStatus['state'], error: UsmpError | undefined): string {
    switch (state) {
      case 'connecting':
        return error ? 'the connection ended' : `connecting to ${this.#relay}`
      case 'waiting':
        return `waiting for ${this.#peer}`
      case 'handshaking':
        return 'somebody is here: checking who'
      case 'online':
        return `online with ${this.#peer}`
      case 'away':
        return `not connected to ${this.#relay}`
      case 'ended':
        return 'ended'
      default:
        return state satisfies never
    }
  }

  #reasonOf(error: UsmpError): string {
    if (!WRONG_PROOF.includes(error.code)) return reasonOf(error)
    return `somebody who is not ${this.#peer} was there [${error.code}]`
  }
}

function pauseText(pause: number | undefined): string[] {
  return pause === undefined ? [] : [`next attempt in ${(pause / 1000).toFixed(1)} s`]
}
