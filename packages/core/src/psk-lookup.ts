import { type Authorization, checkAuthorization } from './connection-options.js'
import type { WireVersion } from './constants.js'
import { asUsmpError, UsmpError } from './errors.js'
import { PSK_STAND_IN } from './psk.js'

type MaybePromise<T> = T | Promise<T>

/** The key and suite of a device, or null if it is unknown. Called for each HELLO, before anything is proven. */
export type Authorize = (deviceId: string, wireVersion: WireVersion) => MaybePromise<Authorization | null>

/** A device without a key here that has sent its proof. */
export interface UnprovenAttempt {
  /** As `aa:bb:cc:dd:ee:ff`; what the device calls itself. */
  readonly deviceId: string
  /**
   * Whether the device has this key; works as long as the attempt is kept, also after its connection has ended. Its
   * holder can test guesses of the key without the device: keep it in the process of the server.
   * @throws UsmpError INVALID_ARGUMENT if it is no Uint8Array
   */
  matches(psk: Uint8Array): boolean
}

/** What became of a look-up. */
export interface PskAnswer {
  /** Null if the device is unknown, or there is a `fault`. */
  readonly authorization: Authorization | null
  /** PSK_LOOKUP_FAILED, or what is wrong with the answer of the application. */
  readonly fault?: UsmpError
}

/**
 * Asks the application for the key of a device. An answer that is unusable counts as an unknown device on the wire; `fault`
 * is what the application hears. Never rejects.
 */
export async function lookUpPsk(authorize: Authorize, deviceId: string, wireVersion: WireVersion): Promise<PskAnswer> {
  try {
    const authorization = await ask(authorize, deviceId, wireVersion)
    // The same work for an unknown device.
    checkAuthorization(authorization ?? { psk: PSK_STAND_IN })
    return { authorization }
  } catch (error) {
    return { authorization: null, fault: asUsmpError(error, 'PSK_LOOKUP_FAILED') }
  }
}

/** What the application throws is its own fault and not that of the device, also if it is one of our errors. */
async function ask(authorize: Authorize, deviceId: string, wireVersion: WireVersion): Promise<Authorization | null> {
  try {
    return (await authorize(deviceId, wireVersion)) ?? null
  } catch (error) {
    if (error instanceof UsmpError && error.code === 'PSK_LOOKUP_FAILED') throw error
    const detail = error instanceof Error ? error.message : undefined
    throw new UsmpError('PSK_LOOKUP_FAILED', detail, { cause: error })
  }
}
