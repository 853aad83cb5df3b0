import { createHash, randomBytes } from 'node:crypto'
import { UsmpError } from '@usmp/core'
import { type Carrier, carrierKinds, type Facts, faultOf } from './facts.js'
import { isCloseBy, listensAt, type Network } from './networks.js'
import type { AnnounceOptions, ListeningCarrier } from './options.js'

/** What may change while something is announced. */
export interface AnnounceChanges {
  readonly joinOpen?: boolean
  readonly carriers?: readonly ListeningCarrier[]
}

/**
 * What a peer says of itself, for each network the ways that can be reached there. Owns the instance: random, new at each start, and new
 * again when another peer has the same one.
 */
export class AnnouncementFacts {
  readonly #options: AnnounceOptions
  readonly #id: string
  #instance: string
  #joinOpen: boolean
  #carriers: readonly ListeningCarrier[]

  /** @throws UsmpError INVALID_ARGUMENT: the options break a rule of section 14.1 */
  constructor(options: AnnounceOptions) {
    this.#options = options
    this.#id = options.deviceId?.replaceAll(':', '').toLowerCase() ?? ''
    this.#joinOpen = options.joinOpen ?? false
    this.#carriers = ordered(options.carriers ?? [])
    this.#instance = newInstance(this.#id)
    if (options.announceId && this.#id === '') {
      throw new UsmpError('INVALID_ARGUMENT', 'announce: announceId needs the option deviceId')
    }
    const fault = faultOf(this.#factsWith(this.#carriers))
    if (fault !== undefined) throw new UsmpError('INVALID_ARGUMENT', `announce: ${fault}`)
  }

  get instance(): string {
    return this.#instance
  }

  rename(): void {
    this.#instance = newInstance(this.#id)
  }

  /** @returns whether something is different now */
  change({ joinOpen = this.#joinOpen, carriers }: AnnounceChanges): boolean {
    const before = JSON.stringify([this.#joinOpen, this.#carriers])
    this.#joinOpen = joinOpen
    if (carriers) this.#carriers = ordered(carriers)
    return before !== JSON.stringify([this.#joinOpen, this.#carriers])
  }

  /**
   * What is said at these addresses of ours, which are those of one interface; and at which of them something listens. Undefined: nothing
   * can be reached there, so nothing is said. A device may be found although it takes no sessions.
   */
  at(addresses: readonly string[]): { readonly facts: Facts; readonly addresses: readonly string[] } | undefined {
    const listening = (address: string) => this.#carriers.filter(({ host }) => listensAt(host ?? '', address))
    const used = this.#carriers.length === 0 ? addresses : addresses.filter((address) => listening(address).length > 0)
    const carriers = this.#carriers.filter((carrier) => used.some((address) => listening(address).includes(carrier)))
    if (used.length === 0 || (carriers.length === 0 && this.#options.role === 'gateway')) return undefined
    return { facts: this.#factsWith(carriers), addresses: used }
  }

  /** What is said to a host behind a router: all that does not listen on loopback only. */
  get routed(): Facts | undefined {
    const carriers = this.#carriers.filter(({ host }) => host === undefined || !isLoopback(host))
    return carriers.length > 0 || this.#options.role === 'device' ? this.#factsWith(carriers) : undefined
  }

  #factsWith(carriers: readonly Carrier[]): Facts {
    const { role, site = '', path = '', announceId = false } = this.#options
    return {
      role,
      instance: this.#instance,
      joinOpen: this.#joinOpen,
      carriers: carriers.map(({ kind, port }) => ({ kind, port })),
      site,
      path: carriers.some(({ kind }) => kind === 'ws' || kind === 'wss') ? path : '',
      ...(announceId ? { deviceId: this.#id } : {}),
    }
  }
}

/** The addresses of the interface that a network belongs to. */
export function addressesOf({ name }: Network, all: readonly Network[]): string[] {
  return all.filter((network) => network.name === name).map(({ address }) => address)
}

function isLoopback(host: string): boolean {
  return isCloseBy(host) && /^127\.|^::1$/.test(host)
}

function ordered(carriers: readonly ListeningCarrier[]): ListeningCarrier[] {
  return [...carriers].sort((a, b) => carrierKinds.indexOf(a.kind) - carrierKinds.indexOf(b.kind))
}

function newInstance(id: string): string {
  return createHash('sha256').update(randomBytes(16)).update(id).digest('hex').slice(0, 4)
}
