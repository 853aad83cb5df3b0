import { toHex } from '@usmp/core'
import { byId } from '../../shared/dom.ts'
import type { PageIdentity, VisitReason } from './identity-store.ts'

/** Hex digits of a key that people look at. */
const SHOWN = 16

const KEPT =
  'The secret key lies in the database of this browser (IndexedDB), where it can be copied: scripts of this origin can read it, and so ' +
  'can whoever reads your browser profile. For more than a demo, use a terminal and seal your identity by a passphrase.'
const ADVICE: Readonly<Record<VisitReason, string>> = {
  'another tab uses the stored one':
    'Another tab has the identity that this browser keeps, so this tab has one of its own. When it is closed, nobody knows you by it any more.',
  'this browser keeps nothing for this page':
    'This browser keeps nothing for this page, as in some private windows. When the tab is closed, nobody knows you by this identity any more.',
  'what this browser has kept cannot be used':
    'What this browser has kept for this page cannot be used, and was left as it is. When the tab is closed, nobody knows you by this identity any more.',
}

/** Says who this page is, and where its secret key lies. */
export function showOwnIdentity({ identity, visitOnly }: PageIdentity): void {
  byId('own-key').textContent = shortKey(identity.publicKey)
  byId('kept').textContent = visitOnly ? 'for this visit only' : 'kept in this browser'
  byId('kept').dataset.kept = String(visitOnly === undefined)
  byId('kept-text').textContent = visitOnly ? ADVICE[visitOnly] : KEPT
  byId('forget-all').hidden = visitOnly !== undefined
}

/** The first digits of a key, in groups of four. */
export function shortKey(publicKey: Uint8Array): string {
  return `${toHex(publicKey)
    .slice(0, SHOWN)
    .replace(/.{4}(?=.)/g, '$& ')} …`
}

/** A name that no other page has by default. */
export function defaultName({ identity }: PageIdentity): string {
  return `Visitor ${toHex(identity.publicKey).slice(0, 4)}`
}
