import type { Clock, Transport, TransportSink } from '@usmp/core'

/** A frame that has left: from which end, and when, ms of the clock. */
export interface SeenFrame {
  readonly from: 0 | 1
  readonly at: number
  readonly size: number
}

export interface CircuitOptions {
  /** ms, each way; default 10. */
  readonly latency?: number
  /** Frames under way in one direction from which on an end says that it is full; default without a limit. */
  readonly capacity?: number
  /** Told each frame, as a relay sees it. */
  readonly onFrame?: (frame: SeenFrame) => void
}

/**
 * Two transports of kind `message` that meet in memory, on a clock that a test may move: what a relay makes of two sockets. The circuit
 * owns the frames under way. A test gives each end to a session, and may `hold` frames back and `cut` everything.
 */
export class SimulatedCircuit {
  readonly ends: readonly [Transport, Transport]
  readonly #ends: readonly [End, End]

  constructor(clock: Clock, { latency = 10, capacity = Number.POSITIVE_INFINITY, onFrame }: CircuitOptions = {}) {
    const make = (side: 0 | 1) =>
      new End(clock, latency, capacity, (size) => onFrame?.({ from: side, at: clock.now(), size }))
    this.#ends = [make(0), make(1)]
    this.#ends[0].peer = this.#ends[1]
    this.#ends[1].peer = this.#ends[0]
    this.ends = this.#ends
  }

  /** While true nothing arrives. */
  set held(held: boolean) {
    for (const end of this.#ends) end.setHeld(held)
  }

  /** All that is under way is lost, and both ends see the end. */
  cut(): void {
    for (const end of this.#ends) end.cut()
  }
}

class End implements Transport {
  readonly kind = 'message'
  readonly address = 'circuit'
  peer!: End
  readonly #clock: Clock
  readonly #latency: number
  readonly #capacity: number
  readonly #onFrame: (size: number) => void
  #sink: TransportSink | undefined
  /** Frames for this end whose time has come. */
  #arrived: Uint8Array[] = []
  #underWay = 0
  #full = false
  #held = false
  #paused = false
  #over = false
  /** The peer ends behind what is under way. */
  #ending = false

  constructor(clock: Clock, latency: number, capacity: number, onFrame: (size: number) => void) {
    this.#clock = clock
    this.#latency = latency
    this.#capacity = capacity
    this.#onFrame = onFrame
  }

  open(sink: TransportSink): void {
    this.#sink = sink
    this.#deliver()
  }

  write(frames: readonly Uint8Array[]): boolean {
    if (this.#over) return true
    for (const frame of frames) {
      this.#onFrame(frame.length)
      this.#underWay++
      this.peer.#comes(new Uint8Array(frame))
    }
    this.#full = this.#underWay >= this.#capacity
    return !this.#full
  }

  #comes(frame: Uint8Array): void {
    this.#clock.setTimer(() => {
      this.#arrived.push(frame)
      this.#deliver()
    }, this.#latency)
  }

  #deliver(): void {
    while (this.#sink && !this.#held && !this.#paused && this.#arrived.length > 0) {
      const frame = this.#arrived.shift()!
      this.peer.#left()
      if (!this.#over) this.#sink.receive(frame)
    }
    if (this.#ending && this.#arrived.length === 0) this.cut()
  }

  #left(): void {
    this.#underWay--
    if (!this.#full || this.#underWay >= this.#capacity) return
    this.#full = false
    if (!this.#over) this.#sink?.drain()
  }

  setHeld(held: boolean): void {
    this.#held = held
    this.#deliver()
  }

  cut(): void {
    if (this.#over) return
    this.#over = true
    this.#arrived = []
    this.#sink?.end()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#deliver()
  }

  async close(): Promise<void> {
    this.#over = true
    this.#clock.setTimer(() => this.peer.#end(), this.#latency)
  }

  abort(): void {
    this.#over = true
    this.peer.#end()
  }

  #end(): void {
    this.#ending = true
    this.#deliver()
  }
}
