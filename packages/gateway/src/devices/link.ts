import { cipherSuiteNames, type Session } from '@usmp/core'
import { type ByteRate, otaDeviceApi, otaGatewayApi, type UpdateEvent, UpdateSender } from '@usmp/ota'
import { type Peer, rpc } from '@usmp/rpc'
import type { InferOutput } from 'valibot'
import type { Carrier, SessionInfo } from '../contract/device.js'
import { deviceApi, gatewayApi } from '../device-api.js'
import type { GatewayTime } from '../time.js'
import { CountedSession, type MessageCounts } from './counted-session.js'
import { Presence } from './presence.js'

/** Round trips that are kept. */
const ROUND_TRIPS = 60
/** What a device may take up in a session. A result of 32 KiB fits a message. */
const LIMITS = { outgoingRequests: 16, incomingRequests: 8, streams: 1, message: 33 * 1024 } as const

/** What the gateway takes and asks, with updates. */
const SERVED = { notifications: { ...gatewayApi.notifications, ...otaGatewayApi.notifications } }
const CALLED = { requests: { ...deviceApi.requests, ...otaDeviceApi.requests } }

/** What a device tells of itself. */
export type Description = InferOutput<typeof deviceApi.requests.describe.result>
type Telemetry = InferOutput<typeof gatewayApi.notifications.telemetry>

interface LinkOptions {
  readonly carrier: Carrier
  readonly time: GatewayTime
  /** Of all sessions. */
  readonly totals: MessageCounts
  /** ms of silence after which the device is offline. */
  readonly idleLimit: () => number
  /** Something authentic came. */
  readonly onHeard: () => void
  readonly onTelemetry: (telemetry: Telemetry) => void
  /** The device tells of an update. */
  readonly onUpdate: (event: UpdateEvent) => void
  /** Of the images to all devices. */
  readonly updateRate: ByteRate | undefined
  readonly onDescription: (description: Description) => void
  readonly onRoundTrip: () => void
  /** A message of the device was no JSON-RPC, or nothing that the gateway takes. */
  readonly onRefused: () => void
  /** The device has been silent for too long. */
  readonly onSilent: () => void
}

/**
 * One session with one device, as the gateway uses it: it is the session's one reader, asks the device for its description, measures
 * round trips and watches for silence. It decides nothing about the device.
 */
export class Link {
  readonly session: Session
  readonly carrier: Carrier
  readonly peer: Peer<typeof CALLED>
  /** Sends images on this session. */
  readonly updates: UpdateSender
  readonly #time: GatewayTime
  readonly #presence: Presence
  readonly #since: number
  readonly #counts: MessageCounts = { in: 0, out: 0 }
  readonly #roundTrips: number[] = []
  #isHeard = false

  constructor(session: Session, options: LinkOptions) {
    const { carrier, time, totals, idleLimit, onHeard, onTelemetry, onUpdate, updateRate, onRefused, onSilent } =
      options
    this.session = session
    this.carrier = carrier
    this.#time = time
    this.#since = time.now()
    const heard = () => {
      this.#isHeard = true
      onHeard()
    }
    this.updates = new UpdateSender({
      onEvent: onUpdate,
      clock: time.clock,
      ...(updateRate ? { rate: updateRate } : {}),
    })
    this.peer = rpc(new CountedSession(session, [this.#counts, totals], heard), {
      serves: SERVED,
      calls: CALLED,
      notifications: { telemetry: onTelemetry, ...this.updates.notifications },
      onBinary: (message) => this.updates.onBinary(message),
      clock: time.clock,
      limits: LIMITS,
      onFault: onRefused,
    })
    this.#presence = new Presence(session, time, {
      limit: idleLimit,
      onRoundTrip: (roundTrip) => {
        if (this.#roundTrips.push(Math.round(roundTrip * 100) / 100) > ROUND_TRIPS) this.#roundTrips.shift()
        heard()
        options.onRoundTrip()
      },
      onSilent,
    })
    void this.#describe(options)
  }

  /** Whether something authentic has come on the session. */
  get isHeard(): boolean {
    return this.#isHeard
  }

  /** When the device was last heard: a date. */
  get lastHeardAt(): number {
    return this.#time.dateOf(this.session.lastReceived)
  }

  /** See {@link Presence}. */
  get presence(): Pick<Presence, 'suspect' | 'update' | 'pause' | 'resume'> {
    return this.#presence
  }

  /** The session has ended, or its device is given up. */
  end(): void {
    this.#presence.stop()
  }

  view(): SessionInfo {
    const { session, carrier } = this
    return {
      since: this.#since,
      carrier,
      address: session.address,
      suite: cipherSuiteNames[session.suite],
      roundTrips: roundTripsOf(this.#roundTrips),
      messagesIn: this.#counts.in,
      messagesOut: this.#counts.out,
      dropped: Object.fromEntries(session.dropped),
    }
  }

  async #describe({ onDescription }: LinkOptions): Promise<void> {
    // A device need not know the method, and its session may end meanwhile.
    const description = await this.peer.request('describe', {}).catch(() => undefined)
    if (description) onDescription(description)
  }
}

function roundTripsOf(recent: readonly number[]): SessionInfo['roundTrips'] {
  if (recent.length === 0) return null
  const sorted = [...recent].sort((a, b) => a - b)
  const percentile = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
  return { p50: percentile(0.5), p95: percentile(0.95), recent: [...recent] }
}
