import { type Clock, systemClock } from './clock.js'
import type { TransportKind } from './connection-options.js'
import type { UsmpError } from './errors.js'
import { checkOptions, streamTransportTable } from './options.js'

/** How long a close waits for the peer to take the rest and to end too, ms. */
const CLOSE_TIMEOUT = 2_000

/** Where a transport delivers what arrives. Its methods are called on it, as `sink.receive(bytes)`; taken off it they fail. */
export interface TransportSink {
  /** The next bytes of a stream or line, or one whole message or datagram. */
  receive(bytes: Uint8Array): void
  /** After {@link Transport.write} said false: there is room again. */
  drain(): void
  /**
   * The transport has ended, by a fault if `cause` is given: what the system says, or a UsmpError of the family `frame` for
   * something that it cannot deliver as it is no frame. Called at most once; nothing comes after it.
   */
  end(cause?: unknown): void
}

/**
 * What carries a connection. A method that throws, or returns a promise that rejects, ends the session as TRANSPORT_FAILED;
 * what `close` and `abort` throw is dropped. Every adapter implements it; {@link streamTransport} makes one of two web streams.
 */
export interface Transport {
  readonly kind: TransportKind
  /** Where the peer is, for people and logs. */
  readonly address: string
  /** Starts delivering to `sink`. Called once, before anything else. */
  open(sink: TransportSink): void
  /** Sends frames in one go; false if the transport wants no more until {@link TransportSink.drain}. */
  write(frames: readonly Uint8Array[]): boolean
  /** Stops reading, so that the peer is slowed down. Not called on datagram transports. */
  pause(): void
  resume(): void
  /**
   * Sends what is still buffered and ends; resolves when done, or when it has taken too long and was cut off.
   * @param reason why, for transports that can tell the peer
   */
  close(reason?: UsmpError): Promise<void>
  /** Ends at once. */
  abort(reason?: UsmpError): void
}

/** Options of {@link streamTransport}. */
export interface StreamTransportOptions {
  readonly kind: TransportKind
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
  /** Where the peer is, for people and logs; default the kind. */
  readonly address?: string
}

/**
 * A transport made of a pair of web streams of bytes (for `message` and `datagram`: one message a chunk). This is the
 * short way to carry USMP over something of your own.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function streamTransport(options: StreamTransportOptions): Transport {
  checkOptions('streamTransport', options, streamTransportTable)
  const reader = options.readable.getReader()
  const writer = options.writable.getWriter()
  let reading = Promise.resolve()
  let resumeReading: (() => void) | undefined
  let sink: TransportSink | undefined
  let ended = false
  let finished: Promise<void> | undefined

  function cutOff(): void {
    writer.abort().catch(() => {})
    reader.cancel().catch(() => {})
  }

  function end(cause?: unknown): void {
    if (ended) return
    ended = true
    sink?.end(cause)
  }

  async function readAll(): Promise<void> {
    try {
      for (;;) {
        await reading
        const { done, value } = await reader.read()
        if (done) return end()
        if (!ended) sink?.receive(value)
      }
    } catch (error) {
      end(error)
    }
  }

  return {
    kind: options.kind,
    address: options.address ?? options.kind,
    open(target) {
      sink = target
      finished = readAll()
    },
    write(frames) {
      for (const frame of frames) writer.write(frame).catch(end)
      if ((writer.desiredSize ?? 0) > 0) return true
      writer.ready.then(() => sink?.drain(), end)
      return false
    },
    pause() {
      reading = new Promise((resolve) => (resumeReading = resolve))
    },
    resume() {
      resumeReading?.()
    },
    async close() {
      ended = true
      resumeReading?.()
      const timer = systemClock.setTimer(cutOff, CLOSE_TIMEOUT)
      // Reading goes on up to the end of the peer: to cancel at once would break what it has not read yet.
      await Promise.allSettled([writer.close(), finished])
      systemClock.clearTimer(timer)
    },
    abort() {
      ended = true
      resumeReading?.()
      cutOff()
    },
  }
}

/**
 * Lets a transport end in order; one that fails, or takes too long, is cut off. Never rejects.
 * @param by when it is cut off, ms of the clock
 */
export function closeTransport(transport: Transport, reason: UsmpError, clock: Clock, by: number): Promise<void> {
  return new Promise((resolve) => {
    const cutOff = () => resolve(abortTransport(transport, reason))
    const timer = clock.setTimer(cutOff, Math.max(0, Math.ceil(by - clock.now())))
    attempt(() => transport.close(reason))
      .then(resolve, cutOff)
      .finally(() => clock.clearTimer(timer))
  })
}

/** Ends a transport at once. Never rejects: it is over, whatever the transport throws. */
export function abortTransport(transport: Transport, reason?: UsmpError): Promise<void> {
  return attempt(() => transport.abort(reason)).catch(() => {})
}

/** Calls something of the application's; what it throws is a rejection. */
async function attempt<T>(call: () => T | Promise<T>): Promise<T> {
  return call()
}
