import { createHmac } from 'node:crypto'
import type { Counters, Limit } from '../counters.js'
import { GatewayError } from '../errors.js'
import type { GatewayTime } from '../time.js'

const TIMEOUT = 5_000
/** Pauses before each further try, ms. */
const PAUSES = [1_000, 5_000, 25_000] as const
/** Notices that wait; above it the oldest is dropped. */
const MAX_WAITING = 100

/** Where notices go. */
export interface WebhookOptions {
  /** http or https. */
  readonly url: string
  /** If given, each notice carries `X-USMP-Signature: sha256=` and the HMAC-SHA256 of its body under this text, in hex. */
  readonly secret?: string
}

/**
 * Tells another program of alarms: POST with JSON, one after another, in order. A notice is tried four times at most and then dropped.
 * Redirects are not followed, and answers are not read.
 */
export class Webhook {
  readonly #url: string
  readonly #secret: string | undefined
  readonly #time: GatewayTime
  readonly #limits: Counters<Limit>
  readonly #waiting: string[] = []
  readonly #closed = new AbortController()
  #running = false

  /** @throws GatewayError INVALID */
  constructor({ url, secret }: WebhookOptions, time: GatewayTime, limits: Counters<Limit>) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new GatewayError(
        'INVALID',
        'The address of the webhook must be a URL that begins with http:// or https://.',
      )
    }
    this.#url = url
    this.#secret = secret
    this.#time = time
    this.#limits = limits
  }

  /** Puts a notice into the queue. */
  send(notice: object): void {
    if (this.#closed.signal.aborted) return
    this.#waiting.push(JSON.stringify(notice))
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift()
      this.#limits.add('webhook-dropped')
    }
    if (!this.#running) void this.#run()
  }

  /** Drops what waits. */
  close(): void {
    this.#closed.abort()
    this.#waiting.length = 0
  }

  async #run(): Promise<void> {
    this.#running = true
    for (let body = this.#waiting.shift(); body !== undefined; body = this.#waiting.shift()) {
      if (!(await this.#deliver(body))) this.#limits.add('webhook-dropped')
    }
    this.#running = false
  }

  async #deliver(body: string): Promise<boolean> {
    if (await this.#post(body)) return true
    for (const pause of PAUSES) {
      if (!this.#closed.signal.aborted) await this.#pause(pause)
      if (this.#closed.signal.aborted) return false
      if (await this.#post(body)) return true
    }
    return false
  }

  /** @returns whether the other end has taken it */
  async #post(body: string): Promise<boolean> {
    const signature = this.#secret && `sha256=${createHmac('sha256', this.#secret).update(body).digest('hex')}`
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(signature && { 'x-usmp-signature': signature }) },
        body,
        redirect: 'error',
        signal: AbortSignal.any([this.#closed.signal, AbortSignal.timeout(TIMEOUT)]),
      })
      await response.body?.cancel()
      return response.ok
    } catch {
      return false
    }
  }

  #pause(span: number): Promise<void> {
    const { signal } = this.#closed
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.#time.after(span, end)
      signal.addEventListener('abort', end)
    })
  }
}
