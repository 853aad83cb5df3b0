import { userInfo } from 'node:os'
import { join } from 'node:path'
import { defaultFolder } from '../data-folder.js'
import type { PassphraseFlags } from '../passphrase.js'

/** Of every command that needs the own identity. */
export interface IdentityFlags extends PassphraseFlags {
  readonly identity?: string
}

export function defaultIdentityFile(): string {
  return join(defaultFolder('usmp-relay'), 'identity.json')
}

/** Where the peers are that an identity knows: beside it, since they know it and no other one. */
export function knownPeersFile(identityFile: string): string {
  return `${identityFile.replace(/\.json$/, '')}.peers`
}

/** Under which other ends know us, unless told. */
export function defaultName(): string {
  try {
    return userInfo().username
  } catch {
    // In a container the user may have no entry.
    return 'peer'
  }
}
