import os from 'node:os'
import { UsmpError } from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { type AnnounceChanges, AnnouncementFacts } from './announcement-facts.js'
import { MDNS_PORT } from './mdns-link.js'
import { MdnsResponder } from './mdns-responder.js'
import { networksOf } from './networks.js'
import { type AnnounceOptions, announceTable } from './options.js'
import { QUERY_PORT } from './query.js'
import { socketFault } from './sockets.js'
import { UdpResponder } from './udp-responder.js'

/** Different ones that are told: interfaces of containers come and go under new names. */
const MAX_WARNINGS = 100
/** Between two looks at the addresses of this machine, ms. */
const FOLLOW_INTERVAL = 5_000

/**
 * Lets others in the local networks find a gateway or a device: by mDNS, and by answers to UDP queries. Everybody there can see it. What does
 * not work (a port that is taken, an interface without multicasts) is told to `onWarning`, and the rest goes on.
 * @throws UsmpError INVALID_ARGUMENT
 */
export async function announce(options: AnnounceOptions): Promise<Announcement> {
  checkOptions('announce', options, announceTable)
  const announcement = new Announcement(options)
  await announcement.start()
  return announcement
}

/** Something that is announced until it is closed. Made by {@link announce}. */
export class Announcement {
  readonly #options: AnnounceOptions
  readonly #facts: AnnouncementFacts
  readonly #mdns: MdnsResponder | undefined
  readonly #udp: UdpResponder | undefined
  readonly #warned = new Set<string>()
  #networks: readonly string[] = []
  #timer: NodeJS.Timeout | undefined
  #following: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  /** @throws UsmpError INVALID_ARGUMENT */
  constructor(options: AnnounceOptions) {
    const { mdns = true, udp = true, port = QUERY_PORT, mdnsPort = MDNS_PORT } = options
    if (!mdns && !udp) throw new UsmpError('INVALID_ARGUMENT', 'announce: without mdns and udp nothing is announced')
    this.#options = options
    this.#facts = new AnnouncementFacts(options)
    const onFault = (where: string, error: unknown) => this.#warn(`${where}: ${socketFault(error)}`)
    this.#mdns = mdns ? new MdnsResponder(this.#facts, mdnsPort, onFault) : undefined
    this.#udp = udp ? new UdpResponder(this.#facts, port, onFault) : undefined
  }

  /** What {@link announce} does. */
  async start(): Promise<void> {
    await this.#udp?.open()
    await this.#follow()
    const { followInterval = FOLLOW_INTERVAL } = this.#options
    this.#timer = setInterval(() => void this.#follow(), followInterval)
    // Who waits for nothing else may end.
    this.#timer.unref()
  }

  /** The name of this start: 4 hex digits. */
  get instance(): string {
    return this.#facts.instance
  }

  /** The interfaces on which something is announced now. */
  get interfaces(): readonly string[] {
    return this.#networks
  }

  /** Tells others of what has changed. */
  async update(changes: AnnounceChanges): Promise<void> {
    if (!this.#closing && this.#facts.change(changes)) await this.#mdns?.announce()
  }

  /** Says goodbye and ends. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#following
    await Promise.all([this.#mdns?.close(), this.#udp?.close()])
  }

  /** Looks at the addresses of this machine, one look after another. */
  #follow(): Promise<void> {
    this.#following = this.#following.then(async () => {
      try {
        await this.#lookAtNetworks()
      } catch (error) {
        this.#warn(`the networks of this machine: ${socketFault(error)}`)
      }
    })
    return this.#following
  }

  async #lookAtNetworks(): Promise<void> {
    if (this.#closing) return
    const { interfaces, networkInterfaces } = this.#options
    const table = networkInterfaces?.() ?? os.networkInterfaces()
    const networks = networksOf(table, interfaces)
    const all = networksOf(table, Object.keys(table))
    this.#networks = [...new Set(networks.map(({ name }) => name))]
    this.#udp?.update(networks, all)
    await this.#mdns?.update(networks)
  }

  #warn(message: string): void {
    if (this.#warned.has(message) || this.#warned.size >= MAX_WARNINGS) return
    this.#warned.add(message)
    this.#options.onWarning?.(message)
  }
}
