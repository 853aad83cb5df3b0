import type { Session } from '@usmp/core'
import type { Server } from '@usmp/node'
import type { ByteRate, UpdateEvent } from '@usmp/ota'
import type { Carrier } from '../contract/device.js'
import type { Counters, Limit } from '../counters.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { GatewayTime } from '../time.js'
import type { MessageCounts } from './counted-session.js'
import type { ManagedDevice } from './device.js'
import type { DeviceDirectory } from './directory.js'
import { Link } from './link.js'

/** Who has to do with the updates of devices. */
export interface UpdateListener {
  readonly onLink: (deviceId: string, link: Link) => void
  readonly onEnded: (deviceId: string, link: Link) => void
  readonly onUpdate: (deviceId: string, link: Link, event: UpdateEvent) => void
}

interface SessionsOptions {
  readonly server: Server
  readonly time: GatewayTime
  readonly directory: DeviceDirectory
  readonly telemetry: Telemetry
  readonly limits: Counters<Limit>
  readonly onChange: (deviceId: string) => void
  /** Told of sessions and of what devices say of their updates. */
  readonly updates: UpdateListener
  /** Of the images to all devices; left out: no limit. */
  readonly updateRate: ByteRate | undefined
  /** A session has ended. */
  readonly onEnded: () => void
}

/** Gives the sessions of the server to their devices, and takes them back when they end. */
export class DeviceSessions {
  readonly #options: SessionsOptions
  readonly #links = new WeakMap<Session, Link>()
  /** Messages of all sessions since the start. */
  readonly totals: MessageCounts = { in: 0, out: 0 }

  constructor(options: SessionsOptions) {
    this.#options = options
    const { server } = options
    server.addEventListener('session', ({ session }) => this.#onSession(session))
    server.addEventListener('ended', ({ session }) => this.#onEnded(session))
    // One listener may have let devices in while the server still opened the others.
    for (const session of server.sessions) this.#onSession(session)
  }

  #onSession(session: Session): void {
    const { directory, server, time, onChange } = this.#options
    const { deviceId } = session
    const device = directory.find(deviceId)
    // It may have been withdrawn during the handshake.
    if (!device?.mayConnect) return void server.disconnect(deviceId)
    const link: Link = new Link(session, {
      carrier: carrierOf(session),
      time,
      totals: this.totals,
      idleLimit: () => device.idleLimit,
      onHeard: () => this.#onHeard(device),
      onTelemetry: (sample) => this.#onTelemetry(device, link, sample),
      updateRate: this.#options.updateRate,
      onUpdate: (event) => this.#options.updates.onUpdate(deviceId, link, event),
      onDescription: (description) => {
        if (device.link !== link) return
        device.onDescription(description)
        onChange(deviceId)
      },
      onRoundTrip: () => onChange(deviceId),
      onRefused: () => this.#options.limits.add('message-refused'),
      onSilent: () => this.#endLink(device, link),
    })
    this.#links.set(session, link)
    device.setLink(link)
    this.#options.updates.onLink(deviceId, link)
    onChange(deviceId)
  }

  #onHeard(device: ManagedDevice): void {
    const before = device.state
    device.onHeard()
    if (device.state !== before) this.#options.onChange(device.id)
  }

  /** Nothing is taken from a session that does not count any more: its device may be revoked. */
  #onTelemetry(device: ManagedDevice, link: Link, sample: Parameters<Telemetry['take']>[1]): void {
    if (device.link !== link) return
    const { id, record, description } = device
    this.#options.telemetry.take({ id, history: record!.history, units: description.units ?? {} }, sample)
  }

  #onEnded(session: Session): void {
    const link = this.#links.get(session)
    const device = this.#options.directory.find(session.deviceId)
    if (link && device) this.#endLink(device, link)
  }

  #endLink(device: ManagedDevice, link: Link): void {
    const { telemetry, updates, onChange, onEnded } = this.#options
    updates.onEnded(device.id, link)
    // One that was replaced leaves no gap.
    if (device.link === link || !device.link) telemetry.onSessionEnded(device.id)
    device.endLink(link)
    onChange(device.id)
    onEnded()
  }
}

/** How a session comes: by what carries it, and datagrams of a broker by their address. */
export function carrierOf({ transportKind, address }: Pick<Session, 'transportKind' | 'address'>): Carrier {
  if (transportKind === 'stream') return 'tcp'
  if (transportKind === 'message') return 'websocket'
  if (transportKind === 'serial') return 'serial'
  return isBrokerAddress(address) ? 'mqtt' : 'udp'
}

/** Whether an address is that of a device behind the broker. */
export function isBrokerAddress(address: string): boolean {
  return address.startsWith('mqtt:')
}
