import type { OtaState } from '@usmp/ota'
import { RpcError } from '@usmp/rpc'
import type { Link } from '../devices/link.js'
import type { Cancel, GatewayTime } from '../time.js'

/** ms that a device has to tell its state, and the pause before it is asked again. */
const TIMEOUT = 10_000
const PAUSE = 30_000
const MAX_TRIES = 3
/** ms between two questions, however often a device says that its state has changed. */
const MIN_PAUSE = 1_000
/** Lost sessions that are remembered of a device. */
const MAX_DROPS = 32

interface Known {
  link: Link | undefined
  onlineSince: number | null
  report: OtaState | null | undefined
  /** When its sessions ended: dates, oldest first. */
  drops: number[]
  /** When it was asked last, by the clock that never jumps. */
  askedAt: number
  isAsking: boolean
  /** It has said that its state is another one since. */
  isStale: boolean
  again: Cancel | undefined
}

/** What devices tell of their firmware, each when its session begins, and how often they lose their sessions. Nothing of it is stored. */
export class DeviceReports {
  readonly #time: GatewayTime
  readonly #onReport: (deviceId: string, report: OtaState | null) => void
  readonly #known = new Map<string, Known>()

  /** @param onReport the device has told its state; null: it takes no updates */
  constructor(time: GatewayTime, onReport: (deviceId: string, report: OtaState | null) => void) {
    this.#time = time
    this.#onReport = onReport
  }

  /** A session of a device begins. */
  onLink(deviceId: string, link: Link): void {
    const known = this.#take(deviceId)
    if (known.link) this.onEnded(deviceId, known.link)
    known.link = link
    known.onlineSince = this.#time.now()
    known.again?.()
    void this.#ask(deviceId, known, link, 1)
  }

  /** A session of a device has ended. */
  onEnded(deviceId: string, link: Link): void {
    const known = this.#known.get(deviceId)
    if (known?.link !== link) return
    known.again?.()
    known.link = undefined
    known.onlineSince = null
    known.drops.push(this.#time.now())
    if (known.drops.length > MAX_DROPS) known.drops.shift()
  }

  /** Asks a device that is there once more, soon: something has changed. */
  ask(deviceId: string): void {
    const known = this.#known.get(deviceId)
    if (!known?.link || known.isStale) return
    known.isStale = true
    if (!known.isAsking) this.#askSoon(deviceId, known, known.link)
  }

  /** Its session, if it has one. */
  link(deviceId: string): Link | undefined {
    return this.#known.get(deviceId)?.link
  }

  /** Undefined: it has told nothing since the gateway was started. Null: it takes no updates. */
  report(deviceId: string): OtaState | null | undefined {
    return this.#known.get(deviceId)?.report
  }

  onlineSince(deviceId: string): number | null {
    return this.#known.get(deviceId)?.onlineSince ?? null
  }

  /** How many sessions it has lost since a date. */
  dropsSince(deviceId: string, date: number): number {
    return this.#known.get(deviceId)?.drops.filter((at) => at >= date).length ?? 0
  }

  /** The device is gone. */
  forget(deviceId: string): void {
    this.#known.get(deviceId)?.again?.()
    this.#known.delete(deviceId)
  }

  close(): void {
    for (const { again } of this.#known.values()) again?.()
  }

  #take(deviceId: string): Known {
    let known = this.#known.get(deviceId)
    if (!known) {
      const asked = { askedAt: Number.NEGATIVE_INFINITY, isAsking: false, isStale: false, again: undefined }
      known = { link: undefined, onlineSince: null, report: undefined, drops: [], ...asked }
      this.#known.set(deviceId, known)
    }
    return known
  }

  #askSoon(deviceId: string, known: Known, link: Link): void {
    known.again?.()
    const wait = known.askedAt + MIN_PAUSE - this.#time.monotonic()
    if (wait <= 0) void this.#ask(deviceId, known, link, 1)
    else known.again = this.#time.after(wait, () => void this.#ask(deviceId, known, link, 1))
  }

  async #ask(deviceId: string, known: Known, link: Link, tries: number): Promise<void> {
    known.askedAt = this.#time.monotonic()
    known.isAsking = true
    known.isStale = false
    let report: OtaState | null
    try {
      report = await link.peer.request('ota.state', {}, { timeout: TIMEOUT })
    } catch (error) {
      if (known.link !== link) return
      // A device that is busy may not answer in time; what it answers wrongly it answers wrongly again.
      if (!(error instanceof RpcError) && tries < MAX_TRIES) {
        known.isAsking = false
        known.again = this.#time.after(PAUSE, () => void this.#ask(deviceId, known, link, tries + 1))
        return
      }
      report = null
    }
    if (known.link !== link) return
    known.isAsking = false
    known.report = report
    this.#onReport(deviceId, report)
    if (known.isStale) this.#askSoon(deviceId, known, link)
  }
}
