import { UsmpError } from '@usmp/core'
import type { RelayPeer } from '@usmp/relay'
import type { Output } from '../output.js'
import { printableBytes } from '../printable.js'
import type { MessageLine } from './message-line.js'

/** Characters of a message that was not delivered, where that is told. */
const SHOWN = 40

/** The channel of a peer: what is under way when a session breaks goes over the next one. */
export class ChannelLine implements MessageLine {
  readonly #peer: RelayPeer
  #undelivered = 0

  /** @param name of the other end, for what is told */
  constructor(peer: RelayPeer, name: string, output: Output) {
    this.#peer = peer
    const { channel } = peer
    channel.addEventListener('peerrestarted', () => {
      const text = `${name} has restarted: what it had not confirmed is sent again`
      output.status(text, { event: 'peer-restarted', peer: name })
    })
    const tell = (event: 'expired' | 'unconfirmed', text: string) =>
      channel.addEventListener(event, ({ data }) => {
        if (event === 'unconfirmed') this.#undelivered++
        output.status(`${text}: ${printableBytes(data).slice(0, SHOWN)}`, { event, peer: name, bytes: data.length })
      })
    tell('expired', 'too old, and not delivered')
    tell('unconfirmed', `not confirmed by ${name}, so it may have arrived or not`)
  }

  get undelivered(): number {
    return this.#undelivered
  }

  get maxMessage(): number {
    return this.#peer.channel.maxMessage
  }

  messages(): AsyncIterable<Uint8Array> {
    return this.#peer.channel
  }

  send(message: Uint8Array): Promise<void> {
    return this.#peer.channel.send(message)
  }

  trySend(message: Uint8Array, options: { readonly ttl?: number }): boolean {
    return this.#peer.channel.trySend(message, options)
  }

  async close(): Promise<void> {
    await this.#peer.channel.flush()
    await this.#peer.channel.close()
  }

  async abort(): Promise<void> {
    this.#peer.channel.abort(new UsmpError('CLOSED'))
    await this.#peer.close()
  }
}
