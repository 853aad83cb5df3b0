import { CipherSuite, equalBytes, fromHex, nobleProvider, type RandomSource, toHex, UsmpError, wipe } from '@usmp/core'
import { isObject } from '@usmp/core/options'
import { pskFromPassphrase } from '@usmp/core/passphrase'
import { assertIdentityKey, IDENTITY_KEY_SIZE, Identity } from './identity.js'
import { drawBytes, platformRandom, secretBytes } from './random.js'

/** The longest file, characters. */
export const MAX_IDENTITY_FILE = 4096

const VERSION = 1
const TYPE = 'usmp-relay-identity'
/** As `pskFromPassphrase` of the core has it. No other cost is taken: a file could ask for all memory there is. */
const SCRYPT = { name: 'scrypt', N: 2 ** 17, r: 8, p: 1 } as const
const SALT_SIZE = 16
const NONCE_SIZE = 12
const TAG_SIZE = 16
const HINT = 'Take the file from your backup. Without it, pair anew with every peer.'

/** What a file says without its passphrase. Only the seal proves it. */
export interface IdentityHeader {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** Whether it takes a passphrase to open it. */
  readonly sealed: boolean
}

/** A sealed identity does not open. The code is INVALID_ARGUMENT, as for every argument that is not usable. */
export class WrongPassphrase extends UsmpError {
  constructor() {
    super('INVALID_ARGUMENT', 'the passphrase of the identity is wrong, or its file was changed', {
      hint: 'Try again. There is no way around a forgotten passphrase: take a backup of the file, or pair anew with every peer.',
    })
  }
}

/** The fields of a file, checked. All but the box are bound to the box by its tag. */
interface IdentityFile {
  readonly publicKey: Uint8Array
  readonly seal: { readonly salt: Uint8Array; readonly nonce: Uint8Array } | undefined
  readonly box: Uint8Array
}

/**
 * An identity as the text of a file (specification, section 12.2): JSON, the secret key sealed by ChaCha20-Poly1305 under a key that
 * scrypt makes of the passphrase (128 MiB, about a second). Without a passphrase the secret key stands in it as it is: such a file must
 * be readable by its owner alone.
 * @param random for salt and nonce; default: that of the platform
 * @throws UsmpError INVALID_ARGUMENT for an empty passphrase, and an identity that was wiped; RANDOM_FAILED
 */
export async function sealIdentity(
  identity: Identity,
  passphrase?: string,
  random: RandomSource = platformRandom,
): Promise<string> {
  const { publicKey } = identity
  const secret = identity.exportSecret()
  try {
    if (passphrase === undefined) return textOf({ publicKey, seal: undefined, box: secret })
    const seal = { salt: drawBytes(random, SALT_SIZE), nonce: drawBytes(random, NONCE_SIZE) }
    const box = new Uint8Array(IDENTITY_KEY_SIZE + TAG_SIZE)
    const key = await pskFromPassphrase(passphrase, seal.salt)
    const aead = nobleProvider.aead(CipherSuite.CHACHA20_POLY1305, key)
    aead.seal(seal.nonce, headerOf({ publicKey, seal }), secret, box)
    aead.wipe()
    wipe(key)
    return textOf({ publicKey, seal, box })
  } finally {
    wipe(secret)
  }
}

/**
 * The identity in the text of a file.
 * @param passphrase needed if the file is sealed; must be left out if it is not, as somebody may have put another file in its place
 * @throws UsmpError INVALID_ARGUMENT; {@link WrongPassphrase}, which has the same code
 */
export async function openIdentity(text: string, passphrase?: string): Promise<Identity> {
  const file = parse(text)
  const secret = await secretOf(file, passphrase)
  const identity = Identity.fromSecret(secret)
  wipe(secret)
  if (equalBytes(identity.publicKey, file.publicKey)) return identity
  identity.wipe()
  throw unusable('its secret key does not belong to its public key')
}

/**
 * What the text of a file says without its passphrase.
 * @throws UsmpError INVALID_ARGUMENT
 */
export function readIdentityHeader(text: string): IdentityHeader {
  const { publicKey, seal } = parse(text)
  return { publicKey, sealed: seal !== undefined }
}

async function secretOf({ publicKey, seal, box }: IdentityFile, passphrase: string | undefined): Promise<Uint8Array> {
  if (!seal) {
    if (passphrase === undefined) return box
    throw unusable(
      'it is not sealed, and a passphrase was given',
      'Is this the right file? Open it without a passphrase.',
    )
  }
  if (passphrase === undefined)
    throw unusable('it is sealed by a passphrase, and none was given', 'Give its passphrase.')
  const key = await pskFromPassphrase(passphrase, seal.salt)
  const aead = nobleProvider.aead(CipherSuite.CHACHA20_POLY1305, key)
  const opened = aead.open(seal.nonce, headerOf({ publicKey, seal }), box)
  aead.wipe()
  wipe(key)
  if (!opened) throw new WrongPassphrase()
  const secret = secretBytes(IDENTITY_KEY_SIZE)
  secret.set(opened)
  wipe(opened)
  return secret
}

// ─── the text ───

function fieldsOf({ publicKey, seal }: Omit<IdentityFile, 'box'>) {
  return {
    v: VERSION,
    type: TYPE,
    public: toHex(publicKey),
    kdf: seal ? { ...SCRYPT, salt: toHex(seal.salt) } : null,
    nonce: seal ? toHex(seal.nonce) : null,
  }
}

/** What the tag of the box covers besides: the other fields as JSON, in this order and without spaces. */
function headerOf(file: Omit<IdentityFile, 'box'>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(fieldsOf(file)))
}

function textOf(file: IdentityFile): string {
  return `${JSON.stringify({ ...fieldsOf(file), box: toHex(file.box) }, undefined, 2)}\n`
}

function parse(text: string): IdentityFile {
  const fields = parseFields(text)
  if (fields.v !== VERSION) throw unusable('it is of another version', 'Upgrade @usmp/relay, or take an older file.')
  const publicKey = bytesOf(fields.public, IDENTITY_KEY_SIZE, 'public')
  assertIdentityKey(publicKey)
  const seal = parseSeal(fields)
  return { publicKey, seal, box: bytesOf(fields.box, IDENTITY_KEY_SIZE + (seal ? TAG_SIZE : 0), 'box') }
}

/** The parser's own message would show a piece of the file. */
function parseFields(text: string): Record<string, unknown> {
  if (typeof text !== 'string' || text.length > MAX_IDENTITY_FILE) throw unusable('it is too long to be one')
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    throw unusable('it is not JSON')
  }
  if (!isObject(fields) || fields.type !== TYPE) throw unusable('it is of another kind')
  assertNames(fields, ['v', 'type', 'public', 'kdf', 'nonce', 'box'])
  return fields
}

function parseSeal({ kdf, nonce }: Record<string, unknown>): IdentityFile['seal'] {
  if (kdf === null && nonce === null) return undefined
  if (!isObject(kdf)) throw unusable('its field kdf is wrong')
  assertNames(kdf, ['name', 'N', 'r', 'p', 'salt'])
  for (const [name, value] of Object.entries(SCRYPT)) {
    if (kdf[name] !== value) throw unusable(`its field kdf.${name} must be ${value}`)
  }
  return { salt: bytesOf(kdf.salt, SALT_SIZE, 'kdf.salt'), nonce: bytesOf(nonce, NONCE_SIZE, 'nonce') }
}

function assertNames(fields: Record<string, unknown>, names: readonly string[]): void {
  const given = Object.keys(fields)
  if (given.length !== names.length || !names.every((name) => Object.hasOwn(fields, name))) {
    throw unusable(`it must have the fields ${names.join(', ')} and no others`)
  }
}

/** Lower-case hex alone, so that a file has one form. */
function bytesOf(value: unknown, size: number, name: string): Uint8Array {
  if (typeof value !== 'string' || value.length !== 2 * size || !/^[0-9a-f]+$/.test(value)) {
    throw unusable(`its field ${name} must be ${2 * size} lower-case hex digits`)
  }
  return fromHex(value)
}

function unusable(detail: string, hint = HINT): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', `the identity file cannot be used: ${detail}`, { hint })
}
