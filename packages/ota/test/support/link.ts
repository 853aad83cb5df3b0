import { type Abortable, type Clock, UsmpError, WaitQueue } from '@usmp/core'
import type { RpcSession } from '@usmp/rpc'

/** What happens to one message on its way; undefined: it arrives once, after the latency. */
export type Fate = (message: Uint8Array, from: 'gateway' | 'device') => readonly number[] | undefined

export interface LinkOptions {
  readonly clock: Clock
  /** ms, one way; default 20. */
  readonly latency?: number
  /** Messages of a direction that are under way before `send` waits; default 8, as on datagrams. */
  readonly capacity?: number
  /** When each copy of a message arrives, ms from now. Sessions promise order without loss; what uses them must survive more. */
  readonly fate?: Fate
}

/** Both ends of a session in memory, on a clock that the test moves. */
export interface Link {
  readonly gateway: LinkEnd
  readonly device: LinkEnd
  /** Both ends see the end, and nothing that is under way arrives. */
  cut(): void
}

export function makeLink({ clock, latency = 20, capacity = 8, fate = () => undefined }: LinkOptions): Link {
  const gateway = new LinkEnd('gateway')
  const device = new LinkEnd('device')
  for (const [from, to] of [
    [gateway, device],
    [device, gateway],
  ] as const) {
    from.connect(capacity, (message, arrived) => {
      clock.setTimer(arrived, latency)
      for (const delay of fate(message, from.side) ?? [latency]) clock.setTimer(() => to.deliver(message), delay)
    })
  }
  const cut = () => {
    gateway.end(new UsmpError('TRUNCATED'))
    device.end(new UsmpError('TRUNCATED'))
  }
  gateway.onClose = cut
  device.onClose = cut
  return { gateway, device, cut }
}

/** One end, as `rpc` uses a session. */
export class LinkEnd implements RpcSession {
  readonly maxMessage = 1808
  readonly side: 'gateway' | 'device'
  readonly closed: Promise<UsmpError>
  onClose: () => void = () => {}
  /** Messages that were handed over, in order. */
  readonly sent: Uint8Array[] = []
  #resolveClosed!: (reason: UsmpError) => void
  #transmit!: (message: Uint8Array, arrived: () => void) => void
  #capacity = 0
  #underWay = 0
  readonly #sends = new WaitQueue<void, Uint8Array>()
  readonly #received: Uint8Array[] = []
  readonly #readers = new WaitQueue<Uint8Array | undefined>()
  #ended: UsmpError | undefined

  constructor(side: 'gateway' | 'device') {
    this.side = side
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  connect(capacity: number, transmit: (message: Uint8Array, arrived: () => void) => void): void {
    this.#capacity = capacity
    this.#transmit = transmit
  }

  /** Calls of `send` that wait. */
  get waiting(): number {
    return this.#sends.size
  }

  async send(message: Uint8Array | string, { signal }: Abortable = {}): Promise<void> {
    if (this.#ended) throw this.#ended
    const bytes = typeof message === 'string' ? new TextEncoder().encode(message) : message.slice()
    if (this.#underWay < this.#capacity) return this.#sendNow(bytes)
    return this.#sends.wait(signal, bytes)
  }

  trySend(message: Uint8Array | string): boolean {
    if (this.#ended || this.#underWay >= this.#capacity) return false
    this.#sendNow(typeof message === 'string' ? new TextEncoder().encode(message) : message.slice())
    return true
  }

  async receive(): Promise<Uint8Array | undefined> {
    const message = this.#received.shift()
    if (message) return message
    if (this.#ended) throw this.#ended
    return this.#readers.wait(undefined)
  }

  async close(): Promise<void> {
    this.onClose()
  }

  deliver(message: Uint8Array): void {
    if (this.#ended) return
    const reader = this.#readers.shift()
    if (reader) reader.resolve(message.slice())
    else this.#received.push(message.slice())
  }

  end(reason: UsmpError): void {
    if (this.#ended) return
    this.#ended = reason
    this.#sends.rejectAll(reason)
    this.#readers.rejectAll(reason)
    this.#resolveClosed(reason)
  }

  #sendNow(bytes: Uint8Array): void {
    this.#underWay++
    this.sent.push(bytes)
    this.#transmit(bytes, () => {
      this.#underWay--
      const next = this.#sends.shift()
      if (!next) return
      this.#sendNow(next.data)
      next.resolve()
    })
  }
}
