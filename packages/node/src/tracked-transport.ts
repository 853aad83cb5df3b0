import type { Transport, TransportSink, UsmpError } from '@usmp/core'
import type { ConnectionHandle, IncomingConnection } from './incoming-connection.js'

/**
 * A transport that tells when it is gone, and that a server can cut off: the adapters of applications have no event for
 * either. A session closes or aborts its transport once it has ended, so a transport is gone when one of the two is done.
 */
export class TrackedTransport implements Transport, ConnectionHandle {
  readonly #inner: Transport
  readonly #release: (connection: IncomingConnection) => void
  /** What is released when the transport is gone. */
  connection: IncomingConnection | undefined
  #sink: TransportSink | undefined

  /** @param release may be called more than once */
  constructor(inner: Transport, release: (connection: IncomingConnection) => void) {
    this.#inner = inner
    this.#release = release
  }

  get kind(): Transport['kind'] {
    return this.#inner.kind
  }

  get address(): string {
    return this.#inner.address
  }

  // What the adapter returns is passed on: it may be a promise that rejects, which ends the session.

  open(sink: TransportSink): void {
    this.#sink = sink
    return this.#inner.open(sink)
  }

  write(frames: readonly Uint8Array[]): boolean {
    return this.#inner.write(frames)
  }

  pause(): void {
    return this.#inner.pause()
  }

  resume(): void {
    return this.#inner.resume()
  }

  async close(reason?: UsmpError): Promise<void> {
    try {
      await this.#inner.close(reason)
    } finally {
      this.#onGone()
    }
  }

  abort(reason?: UsmpError): void {
    this.#onGone()
    return this.#inner.abort(reason)
  }

  #onGone(): void {
    if (this.connection) this.#release(this.connection)
  }

  /** Ends the transport, and the session that uses it. Never throws. */
  destroy(reason?: UsmpError): void {
    void abortQuietly(this.#inner, reason)
    this.#sink?.end()
  }
}

/** Ends a transport at once. What the adapter throws is dropped: the transport is over, whatever the adapter thinks of it. */
export async function abortQuietly(transport: Transport, reason?: UsmpError): Promise<void> {
  try {
    await transport.abort(reason)
  } catch {}
}
