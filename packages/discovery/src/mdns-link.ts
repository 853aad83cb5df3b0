import type { Socket } from 'node:dgram'
import { decode, encode, type Packet } from 'dns-packet'
import type { Link } from './network-links.js'
import { contains, isLinkLocal6, type Network } from './networks.js'
import { closeSocket, openSocket, sendTo } from './sockets.js'

export const MDNS_PORT = 5353
const GROUPS = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const
/** RFC 6762, section 11: what has come over a router has less. */
const TTL = 255

/** Where a packet says how many questions, answers, authorities and additionals it has. */
const COUNTS_AT = [4, 6, 8, 10]
/** Of all four: each may have a long name by a pointer of two bytes, so 9000 bytes could cost 20 ms. */
const MAX_ENTRIES = 256

/** Who sent a packet. */
export interface Sender {
  readonly address: string
  readonly port: number
}

/** Told of each packet that a host of the link's network has sent; our own ones come too. */
export type OnPacket = (packet: Packet, from: Sender, link: MdnsLink) => void

/** Networks in which there is mDNS: of IPv6 only the link itself. */
export function hasMdns({ family, address }: Network): boolean {
  return family === 'IPv4' || isLinkLocal6(address)
}

/**
 * mDNS in one network: a socket that has joined the group there, and sends there. A socket hears what others of the same machine have joined
 * too, so what comes from another network is dropped here.
 */
export class MdnsLink implements Link {
  readonly network: Network
  readonly port: number
  readonly #socket: Socket
  readonly #group: string

  private constructor(network: Network, port: number, socket: Socket) {
    this.network = network
    this.port = port
    this.#socket = socket
    this.#group = groupOf(network)
  }

  /** @throws the error of the system: the port is taken by somebody who does not share it, or the interface takes no multicasts */
  static async open(network: Network, port: number, onPacket: OnPacket): Promise<MdnsLink> {
    const { family, name, address } = network
    let link: MdnsLink | undefined
    const host = family === 'IPv4' ? '0.0.0.0' : '::'
    const socket = await openSocket(family, { host, port, shared: true }, (bytes, from) => {
      const packet = contains(network, from.address) ? read(bytes) : undefined
      if (packet && link) onPacket(packet, from, link)
    })
    try {
      const own = family === 'IPv4' ? address : `::%${name}`
      socket.addMembership(GROUPS[family], own)
      socket.setMulticastInterface(own)
      socket.setMulticastTTL(TTL)
      socket.setMulticastLoopback(true)
    } catch (error) {
      await closeSocket(socket)
      throw error
    }
    link = new MdnsLink(network, port, socket)
    return link
  }

  /** To all of the network. What the system says against it is returned. */
  send(packet: Packet): Promise<Error | undefined> {
    return this.sendTo(packet, { address: this.#group, port: this.port })
  }

  async sendTo(packet: Packet, { address, port }: Sender): Promise<Error | undefined> {
    let bytes: Uint8Array
    try {
      bytes = encode(packet)
    } catch (error) {
      // A question of somebody else that is repeated in an answer may be one that the library does not write.
      return error as Error
    }
    return sendTo(this.#socket, bytes, port, address)
  }

  close(): Promise<void> {
    return closeSocket(this.#socket)
  }
}

function groupOf({ family, name }: Network): string {
  return family === 'IPv4' ? GROUPS.IPv4 : `${GROUPS.IPv6}%${name}`
}

/** Undefined if the bytes are no DNS message, or one that would take long to read. */
export function read(bytes: Uint8Array): Packet | undefined {
  const packet = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  try {
    const entries = COUNTS_AT.reduce((sum, at) => sum + packet.readUInt16BE(at), 0)
    return entries > MAX_ENTRIES ? undefined : decode(packet)
  } catch {
    return undefined
  }
}
