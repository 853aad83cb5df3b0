import type { Clock } from '@usmp/core'
import { mostFrequent } from './ip-address.js'

/** Attempts that are remembered at once; above it the oldest of the address with most of them is forgotten. */
const MAX_ATTEMPTS = 256
/** How long an attempt can be asked about, ms. */
const MEMORY = 60_000

/** A device without a key here that has sent its proof. */
export interface UnprovenDevice {
  /** What it calls itself. */
  readonly deviceId: string
  /** Where it is, as in {@link RefusedEvent.address}. */
  readonly address: string
  /**
   * Whether the device has this key. False from 60 s after the attempt on, and earlier when a newer attempt of the device from the
   * same address, or 256 others, have taken its place. It can test guesses without the device: keep it in the process.
   * @throws UsmpError INVALID_ARGUMENT if it is no key
   */
  matches(psk: Uint8Array): boolean
}

/** What the core tells of an attempt. */
export type UnprovenProof = Pick<UnprovenDevice, 'deviceId' | 'matches'>

/**
 * Remembers the newest unproven attempt of each pair of address and device id, so that an application can try keys on it.
 * Any peer that can connect can make attempts, so they are bounded in number and in time. A source with many attempts loses its own
 * oldest ones first. A forgotten attempt holds no data, even if the application still holds the attempt.
 */
export class UnprovenDevices {
  readonly #clock: Pick<Clock, 'setTimer' | 'clearTimer'>
  /** By source and device id, oldest first. */
  readonly #attempts = new Map<string, Attempt>()

  constructor(clock: Pick<Clock, 'setTimer' | 'clearTimer'>) {
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
    this.#forget(key)
    if (this.#attempts.size >= MAX_ATTEMPTS) this.#forget(this.#oldestOfBusiest())
    const timer = this.#clock.setTimer(() => this.#forget(key), MEMORY)
    const attempt = new Attempt(proof, address, source, timer)
    this.#attempts.set(key, attempt)
    return attempt.device
  }

  /** Forgets all. */
  clear(): void {
    for (const key of [...this.#attempts.keys()]) this.#forget(key)
  }

  #forget(key: string): void {
    const attempt = this.#attempts.get(key)
    if (!attempt) return
    this.#attempts.delete(key)
    this.#clock.clearTimer(attempt.timer)
    attempt.proof = undefined
  }

  #oldestOfBusiest(): string {
    const sources = [...this.#attempts.values()].map(({ source }) => source)
    const busiest = mostFrequent(sources)
    return [...this.#attempts].find(([, { source }]) => source === busiest)![0]
  }
}

class Attempt {
  readonly source: string
  readonly timer: unknown
  readonly device: UnprovenDevice
  /** Undefined once it is forgotten. */
  proof: UnprovenProof | undefined

  constructor(proof: UnprovenProof, address: string, source: string, timer: unknown) {
    this.source = source
    this.timer = timer
    this.proof = proof
    this.device = { deviceId: proof.deviceId, address, matches: (psk) => this.proof?.matches(psk) ?? false }
  }
}
