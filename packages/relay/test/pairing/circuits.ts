import type { Transport, TransportSink } from '@usmp/core'

export type End = 'guest' | 'host'

/** What the network does with the n-th message of an end (from 0): what arrives in its place; 'cut' ends the circuit. */
export type Network = (message: { from: End; index: number; bytes: Uint8Array }) => readonly Uint8Array[] | 'cut'

/** A circuit in memory: both of its ends, and all that was sent through it, in order. */
export interface Circuit {
  readonly guest: Transport
  readonly host: Transport
  readonly seen: readonly { readonly from: End; readonly bytes: Uint8Array }[]
}

/** One end. What comes before it is opened waits; an end of either is one of both, after what was sent. */
class MemoryEnd implements Transport {
  readonly kind = 'message'
  readonly address: string
  other: MemoryEnd | undefined
  readonly #send: (bytes: Uint8Array) => void
  #sink: TransportSink | undefined
  readonly #waiting: (Uint8Array | 'end')[] = []
  #ended = false

  constructor(address: string, send: (bytes: Uint8Array) => void) {
    this.address = address
    this.#send = send
  }

  open(sink: TransportSink): void {
    this.#sink = sink
    this.#deliver()
  }

  write(messages: readonly Uint8Array[]): boolean {
    if (!this.#ended) for (const message of messages) this.#send(message.slice())
    return true
  }

  pause(): void {}
  resume(): void {}

  async close(): Promise<void> {
    this.abort()
  }

  abort(): void {
    if (this.#ended) return
    this.#ended = true
    this.other?.take('end')
  }

  take(item: Uint8Array | 'end'): void {
    this.#waiting.push(item)
    queueMicrotask(() => this.#deliver())
  }

  #deliver(): void {
    while (this.#sink && !this.#ended && this.#waiting.length > 0) {
      const item = this.#waiting.shift()!
      if (item !== 'end') this.#sink.receive(item)
      else {
        this.#ended = true
        this.#sink.end()
      }
    }
  }
}

/** Two ends and a network between them, by default an honest one. */
export function circuit(network: Network = ({ bytes }) => [bytes]): Circuit {
  const seen: { from: End; bytes: Uint8Array }[] = []
  const sent = { guest: 0, host: 0 }
  const sender = (from: End) => (bytes: Uint8Array) => {
    const arriving = network({ from, index: sent[from]++, bytes })
    seen.push({ from, bytes })
    const to = from === 'guest' ? host : guest
    if (arriving !== 'cut') for (const message of arriving) to.take(message)
    else for (const end of [guest, host]) end.take('end')
  }
  const guest: MemoryEnd = new MemoryEnd('guest', sender('guest'))
  const host: MemoryEnd = new MemoryEnd('host', sender('host'))
  guest.other = host
  host.other = guest
  return { guest, host, seen }
}
