import { type Authorization, checkAuthorization } from './connection.js'
import type { WireVersion } from './constants.js'
import { asUsmpError, UsmpError } from './errors.js'
import { PSK_STAND_IN } from './psk.js'

type MaybePromise<T> = T | Promise<T>

/** The key and suite of a device, or null if it is unknown. Called for each HELLO, before anything is proven. */
export type Authorize = (deviceId: string, wireVersion: WireVersion) => MaybePromise<Authorization | null>

/**
 * Asks the application for the key of a device, for the handshake of one server connection.
 *
 * An answer that is unusable counts as an unknown device on the wire. The application hears the truth: `fault`.
 */
export class PskLookup {
  readonly #authorize: Authorize
  #fault: UsmpError | undefined

  constructor(authorize: Authorize) {
    this.#authorize = authorize
  }

  /** What was wrong with the last look-up: PSK_LOOKUP_FAILED, or the fault of the answer. */
  get fault(): UsmpError | undefined {
    return this.#fault
  }

  /** The answer of the application; null if the device is unknown or the look-up has a `fault`. Never rejects. */
  async find(deviceId: string, wireVersion: WireVersion): Promise<Authorization | null> {
    this.#fault = undefined
    try {
      const answer = await this.#ask(deviceId, wireVersion)
      // The same work for an unknown device.
      checkAuthorization(answer ?? { psk: PSK_STAND_IN })
      return answer
    } catch (error) {
      this.#fault = asUsmpError(error, 'PSK_LOOKUP_FAILED')
      return null
    }
  }

  /** What the application throws is its own fault and not that of the device, also if it is one of our errors. */
  async #ask(deviceId: string, wireVersion: WireVersion): Promise<Authorization | null> {
    try {
      return (await this.#authorize(deviceId, wireVersion)) ?? null
    } catch (error) {
      if (error instanceof UsmpError && error.code === 'PSK_LOOKUP_FAILED') throw error
      const detail = error instanceof Error ? error.message : undefined
      throw new UsmpError('PSK_LOOKUP_FAILED', detail, { cause: error })
    }
  }
}
