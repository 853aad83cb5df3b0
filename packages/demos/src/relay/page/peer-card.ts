import { type Identity, type KnownPeer, safetyWords } from '@usmp/relay'
import { byId } from '../../shared/dom.ts'

/** What a person finds out by comparing words. */
export interface PeerActions {
  /** They are the same. */
  verified(): void
  /** They are not. */
  different(): void
}

/** Who the other one is: its name, and the words to compare. */
export class PeerCard {
  readonly #box = byId<HTMLDetailsElement>('words-box')
  readonly #tag = byId('verified')
  #words: (() => readonly [string, string]) | undefined

  constructor({ verified, different }: PeerActions) {
    byId('compared').addEventListener('click', () => {
      this.#box.open = false
      verified()
    })
    byId('different').addEventListener('click', different)
    this.#box.addEventListener('toggle', () => this.#box.open && this.#showWords())
  }

  show(peer: KnownPeer, identity: Identity): void {
    byId('peer-name').textContent = peer.name
    this.#tag.textContent = peer.verified ? 'words compared' : 'words not compared'
    this.#tag.dataset.verified = String(peer.verified)
    // They take a moment, and most people do not look at them.
    this.#words = () => safetyWords(identity.publicKey, peer.publicKey)
  }

  close(): void {
    this.#box.open = false
  }

  #showWords(): void {
    const lines = byId('safety-words').children
    for (const [index, words] of (this.#words?.() ?? []).entries()) lines[index]!.textContent = words
  }
}
