import { CloseCode } from '../wire.js'
import type { Metrics } from './metrics.js'
import type { CloseReason, RelaySocket, SocketHandler } from './relay-socket.js'

const PEER_GONE: CloseReason = { code: CloseCode.PEER_GONE, text: 'the other peer has gone' }
const TOO_SLOW: CloseReason = { code: CloseCode.TOO_SLOW, text: 'one of the two took nothing for 30 s' }

/**
 * Two sockets, each of which gets what the other one sends. While one takes no more, nothing is read from the other, so nothing is
 * dropped and little is kept. The circuit ends as a whole.
 */
export class Circuit {
  readonly #sockets: readonly [RelaySocket, RelaySocket]
  readonly #onEnd: () => void
  #hasEnded = false

  constructor(sockets: readonly [RelaySocket, RelaySocket], metrics: Metrics, onEnd: () => void) {
    this.#sockets = sockets
    this.#onEnd = onEnd
    for (const own of [0, 1] as const) {
      sockets[own].handler = new CircuitSide(this, sockets[own === 0 ? 1 : 0], metrics)
      sockets[own].expireAt(Number.POSITIVE_INFINITY)
    }
  }

  /** Closes both sockets, for a reason each; those that have ended already stay as they are. */
  end(reasons: readonly [CloseReason, CloseReason]): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#onEnd()
    for (const side of [0, 1] as const) this.#sockets[side].close(reasons[side])
  }

  onPeerGone(): void {
    this.end([PEER_GONE, PEER_GONE])
  }

  onStuck(): void {
    this.end([TOO_SLOW, TOO_SLOW])
  }
}

/** What one socket of a circuit brings goes to its partner. */
class CircuitSide implements SocketHandler {
  readonly #circuit: Circuit
  readonly #partner: RelaySocket
  readonly #metrics: Metrics

  constructor(circuit: Circuit, partner: RelaySocket, metrics: Metrics) {
    this.#circuit = circuit
    this.#partner = partner
    this.#metrics = metrics
  }

  onMessage(message: Buffer): void {
    this.#metrics.messages++
    this.#metrics.bytes += message.length
    this.#partner.send(message)
  }

  onBlocked(): void {
    this.#partner.hold()
  }

  onDrained(): void {
    this.#partner.release()
  }

  onStuck(): void {
    this.#circuit.onStuck()
  }

  onEnd(): void {
    this.#circuit.onPeerGone()
  }
}
