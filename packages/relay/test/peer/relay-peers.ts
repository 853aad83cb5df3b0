import { UsmpError } from '@usmp/core'
import { nodeProvider } from '@usmp/node'
import { onTestFinished } from 'vitest'
import type { Dial } from '../../src/dial.ts'
import { RelayPeer, type RelayPeerOptions } from '../../src/peer.ts'
import type { RelayStatus } from '../../src/relay-status.ts'
import type { Side } from '../../src/wire.ts'
import { keysOf, NOON, RELAY } from './pair-of-peers.ts'

/** A peer that notes its states and, as text, what it receives. */
export class NotingPeer {
  readonly peer: RelayPeer
  readonly told: RelayStatus[] = []
  readonly received: string[] = []

  constructor(dial: Dial, side: Side, more: Partial<RelayPeerOptions> = {}) {
    this.peer = RelayPeer.start({
      relay: RELAY,
      dial,
      keys: keysOf(side),
      provider: nodeProvider,
      now: () => NOON,
      ...more,
    })
    this.peer.addEventListener('state', ({ status }) => void this.told.push(status))
    onTestFinished(() => this.peer.channel.abort(new UsmpError('SHUTDOWN')))
  }

  /** Takes messages until the channel ends. */
  receive(): void {
    const { channel } = this.peer
    const takeAll = async () => {
      for await (const message of channel) this.received.push(Buffer.from(message).toString())
    }
    takeAll().catch(() => {})
  }

  get states(): string[] {
    return this.told.map(({ state }) => state)
  }

  get errors(): string[] {
    return this.told.flatMap(({ error }) => error?.code ?? [])
  }
}

/** Numbered messages, one after the other, as fast as the channel takes them. */
export async function sendNumbered({ peer }: NotingPeer, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await peer.channel.send(`${name} ${i}`)
}

export const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name} ${index}`)
