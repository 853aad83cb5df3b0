import { Connection, type ConnectionEvent, type Transport } from '@usmp/core'
import { ReliableDatagram } from '@usmp/core/datagram'
import { nodeProvider, nodeRandom } from '@usmp/node'
import { DEVICE_ID_BYTES, PSK } from './identities.js'
import { until } from './waiting.js'

/**
 * A peer that a test leads by hand: bytes can be added, held back and looked at. It owns one end of a transport and, where it has
 * a role, a `Connection` on node:crypto; there is no `Session`, so nothing happens behind the test's back.
 *
 * A test opens a transport, makes the peer, waits for the handshake ({@link ManualPeer.connected} does both), then calls `send`,
 * `frames` and `write`, and reads `events`, `messages` and `received`. It runs on real time and sets no timers: PINGs and
 * repeats are the test's to make. Never give its transport to a session too.
 */
export class ManualPeer {
  readonly transport: Transport
  readonly connection: Connection | undefined
  readonly events: ConnectionEvent[] = []
  /** Every chunk that arrived. */
  readonly received: Uint8Array[] = []
  /** While true nothing is answered. */
  silent = false
  /** While true what arrives is noted, but not looked at. */
  deaf = false
  /** Changes frames before they leave. */
  alter: (frame: Uint8Array) => Uint8Array = (frame) => frame
  ended = false

  /** A client, or with `undefined` a peer that speaks no USMP. */
  constructor(
    transport: Transport,
    role: 'client' | 'server' | undefined,
    { psk = PSK, deviceId = DEVICE_ID_BYTES } = {},
  ) {
    this.transport = transport
    const common = {
      kind: transport.kind,
      reliableDatagram: ReliableDatagram,
      random: nodeRandom,
      provider: nodeProvider,
      keepalive: 0,
      idleTimeout: 0,
    }
    if (role === 'client') {
      this.connection = Connection.client({ ...common, deviceId, psk }, performance.now())
    } else if (role === 'server') {
      this.connection = Connection.server(common, performance.now())
    }
    transport.open({
      receive: (bytes) => {
        this.received.push(bytes)
        if (!this.deaf) this.connection?.receive(bytes, performance.now())
        this.#drive(psk)
      },
      drain: () => {},
      end: (cause) => {
        this.ended = true
        this.connection?.receiveEnd(cause)
        this.#drive(psk)
      },
    })
    this.#drive(psk)
  }

  /** A client that has made its handshake. */
  static async connected(transport: Transport, role: 'client' | 'server' = 'client'): Promise<ManualPeer> {
    const peer = new ManualPeer(transport, role)
    await until(() => peer.connection!.established, 'a handshake')
    return peer
  }

  /** Puts bytes on the wire as they are. */
  write(...chunks: readonly Uint8Array[]): void {
    this.transport.write(chunks)
  }

  /** Does something to the connection and returns the frames it makes, unsent. */
  frames(action: (connection: Connection) => void): Uint8Array[] {
    action(this.connection!)
    // On datagrams a BYE waits for its turn.
    this.connection!.handleTimeout(performance.now())
    return this.#drainFrames()
  }

  /** Sends messages in order. */
  send(...messages: readonly Uint8Array[]): void {
    this.write(
      ...messages.flatMap((message) => this.frames((connection) => connection.send(message, performance.now()))),
    )
  }

  /** The messages that have come. */
  get messages(): Uint8Array[] {
    return this.events.flatMap((event) => (event.kind === 'message' ? [event.data] : []))
  }

  #drive(psk: Uint8Array): void {
    const { connection } = this
    if (!connection) return
    for (let event = connection.pollEvent(); event; event = connection.pollEvent()) {
      this.events.push(event)
      if (event.kind === 'hello') connection.authorize({ psk }, performance.now())
    }
    const frames = this.#drainFrames()
    if (frames.length > 0 && !this.silent && !this.ended) this.write(...frames.map(this.alter))
  }

  #drainFrames(): Uint8Array[] {
    const frames: Uint8Array[] = []
    for (let frame = this.connection!.pollTransmit(); frame; frame = this.connection!.pollTransmit()) frames.push(frame)
    return frames
  }
}
