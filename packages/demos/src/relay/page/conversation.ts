import { asUsmpError, type UsmpError } from '@usmp/core'
import { type Cover, RelayPeer, type RelayPeerOptions, type RelayStatus } from '@usmp/relay'
import type { Chat, OwnLine } from './chat.ts'
import type { FrameLog } from './frame-log.ts'

/** Is told what becomes of a conversation. */
export interface ConversationListener {
  onState(status: RelayStatus): void
  /** @param reason CLOSED for a good end; @param here whether this page has ended it */
  onEnd(reason: UsmpError, here: boolean): void
}

/** What a conversation needs of the page. */
export interface Surroundings {
  readonly chat: Chat
  readonly log: FrameLog
  readonly listener: ConversationListener
}

/** How long a page that is between two sessions waits for the next one, so that it can tell the other end that it leaves, ms. */
const LAST_CHANCE = 3_000

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The conversation with one peer, over any number of sessions. */
export class Conversation {
  readonly #peer: RelayPeer
  readonly #around: Surroundings
  /** Lines of ours whose fate is not known. */
  readonly #underWay = new Set<OwnLine>()
  /** There is a session, and it is not about to end. */
  #online = false
  #leaving = false

  /** @param name of the peer, as it is shown */
  constructor(options: RelayPeerOptions, name: string, around: Surroundings) {
    this.#around = around
    this.#peer = RelayPeer.start(options)
    this.#peer.addEventListener('state', ({ status }) => {
      this.#online = status.state === 'online'
      around.listener.onState(status)
    })
    this.#peer.channel.addEventListener('peerrestarted', () => around.chat.addNote(`${name} has started again`))
    void this.#listen()
    void this.#end(options)
  }

  setCover(cover: Cover): void {
    this.#online = false
    this.#peer.setCover(cover)
  }

  async say(text: string): Promise<void> {
    const { chat, log } = this.#around
    const line = chat.addOwn(text)
    this.#underWay.add(line)
    log.onSpoken('out')
    try {
      await this.#peer.channel.send(text)
      await this.#peer.channel.flush()
      this.#underWay.delete(line)
      line.delivered()
    } catch (error) {
      const { code, message } = asUsmpError(error, 'TRANSPORT_FAILED')
      if (code !== 'CLOSED') chat.showFault(`Not said: ${message}`)
    }
  }

  /** Ends it at both ends, after what was said has arrived. */
  async leave(): Promise<void> {
    if (this.#leaving) return
    this.#leaving = true
    await this.#untilOnline()
    await this.#peer.close()
  }

  /** Or until it takes too long. */
  #untilOnline(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#online) return resolve()
      setTimeout(resolve, LAST_CHANCE)
      // The channel takes the session over right after the event.
      this.#peer.addEventListener('state', ({ status }) => status.state === 'online' && setTimeout(resolve))
    })
  }

  async #listen(): Promise<void> {
    const { chat, log } = this.#around
    try {
      for await (const message of this.#peer.channel) {
        log.onSpoken('in')
        chat.addTheirs(textOf(message))
      }
    } catch {
      // The end tells why.
    }
  }

  async #end({ keys }: RelayPeerOptions): Promise<void> {
    const reason = await this.#peer.ended
    keys.wipe()
    for (const line of this.#underWay) line.unknown()
    this.#around.listener.onEnd(reason, this.#leaving)
  }
}

function textOf(message: Uint8Array): string {
  try {
    return decoder.decode(message)
  } catch {
    return `(${message.length} bytes that are no text)`
  }
}
