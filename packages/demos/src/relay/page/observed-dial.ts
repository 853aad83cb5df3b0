import type { Transport, TransportSink } from '@usmp/core'
import type { Dial } from '@usmp/relay'

/** From the point of view of this page. */
export type Direction = 'out' | 'in'

/** Is told what passes the WebSocket between this page and a relay: the same that the relay sees, and nothing of what is inside. */
export interface WireWatcher {
  onOpened(): void
  /** @param size bytes of a WebSocket message */
  onFrame(direction: Direction, size: number): void
  onClosed(): void
}

/** Dials as `dial` does, and tells what passes. */
export function observedDial(dial: Dial, watcher: WireWatcher): Dial {
  return async (url, options) => {
    const transport = await dial(url, options)
    watcher.onOpened()
    return new ObservedTransport(transport, watcher)
  }
}

/** Stands between a session and its WebSocket, and changes nothing. */
class ObservedTransport implements Transport {
  readonly kind
  readonly address
  readonly #below: Transport
  readonly #watcher: WireWatcher
  #closed = false

  constructor(below: Transport, watcher: WireWatcher) {
    this.kind = below.kind
    this.address = below.address
    this.#below = below
    this.#watcher = watcher
  }

  open(sink: TransportSink): void {
    this.#below.open({
      receive: (bytes) => {
        this.#watcher.onFrame('in', bytes.length)
        sink.receive(bytes)
      },
      drain: () => sink.drain(),
      end: (cause) => {
        this.#onClosed()
        sink.end(cause)
      },
    })
  }

  write(frames: readonly Uint8Array[]): boolean {
    for (const { length } of frames) this.#watcher.onFrame('out', length)
    return this.#below.write(frames)
  }

  pause(): void {
    this.#below.pause()
  }

  resume(): void {
    this.#below.resume()
  }

  async close(...reason: Parameters<Transport['close']>): Promise<void> {
    await this.#below.close(...reason)
    this.#onClosed()
  }

  abort(...reason: Parameters<Transport['abort']>): void {
    this.#below.abort(...reason)
    this.#onClosed()
  }

  #onClosed(): void {
    if (this.#closed) return
    this.#closed = true
    this.#watcher.onClosed()
  }
}
