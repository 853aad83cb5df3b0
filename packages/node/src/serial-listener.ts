import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { SerialMultiplexer, type Session } from '@usmp/core'
import { duplexTransport } from './duplex.js'
import type { ConnectionHandler, Listener } from './listener.js'
import type { SerialSource } from './serial.js'

/** Between two attempts to open a serial port, ms. */
const REOPEN_DELAY = 500
/** Causes of failed attempts that are remembered, so that each is told once. */
const MAX_CAUSES = 16

/**
 * Serves one serial port until it is closed, and opens the port again when it has ended. On a serial port every handshake runs
 * beside the session that is there, and replaces it only once it is proven.
 */
export class SerialListener implements Listener {
  readonly #source: SerialSource
  readonly #sessions = new Set<Session>()
  #serial: SerialMultiplexer | undefined
  #keepAlive: ReturnType<typeof setInterval> | undefined
  #closed = false

  constructor(source: SerialSource) {
    this.#source = source
  }

  async start(handler: ConnectionHandler): Promise<void> {
    // A server keeps its process alive while it listens, also while the port is not there.
    this.#keepAlive = setInterval(() => {}, 2 ** 31 - 1)
    // A peer may say HELLO as soon as this resolves, so the first attempt is waited for; but an `open` may hang.
    const attempted = new Promise<void>((resolve) => void this.#serve(handler, resolve))
    await Promise.race([attempted, sleep(REOPEN_DELAY, undefined, { ref: false })])
  }

  /** The sessions say BYE over the port, so it stays open until they have ended. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#keepAlive)
    await Promise.all([...this.#sessions].map(({ closed }) => closed))
    await this.#serial?.close()
  }

  get address(): string {
    return this.#source.name
  }

  async #serve(handler: ConnectionHandler, onAttempted: () => void): Promise<void> {
    const causes = new Set<string>()
    while (!this.#closed) {
      try {
        this.#serial = shareSerial(await this.#source.open(), this.address)
        onAttempted()
        causes.clear()
        await this.#acceptAll(this.#serial, handler)
      } catch (error) {
        onAttempted()
        this.#warnOnce(causes, error, handler)
      }
      // A port that ends at once every time must not keep the processor busy.
      await sleep(REOPEN_DELAY, undefined, { ref: false })
    }
  }

  /** Waits for the next HELLO again and again, for as long as the port is there. */
  async #acceptAll(serial: SerialMultiplexer, handler: ConnectionHandler): Promise<void> {
    if (this.#closed) return serial.close()
    const onSession = (session: Session) => {
      serial.replaceSession(session)
      this.#sessions.add(session)
      void session.closed.then(() => this.#sessions.delete(session))
    }
    while (serial.open && !this.#closed) await handler.accept(serial.join(), { exempt: true, onSession })
  }

  /** A port that is not there fails again and again, in the same way. */
  #warnOnce(causes: Set<string>, error: unknown, handler: ConnectionHandler): void {
    const cause = error instanceof Error ? error.message : String(error)
    if (causes.has(cause)) return
    if (causes.size >= MAX_CAUSES) causes.clear()
    causes.add(cause)
    const message = `the serial port ${this.address} cannot be opened, trying again: ${cause}`
    // A moment later: the application has to be able to listen for a warning, which comes once.
    setImmediate(() => handler.onFault(message, error))
  }
}

/** A serial port that was opened, for handshakes and a session to share. */
export function shareSerial(stream: Duplex, name: string): SerialMultiplexer {
  // A port that says it has ended may still wait for us to end it too; and where we end, there is nothing to wait for.
  stream.once('end', () => stream.destroy())
  stream.once('finish', () => stream.destroy())
  return new SerialMultiplexer(duplexTransport(stream, 'serial', name))
}
