import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { concatBytes, equalBytes, UsmpError } from '@usmp/core'
import {
  applyConfirmed,
  encodeManifest,
  formatPublicKey,
  judgeManifest,
  keyIdOf,
  type Manifest,
  type ManifestFields,
  messageToSign,
  OtaError,
  otaCodeName,
  parseManifest,
  parsePublicKey,
  publicKeyOf,
  type TrustRecord,
  verifyManifest,
} from '@usmp/ota'
import { Choices, must, type Target } from '../target.js'

const HEAD = 8
const FIXED = 96
const SIGNATURE = 64
const MAX_SIGNED = 448
const DOMAIN = new TextEncoder().encode('usmp-ota-v1\0')

/** A publisher whose signatures node:crypto makes. */
interface Publisher {
  readonly publicKey: Uint8Array
  readonly secret: KeyObject
  readonly known: KeyObject
}

function publisher(number: number): Publisher {
  const seed = new Uint8Array(32).fill(number)
  const der = concatBytes(Buffer.from('302e020100300506032b657004220420', 'hex'), seed)
  const secret = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  return { publicKey: publicKeyOf(seed), secret, known: createPublicKey(secret) }
}

const publishers = [1, 2, 3, 4].map(publisher)
const [alice] = publishers as [Publisher]

/** Bytes as they are, or as a signed part under the right head, with a signature that the input chooses. */
export function bytesFrom(choices: Choices): Uint8Array {
  const how = choices.byte()
  if ((how & 1) === 0) return choices.bytes(choices.left)
  const signer = publishers[(how >> 1) & 3]!
  const bend = choices.number()
  const part = headed(choices.bytes(MAX_SIGNED), signer)
  const signature = new Uint8Array(sign(null, concatBytes(DOMAIN, part), signer.secret))
  if ((how & 8) !== 0) signature[bend % SIGNATURE]! ^= 1 << ((bend >> 8) & 7)
  return concatBytes(part, signature)
}

/** Any bytes as a signed part: the head and the key id are right, and it is long enough. */
function headed(rest: Uint8Array, signer: Publisher): Uint8Array {
  const part = new Uint8Array(Math.max(FIXED, Math.min(MAX_SIGNED, rest.length)))
  part.set(rest.subarray(0, part.length))
  part.set([0x55, 0x4f, 0x54, 0x41, 1, 0, part.length & 0xff, part.length >> 8])
  part.set(Buffer.from(keyIdOf(signer.publicKey), 'hex'), HEAD)
  // These mostly stand in the way, and are checked by the other half of the inputs.
  part.set([0, 0, 0, 0], 92)
  return part
}

/** A manifest, or nothing; never a fault. */
export function parsed(bytes: Uint8Array): Manifest | undefined {
  try {
    return parseManifest(bytes)
  } catch (error) {
    must(error instanceof OtaError && error.code === 'MALFORMED', `parseManifest throws ${String(error)}`)
    return undefined
  }
}

/** It has one form, and says the same again. */
function checkForm(manifest: Manifest, bytes: Uint8Array): void {
  const signature = bytes.subarray(-SIGNATURE)
  must(equalBytes(encodeManifest(manifest, () => signature).bytes, bytes), 'it is encoded to other bytes')
  must(!parsed(concatBytes(bytes, Uint8Array.of(0))), 'a byte behind it is taken')
  must(!parsed(bytes.subarray(0, -1)), 'a byte less is taken')
}

/** The signature is as good as OpenSSL finds it: no key of these is one about which libraries differ. */
function checkSignature(manifest: Manifest): boolean {
  const message = messageToSign(manifest)
  const signature = manifest.bytes.subarray(-SIGNATURE)
  let isSigned = false
  for (const { publicKey, known } of publishers) {
    const isGood = verifyManifest(manifest, publicKey)
    must(isGood === verify(null, message, known, signature), 'the signature is judged otherwise by node:crypto')
    isSigned ||= isGood
  }
  return isSigned
}

/** Devices that trust some of the publishers, and take everything else. */
export function* records(): Generator<TrustRecord> {
  const keys = publishers.map(({ publicKey }) => publicKey)
  yield { counter: 0, keys: keys.slice(0, 1), revoked: [] }
  yield { counter: 0x01000000, keys: keys.slice(0, 3), revoked: [keyIdOf(keys[3]!)] }
}

/** Taken by nobody without a good signature; what is taken leaves a record by which it is taken again. */
function checkDevices(manifest: Manifest, isSigned: boolean): void {
  for (const record of records()) {
    const { product, chip } = manifest
    const device = { product, chip, version: 0xffffffff, slotSize: 0xffffffff, busy: false }
    const code = judgeManifest(manifest, { ...device, record })
    must(code === undefined || otaCodeName(code) !== undefined, `it is refused with ${code}`)
    if (code !== undefined) continue
    must(isSigned, 'it is taken without a signature')
    const after = applyConfirmed(record, manifest)
    must(after.counter >= record.counter && after.counter >= manifest.counter, 'the counter falls')
    must(after.keys.length >= 1 && after.keys.length <= 3 && after.revoked.length <= 8, 'the record is too large')
    must(judgeManifest(manifest, { ...device, record: after }) === undefined, 'it is not taken again')
  }
}

/** A public key as text says the same again. */
function checkKeyText(text: string): void {
  let key: Uint8Array
  try {
    key = parsePublicKey(text)
  } catch (error) {
    must(error instanceof UsmpError && error.code === 'INVALID_ARGUMENT', `parsePublicKey throws ${String(error)}`)
    return
  }
  must(equalBytes(parsePublicKey(formatPublicKey(key)), key), 'the key is written as another one')
}

const plain: ManifestFields = {
  keyId: keyIdOf(alice.publicKey),
  product: 'weather-station',
  chip: 'esp32c3',
  version: 0x01040000,
  counter: 7,
  leastVersion: 0,
  size: 8,
  sha256: new Uint8Array(32),
  notAfter: 0,
  name: '',
  revokedKeys: [],
  extensions: [],
}
const whole: ManifestFields = {
  ...plain,
  name: 'Grüße €',
  nextKey: publishers[1]!.publicKey,
  revokedKeys: [keyIdOf(publishers[2]!.publicKey), keyIdOf(publishers[3]!.publicKey)].sort(),
  extensions: [{ type: 2, value: new Uint8Array(3) }],
}

/** The signed part of a manifest with these fields, behind what {@link bytesFrom} reads first. */
const structured = (how: number, fields: ManifestFields) =>
  concatBytes(Uint8Array.of(1, how, 9, 0), messageToSign(fields).subarray(DOMAIN.length))

/** Manifests, in the form that {@link bytesFrom} takes behind one byte. */
export function manifestSeeds(): Uint8Array[] {
  return [
    ...[plain, whole].map((fields) =>
      concatBytes(
        Uint8Array.of(1, 0),
        encodeManifest(fields, (message) => new Uint8Array(sign(null, message, alice.secret))).bytes,
      ),
    ),
    ...[1, 3, 9].flatMap((how) => [structured(how, plain), structured(how, whole)]),
  ]
}

export const otaManifest: Target = {
  seeds: () => [
    ...manifestSeeds(),
    concatBytes(Uint8Array.of(0), new TextEncoder().encode(formatPublicKey(alice.publicKey))),
    concatBytes(Uint8Array.of(0), new TextEncoder().encode('AB'.repeat(32))),
  ],
  run(input) {
    const choices = new Choices(input)
    if (choices.byte() === 0) return checkKeyText(new TextDecoder().decode(choices.bytes(choices.left)))
    const bytes = bytesFrom(choices)
    const manifest = parsed(bytes)
    if (!manifest) return
    checkForm(manifest, bytes)
    checkDevices(manifest, checkSignature(manifest))
  },
}
