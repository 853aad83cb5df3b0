import type { Packet } from 'dns-packet'
import { sightingsIn, typesOf } from './dns-sd.js'
import type { Facts, Role } from './facts.js'
import type { Heard } from './found.js'
import { hasMdns, MdnsLink, type Sender } from './mdns-link.js'
import { NetworkLinks } from './network-links.js'
import { contains, isCloseBy, isLinkLocal6, type Network } from './networks.js'
import type { SearchReport } from './search-report.js'

/** Services named without details that are asked for after one round. */
const MAX_FOLLOW_UPS = 32

/** What a search does with what it hears. */
export interface SearchHandler {
  onSeen(facts: Facts, addresses: readonly string[], heard: Heard): void
  onGone(instance: string, heard: Heard): void
}

/** Asks by mDNS, in each network that it is given. */
export class MdnsSearch {
  readonly #types: readonly string[]
  readonly #handler: SearchHandler
  readonly #report: SearchReport
  readonly #links: NetworkLinks<MdnsLink>
  #networks: readonly Network[] = []
  #followUps = 0

  constructor(roles: readonly Role[], port: number, handler: SearchHandler, report: SearchReport) {
    this.#types = roles.flatMap(typesOf)
    this.#handler = handler
    this.#report = report
    this.#links = new NetworkLinks(
      (network) => MdnsLink.open(network, port, (packet, from, link) => this.#receive(packet, from, link)),
      (network, error) => report.fault(`mDNS on ${network.name}, UDP port ${port}`, error),
    )
  }

  update(networks: readonly Network[]): Promise<void> {
    this.#networks = networks
    return this.#links.update(networks.filter(hasMdns))
  }

  /** One round of queries. */
  async ask(): Promise<void> {
    this.#followUps = 0
    const questions = this.#types.map((name) => ({ name, type: 'PTR' as const }))
    for (const link of this.#links.all) {
      const error = await link.send({ type: 'query', questions })
      if (error) this.#report.notAsked('mdns', link.network, error)
      else this.#report.asked('mdns', link.network)
    }
  }

  close(): Promise<void> {
    return this.#links.close()
  }

  #receive(packet: Packet, from: Sender, link: MdnsLink): void {
    // RFC 6762, section 6: answers come from the port of mDNS.
    if (packet.type !== 'response' || from.port !== link.port) return
    const { seen, gone, incomplete } = sightingsIn(packet, this.#types)
    const { network } = link
    const heard: Heard = { by: 'mdns', source: from.address, interface: network.name }
    for (const { facts, addresses } of seen) {
      const told = addresses.length > 0 ? addresses : [from.address]
      const usable = told.filter((address) => this.#isUsable(address, network))
      this.#handler.onSeen(
        facts,
        usable.map((address) => zoned(address, network)),
        heard,
      )
    }
    for (const instance of gone) this.#handler.onGone(instance, heard)
    for (const name of incomplete) void this.#followUp(name, link)
  }

  /** Addresses that hosts of this interface can be at: not those of the Internet, and loopback only where it is the network. */
  #isUsable(address: string, { name }: Network): boolean {
    if (this.#networks.some((network) => network.name === name && contains(network, address))) return true
    return isCloseBy(address) && !/^127\.|^::1$/.test(address)
  }

  async #followUp(name: string, link: MdnsLink): Promise<void> {
    if (this.#followUps++ >= MAX_FOLLOW_UPS) return
    const questions = (['SRV', 'TXT'] as const).map((type) => ({ name, type }))
    await link.send({ type: 'query', questions })
  }
}

function zoned(address: string, { name }: Network): string {
  return isLinkLocal6(address) ? `${address.split('%')[0]}%${name}` : address
}
