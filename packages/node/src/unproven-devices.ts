import { type Clock, UsmpError } from '@usmp/core'
import { period } from '@usmp/core/options'
import { mostFrequent } from './ip-address.js'

/** Attempts that are remembered at once; above it the oldest of the address with most of them is forgotten. */
const MAX_ATTEMPTS = 256
/** How long an attempt can be asked about, ms. */
const MEMORY = 60_000

type Timers = Pick<Clock, 'setTimer' | 'clearTimer'>

/** A device without a key here that has sent its proof. */
export interface UnprovenDevice {
  /** What it calls itself. */
  readonly deviceId: string
  /** Where it is, as in {@link RefusedEvent.address}. */
  readonly address: string
  /**
   * Whether the device has this key. False from 60 s after the attempt on, and earlier when a newer attempt of the device from the
   * same address, or 256 others, have taken its place; {@link keep} makes it longer. It can test guesses without the device: keep it
   * in the process.
   * @throws UsmpError INVALID_ARGUMENT if it is no key
   */
  matches(psk: Uint8Array): boolean
  /**
   * Lets the attempt be asked about for `time` ms from now on, and no other attempt takes its place. Each call begins the time again.
   * Nothing bounds how many are kept, so the application must.
   * @returns false if it was forgotten already
   * @throws UsmpError INVALID_ARGUMENT if `time` is no number of ms over 0, up to 2147483647
   */
  keep(time: number): boolean
  /** Wipes what was kept of it: `matches` is false from now on. */
  forget(): void
}

/** What the core tells of an attempt. */
export type UnprovenProof = Pick<UnprovenDevice, 'deviceId' | 'matches'>

/**
 * Remembers the newest unproven attempt of each pair of address and device id, so that an application can try keys on it.
 * Any peer that can connect can make attempts, so they are bounded in number and in time. A source with many attempts loses its own
 * oldest ones first. An attempt that the application keeps counts no longer: the application bounds those. A forgotten attempt holds no
 * data, even if the application still holds the attempt.
 */
export class UnprovenDevices {
  readonly #clock: Timers
  /** By source and device id, oldest first. */
  readonly #attempts = new Map<string, Attempt>()
  readonly #kept = new Set<Attempt>()

  constructor(clock: Timers) {
    this.#clock = clock
  }

  /**
   * Remembers an attempt.
   * @param source what counts as one address
   */
  add(
    proof: UnprovenProof,
    { address, source }: { readonly address: string; readonly source: string },
  ): UnprovenDevice {
    const key = `${source} ${proof.deviceId}`
    this.#attempts.get(key)?.forget()
    if (this.#attempts.size >= MAX_ATTEMPTS) this.#oldestOfBusiest().forget()
    const attempt: Attempt = new Attempt(proof, address, source, {
      clock: this.#clock,
      onKept: () => {
        this.#attempts.delete(key)
        this.#kept.add(attempt)
      },
      onForgotten: () => {
        if (this.#attempts.get(key) === attempt) this.#attempts.delete(key)
        this.#kept.delete(attempt)
      },
    })
    this.#attempts.set(key, attempt)
    return attempt.device
  }

  /** Forgets all, also those that are kept. */
  clear(): void {
    for (const attempt of [...this.#attempts.values(), ...this.#kept]) attempt.forget()
  }

  #oldestOfBusiest(): Attempt {
    const attempts = [...this.#attempts.values()]
    const busiest = mostFrequent(attempts.map(({ source }) => source))
    return attempts.find(({ source }) => source === busiest)!
  }
}

interface AttemptParts {
  readonly clock: Timers
  /** From now on the application bounds it. Called once. */
  readonly onKept: () => void
  readonly onForgotten: () => void
}

class Attempt {
  readonly source: string
  readonly device: UnprovenDevice
  readonly #parts: AttemptParts
  /** Undefined once it is forgotten. */
  #proof: UnprovenProof | undefined
  #timer: unknown
  #kept = false

  constructor(proof: UnprovenProof, address: string, source: string, parts: AttemptParts) {
    this.source = source
    this.#parts = parts
    this.#proof = proof
    this.#forgetAfter(MEMORY)
    this.device = {
      deviceId: proof.deviceId,
      address,
      matches: (psk) => this.#proof?.matches(psk) ?? false,
      keep: (time) => this.#keep(time),
      forget: () => this.forget(),
    }
  }

  forget(): void {
    if (!this.#proof) return
    this.#proof = undefined
    this.#parts.clock.clearTimer(this.#timer)
    this.#parts.onForgotten()
  }

  #keep(time: number): boolean {
    if (!period.fits(time)) throw new UsmpError('INVALID_ARGUMENT', `time must be ${period.expected}`)
    if (!this.#proof) return false
    this.#parts.clock.clearTimer(this.#timer)
    this.#forgetAfter(time)
    if (!this.#kept) this.#parts.onKept()
    this.#kept = true
    return true
  }

  #forgetAfter(time: number): void {
    this.#timer = this.#parts.clock.setTimer(() => this.forget(), time)
  }
}
