import type { RequestOutcome } from '../contract/commands.js'

/** Outcomes that are kept of one device. */
const PER_DEVICE = 50
/** What those of all devices may take together, characters of JSON. */
const TOTAL_SIZE = 16 * 1024 * 1024

interface Kept {
  readonly deviceId: string
  readonly outcome: RequestOutcome
  readonly size: number
}

/** The newest outcomes of requests, by device. In memory alone: results may be private. */
export class RequestHistory {
  /** Oldest first. */
  readonly #kept: Kept[] = []
  #size = 0

  add(deviceId: string, outcome: RequestOutcome): void {
    const size = JSON.stringify(outcome).length
    this.#kept.push({ deviceId, outcome, size })
    this.#size += size
    const ofDevice = this.#kept.filter((one) => one.deviceId === deviceId)
    if (ofDevice.length > PER_DEVICE) this.#drop(ofDevice[0]!)
    while (this.#size > TOTAL_SIZE) this.#drop(this.#kept[0]!)
  }

  /** Newest first. */
  of(deviceId: string): readonly RequestOutcome[] {
    return this.#kept
      .filter((one) => one.deviceId === deviceId)
      .map(({ outcome }) => outcome)
      .reverse()
  }

  /** Outcomes of `from` go on under the id `to`. */
  move(from: string, to: string): void {
    this.#kept.forEach((one, i) => {
      if (one.deviceId === from) this.#kept[i] = { ...one, deviceId: to }
    })
  }

  remove(deviceId: string): void {
    for (const one of this.#kept.filter((kept) => kept.deviceId === deviceId)) this.#drop(one)
  }

  #drop(one: Kept): void {
    const [dropped] = this.#kept.splice(this.#kept.indexOf(one), 1)
    this.#size -= dropped!.size
  }
}
