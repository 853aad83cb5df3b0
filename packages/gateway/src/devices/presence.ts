import { afterReading, type Session, UsmpError } from '@usmp/core'
import type { Cancel, GatewayTime } from '../time.js'

/** Between two PINGs of the gateway, as a part of the time of silence that a device may have. */
const PINGS_IN_LIMIT = 3
/** How long a device that may be gone has to answer, ms. */
export const SUSPECT_TIMEOUT = 5_000

/** What presence needs of a session. */
export type WatchedSession = Pick<Session, 'lastReceived' | 'ping' | 'close' | 'signal'>

interface PresenceOptions {
  /** ms of silence after which the device is offline. Asked again each time, as people change it. */
  readonly limit: () => number
  /** A PING was answered. */
  readonly onRoundTrip: (roundTrip: number) => void
  /** The device has been silent for too long; the session is ended already. Told once. */
  readonly onSilent: () => void
}

/**
 * Watches one session: asks the device now and then whether it is there, and ends the session when it has been silent for too long. Only
 * authentic frames count. It does not judge while the gateway itself cannot reach the device's broker.
 */
export class Presence {
  readonly #session: WatchedSession
  readonly #time: GatewayTime
  readonly #options: PresenceOptions
  #cancel: Cancel | undefined
  #cancelReading: Cancel | undefined
  /** Silence counts from here on at the earliest, ms of the clock. */
  #from: number
  #pingAt: number
  #pinging = false
  /** When a device that may be gone has to have answered. */
  #suspect: { readonly since: number; readonly until: number } | undefined
  #paused = false
  #stopped = false

  constructor(session: WatchedSession, time: GatewayTime, options: PresenceOptions) {
    this.#session = session
    this.#time = time
    this.#options = options
    this.#from = time.monotonic()
    this.#pingAt = this.#from
    this.#check()
  }

  /** Somebody says that the device may be gone: asks it at once, and gives it 5 s. Anybody may say so, so it decides nothing. */
  suspect(): void {
    if (this.#stopped || this.#paused || this.#suspect) return
    const since = this.#time.monotonic()
    this.#suspect = { since, until: since + SUSPECT_TIMEOUT }
    this.#pingAt = since
    this.#check()
  }

  /** The limit of silence was changed. */
  update(): void {
    if (this.#stopped || this.#paused) return
    this.#pingAt = Math.min(this.#pingAt, this.#time.monotonic() + this.#options.limit() / PINGS_IN_LIMIT)
    this.#check()
  }

  /** The gateway cannot reach the device now, so its silence means nothing. */
  pause(): void {
    this.#paused = true
    this.#suspect = undefined
    this.#cancel?.()
    this.#cancelReading?.()
  }

  /** The gateway can reach the device again, which has its whole limit from now on. */
  resume(): void {
    if (!this.#paused || this.#stopped) return
    this.#paused = false
    this.#from = this.#time.monotonic()
    this.#pingAt = this.#from
    this.#check()
  }

  /** Ends the watch, as the session has ended. */
  stop(): void {
    this.#stopped = true
    this.#cancel?.()
    this.#cancelReading?.()
  }

  /** Does what is due, and sets the timer for what comes next. */
  #check(): void {
    this.#cancel?.()
    this.#cancelReading?.()
    const now = this.#time.monotonic()
    if (this.#suspect && this.#session.lastReceived > this.#suspect.since) this.#suspect = undefined
    if (now >= this.#silentAt) return this.#judge()
    if (now >= this.#pingAt) void this.#ping(now)
    const next = Math.min(this.#silentAt, this.#pingAt)
    this.#cancel = this.#time.after(Math.max(1, Math.ceil(next - now)), () => this.#check())
  }

  /** Reads first, then judges: after a stall of the process the answer may wait to be read. */
  #judge(): void {
    this.#cancelReading = afterReading(this.#time.clock, this.#silentAt, () => {
      if (this.#stopped || this.#paused) return
      if (this.#time.monotonic() < this.#silentAt) return this.#check()
      this.stop()
      void this.#session.close(new UsmpError('IDLE_TIMEOUT'))
      this.#options.onSilent()
    })
  }

  get #silentAt(): number {
    const idle = Math.max(this.#session.lastReceived, this.#from) + this.#options.limit()
    const { since, until } = this.#suspect ?? { since: 0, until: Number.POSITIVE_INFINITY }
    return this.#session.lastReceived > since ? idle : Math.min(idle, until)
  }

  async #ping(now: number): Promise<void> {
    this.#pingAt = now + this.#options.limit() / PINGS_IN_LIMIT
    if (this.#pinging) return
    this.#pinging = true
    try {
      this.#options.onRoundTrip(await this.#session.ping())
    } catch {
      // The session has ended, which its server tells.
    } finally {
      this.#pinging = false
    }
  }
}
