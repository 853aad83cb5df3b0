import { slugOf } from './names.js'

/** Where the bridge writes. `history` names a device beyond its hardware; all parts are safe in a topic. */
export class BridgeTopics {
  /** `online` or `offline` of the gateway itself; the broker writes the latter when the gateway dies. */
  readonly gateway: string
  /** Home Assistant says here that it has started. */
  readonly birth: string
  readonly #values: string
  readonly #discovery: string
  readonly #nodePrefix: string

  constructor(site: string, prefix: string, discoveryPrefix: string) {
    const safeSite = slugOf(site)
    this.#values = `${prefix}/${safeSite}`
    this.#discovery = discoveryPrefix
    this.#nodePrefix = `usmp_${safeSite}_`
    this.gateway = `${this.#values}/gateway`
    this.birth = `${discoveryPrefix}/status`
  }

  /** What Home Assistant knows the device by. */
  node(history: string): string {
    return this.#nodePrefix + bare(history)
  }

  config(history: string): string {
    return `${this.#discovery}/device/${this.node(history)}/config`
  }

  availability(history: string): string {
    return `${this.#device(history)}/availability`
  }

  alarm(history: string): string {
    return `${this.#device(history)}/alarm`
  }

  reading(history: string, slug: string): string {
    return `${this.#device(history)}/reading/${slug}`
  }

  /** Filters for all that this bridge, or an earlier run of it, has written about devices. */
  get own(): string[] {
    return [`${this.#values}/device/#`, `${this.#discovery}/device/+/config`]
  }

  /** Which device a topic is about, its id without colons; undefined for what is not of this site. */
  ownerOf(topic: string): string | undefined {
    for (const start of [`${this.#values}/device/`, `${this.#discovery}/device/${this.#nodePrefix}`])
      if (topic.startsWith(start)) return /^[0-9a-f]{12}(?=\/)/.exec(topic.slice(start.length))?.[0]
    return undefined
  }

  #device(history: string): string {
    return `${this.#values}/device/${bare(history)}`
  }
}

/** A device id without its colons. */
export function bare(id: string): string {
  return id.replaceAll(':', '')
}
