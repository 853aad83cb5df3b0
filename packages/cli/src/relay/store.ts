import { UsmpError } from '@usmp/core'
import { readSecretFile } from '@usmp/node/key-files'
import type { Identity, KnownPeer, KnownPeers, PairedPeer } from '@usmp/relay'
import { WrongPassphrase } from '../exit-code.js'
import type { Output } from '../output.js'
import { askPassphrase } from '../passphrase.js'
import { defaultIdentityFile, type IdentityFlags, knownPeersFile } from './files.js'
import { loadNode, loadRelay } from './package.js'

/** What somebody can do who has forgotten the passphrase. */
const IDENTITY_LOST = 'Without its passphrase an identity is lost: take another one, and pair anew with every peer.'
/** Bytes; more than any identity file has. */
const MAX_FILE = 4096

/** A peer that was paired with, or came by a file. */
export interface Learnt {
  readonly peer: KnownPeer
  readonly isNew: boolean
  /** One whose key is known keeps its name, whatever it calls itself. */
  readonly callsItself: string
}

/** The own identity, which is made at its first use, and the peers that it knows. */
export class OwnStore {
  readonly file: string
  readonly #flags: IdentityFlags
  readonly #output: Output

  constructor(flags: IdentityFlags, output: Output) {
    this.file = flags.identity ?? defaultIdentityFile()
    this.#flags = flags
    this.#output = output
  }

  /** A command about this identity, for people. */
  command(words: string): string {
    const { identity } = this.#flags
    return `usmp relay ${words}${identity === undefined ? '' : ` --identity ${quoted(identity)}`}`
  }

  /**
   * The caller wipes it.
   * @throws UsmpError INVALID_ARGUMENT; WrongPassphrase
   */
  async identity(): Promise<Identity> {
    const { readIdentityFile } = await loadNode()
    const { WrongPassphrase: Refused } = await loadRelay()
    try {
      return (
        (await readIdentityFile(this.file, () => askPassphrase(this.#flags, 'the identity'))) ?? (await this.#make())
      )
    } catch (error) {
      throw error instanceof Refused ? new WrongPassphrase(this.file, IDENTITY_LOST, error as Error) : error
    }
  }

  /**
   * What the file of the identity tells without its passphrase.
   * @throws UsmpError INVALID_ARGUMENT
   */
  async about(): Promise<{ readonly publicKey: Uint8Array; readonly sealed: boolean }> {
    const { readIdentityHeader } = await loadRelay()
    try {
      return readIdentityHeader((await readSecretFile(this.file, MAX_FILE)).toString('utf8'))
    } catch (error) {
      if (((error as UsmpError).cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') throw error
    }
    const identity = await this.#make()
    identity.wipe()
    return { publicKey: identity.publicKey, sealed: this.#flags.passphraseFile !== undefined }
  }

  /** Writes the identity anew, sealed by this passphrase, or by none if it is empty. */
  async reseal(identity: Identity, passphrase: string): Promise<void> {
    const { writeIdentityFile } = await loadNode()
    await writeIdentityFile(this.file, identity, { replace: true, ...(passphrase === '' ? {} : { passphrase }) })
  }

  async peers(): Promise<KnownPeers> {
    const { readKnownPeers } = await loadNode()
    return readKnownPeers(knownPeersFile(this.file))
  }

  /** Changes the known peers; what other programs change meanwhile is not lost. */
  async change<T>(edit: (peers: KnownPeers) => T): Promise<T> {
    const { updateKnownPeers } = await loadNode()
    return updateKnownPeers(knownPeersFile(this.file), edit)
  }

  /**
   * Remembers a peer. One whose key is known already keeps its name.
   * @throws UsmpError IDENTITY_CHANGED, with the command that mends it, if another key is known under this name
   */
  async learn(peer: PairedPeer): Promise<Learnt> {
    try {
      return await this.change((peers) => {
        const before = peers.list().length
        const known = peers.learn(peer, new Date())
        return { peer: known, isNew: peers.list().length > before, callsItself: peer.name }
      })
    } catch (error) {
      if (!(error instanceof UsmpError && error.code === 'IDENTITY_CHANGED')) throw error
      throw new UsmpError(
        'IDENTITY_CHANGED',
        `${peer.name} is known with another key in ${knownPeersFile(this.file)}`,
        {
          cause: error,
          hint: `Nothing was changed. Ask ${peer.name} by another way. If it has a new identity, this removes the old one, and you pair anew:\n    ${this.command(`forget ${quoted(peer.name)}`)}\n  If not, somebody poses as it.`,
        },
      )
    }
  }

  async #make(): Promise<Identity> {
    const { Identity } = await loadRelay()
    const { writeIdentityFile } = await loadNode()
    const { passphraseFile } = this.#flags
    const identity = Identity.generate()
    const passphrase = passphraseFile === undefined ? undefined : await askPassphrase(this.#flags, 'the identity')
    await writeIdentityFile(this.file, identity, { passphrase })
    this.#output.status(
      `made a new identity in ${this.file}; only you can read it`,
      { event: 'made', file: this.file, sealed: passphrase !== undefined },
      passphrase === undefined ? `To seal it by a passphrase: ${this.command('identity passwd')}` : '',
    )
    return identity
  }
}

/** As a shell takes it. */
export function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
