import { wipe } from '@usmp/core'
import type { RefusedEvent, UnprovenDevice } from '@usmp/node'
import type { Counters, Limit } from '../counters.js'
import type { DeviceDirectory } from './directory.js'
import type { JoinWindow } from './join-window.js'
import type { DeviceKeys } from './keys.js'
import { isBrokerAddress } from './sessions.js'
import type { WaitingList } from './waiting-list.js'

interface KnocksOptions {
  readonly directory: DeviceDirectory
  readonly waiting: WaitingList
  readonly join: JoinWindow
  readonly keys: DeviceKeys
  readonly limits: Counters<Limit>
  /** The count of knocks while the window was closed has grown. */
  readonly onKnockWhileClosed: () => void
  readonly onChange: (deviceId: string) => void
}

/** What becomes of devices that do not get in: a row that waits, a count, or an attempt noted at the device whose id they claim. */
export class Knocks {
  readonly #options: KnocksOptions
  #whileClosed = 0

  constructor(options: KnocksOptions) {
    this.#options = options
  }

  /** Knocks of unknown devices while the join window was closed, since the start. */
  get whileClosed(): number {
    return this.#whileClosed
  }

  /** A device without a usable key here has sent its proof. */
  onUnproven(attempt: UnprovenDevice): void {
    const { directory, waiting, join, limits, onKnockWhileClosed } = this.#options
    const { deviceId, address } = attempt
    const record = directory.find(deviceId)?.record
    if (record) {
      attempt.forget()
      // One that was approved a moment ago comes again by itself.
      if (record.state !== 'approved') this.#noteAttempt(deviceId, address)
      return
    }
    if (!join.admits(deviceId)) {
      attempt.forget()
      this.#whileClosed++
      onKnockWhileClosed()
      return
    }
    const carrier = isBrokerAddress(address) ? 'mqtt' : null
    if (waiting.add({ attempt, carrier, proven: this.#isProven(attempt), window: join.remaining })) return
    join.onOverflow()
    limits.add('waiting-list')
  }

  /** A peer was turned away. */
  onRefused({ address, deviceId, error }: RefusedEvent): void {
    const { limits } = this.#options
    if (error.code === 'TOO_MANY_CONNECTIONS') limits.add('connections')
    if (error.code === 'LOCKED_OUT') limits.add('lockout')
    if (error.code === 'AUTH_FAILED' && deviceId) this.#noteAttempt(deviceId, address)
  }

  #noteAttempt(deviceId: string, address: string): void {
    const device = this.#options.directory.find(deviceId)
    if (!device?.record) return
    device.onAttempt(address)
    this.#options.onChange(deviceId)
  }

  #isProven(attempt: UnprovenDevice): boolean {
    const key = this.#options.keys.derive(attempt.deviceId)
    if (!key) return false
    const isProven = attempt.matches(key)
    wipe(key)
    return isProven
  }
}
