import type { Clock } from '@usmp/core'
import { CHUNK_SIZE, formatRequest } from './transfer-messages.js'

/** ms of silence before a request is repeated: the first time, and at most. */
const FIRST_SILENCE = 1_000
const LONGEST_SILENCE = 30_000

/** What {@link ImagePull} needs. */
export interface PullOptions {
  /** Bytes of the image. */
  readonly size: number
  /** Where it begins: what stands before is there. */
  readonly from: number
  /** Chunks under way at most. */
  readonly window: number
  readonly clock: Clock
  /** Sends a request; it may be lost. */
  readonly send: (message: Uint8Array) => void
  /** Writes the next bytes, one call at a time, in order. */
  readonly write: (offset: number, data: Uint8Array) => Promise<void>
  /** Everything is written. */
  readonly onWhole: () => void
  /** A write failed. Nothing follows. */
  readonly onFailed: (error: unknown) => void
}

/**
 * Pulls one image over one session: asks for chunks, puts them in order, has them written, asks again after silence.
 *
 * Chunks that were not asked for, have another length than their place says, or came before, are ignored. The pull never holds more than
 * `window` chunks: it asks for more only when earlier ones are written.
 */
export class ImagePull {
  readonly #options: PullOptions
  /** Up to here everything is written, received, and asked for. */
  #written: number
  #received: number
  #asked: number
  /** In order, not written yet. */
  readonly #waiting: Uint8Array[] = []
  /** Chunks behind a gap, by their offset. */
  readonly #early = new Map<number, Uint8Array>()
  #writing = false
  #idle: Promise<void> = Promise.resolve()
  #silence = FIRST_SILENCE
  #timer: unknown
  #stopped = false

  constructor(options: PullOptions) {
    this.#options = options
    this.#written = options.from
    this.#received = options.from
    this.#asked = options.from
  }

  /** Up to here the image is written, bytes. */
  get written(): number {
    return this.#written
  }

  /** Resolves when no write is under way. */
  get idle(): Promise<void> {
    return this.#idle
  }

  start(): void {
    if (this.#written === this.#options.size) return this.#finish()
    this.#ask()
  }

  /** A write that is under way goes on, see `idle`; nothing follows it. */
  stop(): void {
    this.#stopped = true
    this.#options.clock.clearTimer(this.#timer)
    this.#waiting.length = 0
    this.#early.clear()
  }

  /** A chunk of the gateway. */
  onChunk(offset: number, data: Uint8Array): void {
    if (this.#stopped || !this.#isAskedFor(offset, data)) return
    this.#early.set(offset, data)
    for (let next = this.#takeNext(); next; next = this.#takeNext()) {
      this.#received += next.length
      this.#waiting.push(next)
      this.#silence = FIRST_SILENCE
    }
    this.#armTimer()
    if (!this.#writing) this.#idle = this.#write()
  }

  #isAskedFor(offset: number, data: Uint8Array): boolean {
    const length = Math.min(CHUNK_SIZE, this.#options.size - offset)
    const behind = offset - this.#received
    return behind >= 0 && offset < this.#asked && behind % CHUNK_SIZE === 0 && data.length === length
  }

  #takeNext(): Uint8Array | undefined {
    const next = this.#early.get(this.#received)
    this.#early.delete(this.#received)
    return next
  }

  async #write(): Promise<void> {
    this.#writing = true
    try {
      for (let data = this.#waiting.shift(); data && !this.#stopped; data = this.#waiting.shift()) {
        await this.#options.write(this.#written, data)
        this.#written += data.length
        if (!this.#stopped) this.#ask()
      }
    } catch (error) {
      if (!this.#stopped) {
        this.stop()
        this.#options.onFailed(error)
      }
    } finally {
      this.#writing = false
    }
    if (!this.#stopped && this.#written === this.#options.size) this.#finish()
  }

  #finish(): void {
    this.stop()
    this.#options.onWhole()
  }

  /** Asks for more when half of the window is free, from where the last request ended. */
  #ask(): void {
    const { size, window } = this.#options
    const room = window - Math.ceil((this.#asked - this.#written) / CHUNK_SIZE)
    if (this.#asked < size && room >= Math.ceil(window / 2)) this.#request(this.#asked, room)
  }

  #request(from: number, count: number): void {
    const { size, send } = this.#options
    const asked = Math.min(count, Math.ceil((size - from) / CHUNK_SIZE))
    this.#asked = Math.min(size, from + asked * CHUNK_SIZE)
    send(formatRequest(from, asked))
    this.#armTimer()
  }

  #armTimer(): void {
    const { clock } = this.#options
    clock.clearTimer(this.#timer)
    if (!this.#stopped && this.#received < this.#options.size) {
      this.#timer = clock.setTimer(() => this.#onSilence(), this.#silence)
    }
  }

  /** What was asked for has not come, for any reason: asks again for all that is missing. */
  #onSilence(): void {
    this.#silence = Math.min(2 * this.#silence, LONGEST_SILENCE)
    const room = this.#options.window - Math.ceil((this.#received - this.#written) / CHUNK_SIZE)
    if (room > 0) this.#request(this.#received, room)
    else this.#armTimer()
  }
}
