import type { UsmpError } from '@usmp/core'
import { PacketType } from '@usmp/core/constants'
import type { FleetEvent } from '@usmp/gateway/simulator'
import { endOf, errorFields } from '../describe.js'
import type { Output } from '../output.js'

/** Up to so many sensors are told of one by one; of more, how many are online. */
const FEW = 8
/** Between two such counts, ms. */
const PAUSE = 2000

/** A gateway says nothing to a device that it does not let in, so all reasons look the same. */
const NOT_LET_IN =
  'Likely, in this order: it waits for its approval (press Join on the page, then Approve), its key is wrong, or it was revoked.'

/** What a person at the terminal is told about simulated sensors; with `--json` everything is told. */
export class SensorReport {
  readonly #output: Output
  readonly #total: number
  readonly #online: () => number
  /** Why a sensor has no session, so that it is told once and not at each attempt. */
  readonly #reasons = new Map<string, string>()
  #told = 0
  #timer: NodeJS.Timeout | undefined

  constructor(output: Output, total: number, online: () => number) {
    this.#output = output
    this.#total = total
    this.#online = online
  }

  onEvent(event: FleetEvent): void {
    const { deviceId, type } = event
    if (type === 'failed') return
    if (type === 'online') this.#reasons.delete(deviceId)
    if (this.#isSummed) return this.#sumUp()
    const fields = { event: type, device_id: deviceId }
    const tell = (text: string, more = {}) => this.#output.status(`${deviceId}: ${text}`, { ...fields, ...more })
    if (type === 'online') tell('online')
    if (type === 'offline') tell(`offline, ${endOf(event.reason)}`, errorFields(event.reason))
    if (type === 'identify') tell(`blinks for ${event.seconds} s`, { seconds: event.seconds })
    if (type === 'restart') tell('restarts for an update, or to go back from one')
    if (type === 'started') {
      const { version, onTrial } = event
      const facts = { event: 'version', version, on_trial: onTrial }
      tell(`runs version ${version}${onTrial ? ' on trial' : ''}`, facts)
    }
    if (type === 'interval') tell(`reports every ${event.seconds} s from now on`, { seconds: event.seconds })
  }

  /** @param pause until the next attempt, ms */
  onRetry(deviceId: string, reason: UsmpError, pause: number): void {
    if (this.#isSummed) return this.#sumUp()
    const isNew = this.#reasons.get(deviceId) !== reason.code
    this.#reasons.set(deviceId, reason.code)
    if (!isNew && !this.#output.json) return
    const fields = { event: 'retry', device_id: deviceId, ...errorFields(reason), pause_ms: pause }
    this.#output.status(`${deviceId}: ${endOf(reason)}; it goes on trying`, fields, hintOf(reason))
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  get #isSummed(): boolean {
    return this.#total > FEW && !this.#output.json
  }

  #sumUp(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const online = this.#online()
      if (online === this.#told) return
      this.#told = online
      this.#output.status(`${online} of ${this.#total} sensors are online`, { event: 'count', online })
    }, PAUSE)
  }
}

function hintOf({ awaited, hint }: UsmpError): string | undefined {
  return awaited === PacketType.SESSION_OK ? NOT_LET_IN : hint
}
