import { webRandom } from '@usmp/browser'
import { Connection, crc16, formatDeviceId, PacketType, packetTypeName, toHex, type UsmpError } from '@usmp/core'

export type End = 'device' | 'gateway'

/** A frame on its way, or one that has arrived. */
export interface Flight {
  readonly id: number
  readonly from: End
  readonly name: string
  /** What is happening, in a sentence. */
  readonly story: string
  /** As the sender made it. */
  readonly original: Uint8Array
  bytes: Uint8Array
  state: 'flying' | 'arrived' | 'refused'
}

export interface Party {
  readonly name: End
  readonly connection: Connection
  readonly received: string[]
  sessionId: string | undefined
  end: UsmpError | undefined
}

const STORIES: Readonly<Record<number, string>> = {
  [PacketType.HELLO]: 'The device says who it is and sends a public key made a moment ago. Nothing is proven yet.',
  [PacketType.CHALLENGE]:
    'The gateway answers with a random number to be proven over, and a fresh public key of its own.',
  [PacketType.HELLO_ACK]: 'The device proves that it holds the pre-shared key, over everything said so far.',
  [PacketType.SESSION_OK]: 'The gateway has checked the proof and gives its own. From here on everything is sealed.',
  [PacketType.PING]: 'Are you there? Sealed like everything, so nobody else can ask or answer.',
  [PacketType.PONG]: 'The answer to a PING, under the keys of this direction.',
  [PacketType.BYE]: 'A sealed goodbye. Without one an end counts as cut off: somebody may have pulled the cable.',
  [PacketType.REKEY]: '32 random bytes, sealed under the old keys; both ends make new keys from them.',
}

/** Milliseconds between two steps; only the order matters. */
const TICK = 300

/** Two ends in one page, and between them a wire that carries a frame only when it is told to. */
export class Conversation {
  readonly flights: Flight[] = []
  readonly deviceId: Uint8Array
  readonly #parties: Record<End, Party>
  readonly #gatewayPsk: Uint8Array
  #now = 0

  /** @param sameKey whether the gateway knows the key of the device */
  constructor(sameKey: boolean) {
    const psk = webRandom(32)
    this.#gatewayPsk = sameKey ? psk : webRandom(32)
    this.deviceId = webRandom(6)
    const common = {
      kind: 'message',
      random: webRandom,
      handshakeTimeout: 3_600_000,
      idleTimeout: 0,
      keepalive: 0,
    } as const
    const party = (name: End, connection: Connection): Party => {
      return { name, connection, received: [], sessionId: undefined, end: undefined }
    }
    this.#parties = {
      device: party('device', Connection.client({ ...common, deviceId: this.deviceId, psk }, 0)),
      gateway: party('gateway', Connection.server(common, 0)),
    }
    this.#collect()
  }

  party(name: End): Party {
    return this.#parties[name]
  }

  /** The next frame to arrive. */
  get next(): Flight | undefined {
    return this.flights.find(({ state }) => state === 'flying')
  }

  get established(): boolean {
    return this.#parties.device.connection.established && this.#parties.gateway.connection.established
  }

  /** The first end that refused something, and why. */
  get refusal(): { readonly by: End; readonly error: UsmpError } | undefined {
    for (const { name, end } of Object.values(this.#parties)) {
      if (end && end.family !== 'end' && end.code !== 'HANDSHAKE_REFUSED') return { by: name, error: end }
    }
    return undefined
  }

  get over(): boolean {
    return Object.values(this.#parties).some(({ end }) => end !== undefined)
  }

  /** Lets the next frame arrive. */
  deliver(): void {
    const flight = this.next
    if (!flight) return
    this.#now += TICK
    const to = this.#parties[flight.from === 'device' ? 'gateway' : 'device']
    to.connection.receive(flight.bytes, this.#now)
    flight.state = 'arrived'
    this.#collect()
    if (!to.end) return
    if (to.end.code !== 'CLOSED') flight.state = 'refused'
    // The transport ends with the refusal; what was still on its way is lost.
    this.#parties[flight.from].connection.receiveEnd()
    this.#collect()
  }

  send(from: End, text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.#act(
      from,
      (connection) => connection.send(bytes, this.#now),
      `“${text}”, sealed: only the ${other(from)} can read it.`,
    )
  }

  ping(from: End): void {
    this.#act(from, (connection) => connection.ping(this.#now))
  }

  rekey(from: End): void {
    this.#act(from, (connection) => connection.rekey(this.#now))
  }

  goodbye(from: End): void {
    this.#act(from, (connection) => connection.close())
  }

  /** Turns one bit of the frame that is on its way, and with `repair` corrects the checksum as an attacker would. */
  flip(index: number, bit: number, repair: boolean): void {
    const flight = this.next
    if (!flight) return
    const bytes = flight.bytes.slice()
    bytes[index]! ^= 1 << bit
    flight.bytes = repair ? withChecksum(bytes) : bytes
  }

  /** Puts back what the sender made. */
  restore(): void {
    if (this.next) this.next.bytes = this.next.original
  }

  #act(from: End, action: (connection: Connection) => void, story?: string): void {
    this.#now += TICK
    action(this.#parties[from].connection)
    this.#collect(story)
  }

  /** Takes from both ends what they have to send and to tell. */
  #collect(story?: string): void {
    for (const party of Object.values(this.#parties)) {
      const { name, connection } = party
      for (let event = connection.pollEvent(); event; event = connection.pollEvent()) {
        if (event.kind === 'hello') connection.authorize({ psk: this.#gatewayPsk }, this.#now)
        else if (event.kind === 'connected') party.sessionId = toHex(event.sessionId)
        else if (event.kind === 'message') party.received.push(new TextDecoder().decode(event.data))
        else if (event.kind === 'closed') party.end = event.reason
      }
      for (let bytes = connection.pollTransmit(); bytes; bytes = connection.pollTransmit()) {
        const type = bytes[3]!
        this.flights.push({
          id: this.flights.length,
          from: name,
          name: packetTypeName(type),
          story: STORIES[type] ?? story ?? '',
          original: bytes,
          bytes,
          state: 'flying',
        })
      }
    }
  }

  get deviceName(): string {
    return formatDeviceId(this.deviceId)
  }
}

function other(end: End): End {
  return end === 'device' ? 'gateway' : 'device'
}

function withChecksum(bytes: Uint8Array): Uint8Array {
  const crc = crc16(bytes.subarray(12), crc16(bytes.subarray(0, 10)))
  bytes[10] = crc & 0xff
  bytes[11] = crc >> 8
  return bytes
}
