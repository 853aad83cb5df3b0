import type { KnownPeer } from '@usmp/relay'
import { byId } from '../../shared/dom.ts'
import { isolated } from './problem.ts'
import { shortKey } from './who-card.ts'

/** What can be done with a known peer. */
export interface KnownActions {
  talk(peer: KnownPeer): void
  forget(peer: KnownPeer): void
}

/** The peers that this page knows. */
export function showKnownPeers(peers: readonly KnownPeer[], actions: KnownActions): void {
  byId('known').hidden = peers.length === 0
  byId('known-list').replaceChildren(...peers.map((peer) => entryOf(peer, actions)))
}

function entryOf(peer: KnownPeer, { talk, forget }: KnownActions): HTMLLIElement {
  const entry = document.createElement('li')
  const name = document.createElement('bdi')
  name.textContent = peer.name
  const key = document.createElement('small')
  key.className = 'mono dim'
  key.textContent = `${shortKey(peer.publicKey)}${peer.verified ? ' · words compared' : ''}`
  const who = document.createElement('p')
  who.append(name, key)
  entry.append(
    who,
    button('Talk', `Talk to ${isolated(peer.name)}`, () => talk(peer)),
  )
  const less = button('Forget', `Forget ${isolated(peer.name)}`, () => forget(peer))
  less.className = 'quiet'
  entry.append(less)
  return entry
}

function button(text: string, name: string, onClick: () => void): HTMLButtonElement {
  const made = document.createElement('button')
  made.type = 'button'
  made.textContent = text
  made.setAttribute('aria-label', name)
  made.addEventListener('click', onClick)
  return made
}
