import { writeFile } from 'node:fs/promises'
import { toHex, UsmpError } from '@usmp/core'
import { writeSecretFile } from '@usmp/node/key-files'
import { ExitCode } from '../exit-code.js'
import type { Output } from '../output.js'
import { askNewPassphrase, type PassphraseFlags } from '../passphrase.js'
import { assertNew, openKeyFile, readKeyText, readPublicKeyFile, writing } from './files.js'
import { loadNode, loadOta } from './package.js'

export interface KeygenFlags extends PassphraseFlags {
  readonly out: string
  /** False with `--no-passphrase`. */
  readonly passphrase: boolean
  readonly c?: boolean
}

export interface PublicFlags extends PassphraseFlags {
  readonly c?: boolean
  readonly pem?: boolean
}

/** Bytes of a C array on one line. */
const BYTES_A_LINE = 8

/** Makes the key of a publisher: the secret half in one file, the public half in another and on stdout. */
export async function keygenCommand({ out, c, ...flags }: KeygenFlags, output: Output): Promise<number> {
  const publicFile = `${out}.pub`
  await assertNew(out)
  await assertNew(publicFile)
  const passphrase = await newPassphrase(flags)
  const { PublisherKey } = await loadNode()
  const { formatPublicKey } = await loadOta()
  const key = PublisherKey.generate()
  await writeSecretFile(out, await key.toPem(passphrase))
  await writing(publicFile, () => writeFile(publicFile, formatPublicKey(key.publicKey), { flag: 'wx', mode: 0o644 }))
  await tellPublicKey(key.publicKey, c ? 'c' : 'hex', output)
  output.status(
    `wrote the key ${key.keyId} into ${out}, which only you can read, and its public half into ${publicFile}`,
    { event: 'key', key_id: key.keyId, file: out, public_file: publicFile, encrypted: passphrase !== undefined },
    'Keep a copy where it cannot burn or be stolen with this machine: without it no update can be signed.',
  )
  return ExitCode.OK
}

/** Shows the public half of a key, from the file of either half. */
export async function publicCommand(file: string, { c, pem, ...flags }: PublicFlags, output: Output): Promise<number> {
  const isSecret = (await readKeyText(file)).includes('PRIVATE KEY-----')
  const publicKey = isSecret ? (await openKeyFile(file, flags)).publicKey : await readPublicKeyFile(file)
  await tellPublicKey(publicKey, c ? 'c' : pem ? 'pem' : 'hex', output)
  return ExitCode.OK
}

/** Empty for none. Asked for before the key is made. */
async function newPassphrase({ passphrase, passphraseFile }: Omit<KeygenFlags, 'out'>): Promise<string | undefined> {
  if (!passphrase && passphraseFile !== undefined) {
    throw new UsmpError('INVALID_ARGUMENT', '--no-passphrase and --passphrase-file exclude each other')
  }
  if (!passphrase) return undefined
  if (passphraseFile === undefined && !process.stdin.isTTY) {
    throw new UsmpError('INVALID_ARGUMENT', 'there is no terminal to ask for the passphrase of the new key', {
      hint: 'Give --passphrase-file FILE; or --no-passphrase, if everybody who can read the file may sign.',
    })
  }
  return (await askNewPassphrase(passphraseFile)) || undefined
}

async function tellPublicKey(publicKey: Uint8Array, form: 'hex' | 'c' | 'pem', output: Output): Promise<void> {
  const { formatPublicKey, keyIdOf } = await loadOta()
  const keyId = keyIdOf(publicKey)
  const texts = {
    hex: () => toHex(publicKey),
    pem: () => formatPublicKey(publicKey).trimEnd(),
    c: () => cArray(publicKey, keyId),
  }
  await output.result(texts[form](), {
    event: 'public-key',
    key_id: keyId,
    public_key: toHex(publicKey),
    pem: formatPublicKey(publicKey),
  })
}

/** The public key for a firmware, as C. */
function cArray(publicKey: Uint8Array, keyId: string): string {
  const bytes = Array.from(publicKey, (byte) => `0x${toHex(Uint8Array.of(byte))}`)
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += BYTES_A_LINE) {
    lines.push(`  ${bytes.slice(at, at + BYTES_A_LINE).join(', ')},`)
  }
  return `/* The public key of the publisher whose updates this device takes; its id is ${keyId}. */
static const uint8_t publisher_key[32] = {
${lines.join('\n')}
};`
}
