import { toHex, UsmpError } from '@usmp/core'
import { writeSecretFile } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { askNewPassphrase } from '../passphrase.js'
import { defaultName, type IdentityFlags } from './files.js'
import { loadRelay } from './package.js'
import { knownPeer } from './peers.js'
import { formatPublicIdentity } from './public-identity.js'
import { OwnStore, quoted } from './store.js'

export interface ExportFlags extends IdentityFlags {
  readonly name?: string
}

export interface PasswordFlags extends IdentityFlags {
  readonly newPassphraseFile?: string
  readonly remove?: boolean
}

/** Shows who we are. */
export async function identityShowCommand(flags: IdentityFlags, output: Output): Promise<number> {
  const store = new OwnStore(flags, output)
  const { publicKey, sealed: isSealed } = await store.about()
  const sealed = isSealed
    ? 'sealed by a passphrase'
    : `without a passphrase: \`${store.command('identity passwd')}\` seals it`
  await output.result(`${toHex(publicKey)}\n${store.file}, ${sealed}`, {
    event: 'identity',
    public_key: toHex(publicKey),
    file: store.file,
    sealed: isSealed,
  })
  return ExitCode.OK
}

/** Writes what others need to know us by; nothing of it is secret. */
export async function identityExportCommand(file: string, flags: ExportFlags, output: Output): Promise<number> {
  const store = new OwnStore(flags, output)
  const { publicKey } = await store.about()
  const { name = defaultName() } = flags
  const text = await formatPublicIdentity({ name, publicKey })
  if (file === '-') await output.write(text)
  else await writeSecretFile(file, text)
  output.status(
    `wrote the public key of ${name}${file === '-' ? '' : ` into ${file}`}`,
    { event: 'exported', name, public_key: toHex(publicKey), file: file === '-' ? null : file },
    'It holds no secret. But who can change it on its way can take your place: compare the words afterwards.',
  )
  return ExitCode.OK
}

/** Seals the identity by another passphrase, or by none. */
export async function identityPasswordCommand(flags: PasswordFlags, output: Output): Promise<number> {
  const { newPassphraseFile, remove } = flags
  if (newPassphraseFile !== undefined && remove) {
    throw new UsmpError('INVALID_ARGUMENT', '--remove and --new-passphrase-file exclude each other')
  }
  const store = new OwnStore(flags, output)
  const identity = await store.identity()
  try {
    const passphrase = remove ? '' : await askNewPassphrase(newPassphraseFile)
    await store.reseal(identity, passphrase)
    const isSealed = passphrase !== ''
    output.status(
      isSealed ? `${store.file} is sealed by the new passphrase` : `${store.file} is kept without a passphrase`,
      { event: 'resealed', file: store.file, sealed: isSealed },
      isSealed ? 'There is no way in without it: keep a copy of the file and of the passphrase.' : '',
    )
  } finally {
    identity.wipe()
  }
  return ExitCode.OK
}

/** Words of both identities, for two people who compare them. */
export async function identityWordsCommand(name: string, flags: IdentityFlags, output: Output): Promise<number> {
  const store = new OwnStore(flags, output)
  const peer = await knownPeer(name, store)
  const words = await wordsWith(store, peer.publicKey)
  await output.result(words.join('\n'), { event: 'words', peer: name, words, verified: peer.verified })
  output.status(
    `compare both lines with ${name}, by telephone or face to face`,
    { event: 'compare', peer: name },
    `Are they the same at both ends? Then: ${store.command(`verify ${quoted(name)}`)}\n  If not, somebody is between you: ${store.command(`forget ${quoted(name)}`)}`,
  )
  return ExitCode.OK
}

async function wordsWith(store: OwnStore, peer: Uint8Array): Promise<readonly string[]> {
  const { safetyWords } = await loadRelay()
  return safetyWords((await store.about()).publicKey, peer)
}
