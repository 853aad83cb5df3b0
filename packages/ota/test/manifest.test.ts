import { fromHex, UsmpError } from '@usmp/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  applyConfirmed,
  attachSignature,
  encodeManifest,
  joinBundle,
  judgeManifest,
  type ManifestFields,
  manifestSize,
  messageToSign,
  OtaCode,
  OtaError,
  parseManifest,
  signManifest,
  splitBundle,
  type TrustRecord,
  verifyManifest,
} from '../src/index.ts'
import { plainFields, plainTarget, publisher } from './publisher.ts'

const alice = publisher(1)
const bob = publisher(2)
const publishers = [alice, bob, publisher(3), publisher(4), publisher(5)]

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const ascii = (max: number) =>
  fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: max })
    .map((codes) => String.fromCharCode(...codes))
const names = fc
  .string({ unit: 'binary', maxLength: 32 })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these a name may not have
  .filter((text) => Buffer.from(text).length <= 32 && !/[\x00-\x1f\x7f]/.test(text))
const keyIds = bytes(8).map((id) => Buffer.from(id).toString('hex'))
const extensions = fc
  .uniqueArray(fc.record({ type: fc.integer({ min: 2, max: 0x7f }), value: fc.uint8Array({ maxLength: 40 }) }), {
    selector: ({ type }) => type,
    maxLength: 3,
  })
  .map((list) => list.sort((a, b) => a.type - b.type))

/** Everything that a manifest can say. */
const fields: fc.Arbitrary<ManifestFields> = fc
  .record({
    product: ascii(16),
    chip: ascii(8),
    version: u32,
    counter: u32,
    leastVersion: u32,
    size: fc.integer({ min: 1, max: 0xffff_ffff }),
    sha256: bytes(32),
    notAfter: u32,
    name: names,
    nextKey: fc.option(bytes(32), { nil: undefined }),
    revokedKeys: fc.uniqueArray(keyIds, { maxLength: 8 }),
    extensions,
  })
  .map(({ nextKey, revokedKeys, ...rest }) => ({
    ...rest,
    ...(nextKey ? { nextKey } : {}),
    keyId: alice.keyId,
    revokedKeys: revokedKeys.filter((id) => id !== alice.keyId).sort(),
  }))

/** The code with which something is refused. */
function refusalOf(action: () => unknown): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (error instanceof OtaError || error instanceof UsmpError) return error.code
    throw error
  }
}

describe('a manifest', () => {
  test('says what was signed, whatever it is', () => {
    fc.assert(
      fc.property(fields, bytes(64), (given, signature) => {
        const made = encodeManifest(given, () => signature)
        expect(made).toEqual({ ...given, bytes: made.bytes })
        expect(parseManifest(made.bytes)).toEqual(made)
        expect(manifestSize(made.bytes)).toBe(made.bytes.length)
        expect(attachSignature(messageToSign(given), signature)).toEqual(made)
      }),
    )
  })

  test('any other bytes say something else, or nothing: no two manifests have the same meaning', () => {
    fc.assert(
      fc.property(fields, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, place, change) => {
        const { bytes: whole } = encodeManifest(given, () => new Uint8Array(64))
        const at = place % (whole.length - 64)
        const changed = new Uint8Array(whole)
        changed[at]! ^= change
        const refused = refusalOf(() => parseManifest(changed))
        expect([undefined, 'MALFORMED']).toContain(refused)
        if (refused !== undefined) return
        const { bytes: _, ...says } = parseManifest(changed)
        expect(says).not.toEqual(given)
      }),
    )
  })

  test('any bytes are refused as MALFORMED and by nothing else', () => {
    const head = fc.constantFrom([], [0x55, 0x4f, 0x54, 0x41, 1, 0, 96, 0])
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 600 }), (start, rest) => {
        const refused = refusalOf(() => parseManifest(Uint8Array.from([...start, ...rest])))
        expect([undefined, 'MALFORMED']).toContain(refused)
      }),
      { numRuns: 1000 },
    )
  })

  test('the signature is that of its key, over all of it', () => {
    const signed = signManifest(plainFields(alice.keyId, { name: 'Grüße', nextKey: bob.publicKey }), alice.secretKey)
    expect(verifyManifest(signed, alice.publicKey)).toBe(true)
    expect(verifyManifest(signed, bob.publicKey)).toBe(false)
    for (let at = 8; at < signed.bytes.length; at += 5) {
      const changed = new Uint8Array(signed.bytes)
      changed[at]! ^= 4
      if (refusalOf(() => parseManifest(changed)) === undefined) {
        expect(verifyManifest(parseManifest(changed), alice.publicKey), `byte ${at}`).toBe(false)
      }
    }
  })

  test('does not change with the bytes that it came from', () => {
    const { bytes: given } = signManifest(plainFields(alice.keyId), alice.secretKey)
    const manifest = parseManifest(given)
    given.fill(0)
    expect(verifyManifest(manifest, alice.publicKey)).toBe(true)
    expect(manifest.sha256).toEqual(plainFields(alice.keyId).sha256)
  })

  test.each<[string, Partial<ManifestFields>]>([
    ['a product that is empty', { product: '' }],
    ['a product of 17 characters', { product: '0123456789abcdef0' }],
    ['a chip with an umlaut', { chip: 'esp32ü' }],
    ['a version over 32 bits', { version: 2 ** 32 }],
    ['a negative counter', { counter: -1 }],
    ['a counter that is no number', { counter: Number.NaN }],
    ['half a byte', { size: 1.5 }],
    ['an empty image', { size: 0 }],
    ['a hash of 31 bytes', { sha256: new Uint8Array(31) }],
    ['a name of 33 bytes', { name: 'ü'.repeat(17) }],
    ['a name with a newline', { name: 'a\nb' }],
    ['a name with half a character', { name: 'a\ud800' }],
    ['a next key of 33 bytes', { nextKey: new Uint8Array(33) }],
    ['nine revoked keys', { revokedKeys: Array.from({ length: 9 }, (_, i) => i.toString(16).padStart(16, '0')) }],
    ['a revoked key twice', { revokedKeys: ['0011223344556677', '0011223344556677'] }],
    ['a revoked key in capitals', { revokedKeys: ['001122334455667A'] }],
    ['its own key revoked', { revokedKeys: [alice.keyId] }],
    ['an extension of a known type', { extensions: [{ type: 1, value: new Uint8Array(1) }] }],
    ['an extension that must be understood', { extensions: [{ type: 0x84, value: new Uint8Array(1) }] }],
    ['an extension of 256 bytes', { extensions: [{ type: 5, value: new Uint8Array(256) }] }],
    ['two extensions of one type', { extensions: [5, 5].map((type) => ({ type, value: new Uint8Array(1) })) }],
    ['more than 448 bytes', { extensions: [5, 6].map((type) => ({ type, value: new Uint8Array(200) })) }],
  ])('cannot be made with %s', (_, changes) => {
    expect(refusalOf(() => messageToSign(plainFields(alice.keyId, changes)))).toBe('INVALID_ARGUMENT')
  })

  test('a signature of another length, and a message that is none, are wrong arguments', () => {
    const message = messageToSign(plainFields(alice.keyId))
    expect(refusalOf(() => attachSignature(message, new Uint8Array(63)))).toBe('INVALID_ARGUMENT')
    expect(refusalOf(() => attachSignature(message.subarray(1), new Uint8Array(64)))).toBe('INVALID_ARGUMENT')
    expect(refusalOf(() => attachSignature(message.subarray(0, -1), new Uint8Array(64)))).toBe('INVALID_ARGUMENT')
  })
})

describe('a bundle', () => {
  const image = fromHex('01020304')
  const manifest = signManifest(plainFields(alice.keyId), alice.secretKey)

  test('comes apart again', () => {
    expect(splitBundle(joinBundle(manifest, image))).toEqual({ manifest, image })
  })

  test.each([
    ['a byte less', (bundle: Uint8Array) => bundle.subarray(0, -1), 'WRONG_IMAGE'],
    ['a byte more', (bundle: Uint8Array) => Uint8Array.from([...bundle, 0]), 'WRONG_IMAGE'],
    ['another byte', (bundle: Uint8Array) => Uint8Array.from([...bundle.subarray(0, -1), 5]), 'WRONG_IMAGE'],
    ['the image alone', () => image, 'MALFORMED'],
    ['half a manifest', (bundle: Uint8Array) => bundle.subarray(0, 100), 'MALFORMED'],
  ])('%s', (_, change, code) => {
    expect(refusalOf(() => splitBundle(change(joinBundle(manifest, image))))).toBe(code)
  })
})

describe('what a device trusts', () => {
  /** A walk: each step somebody signs something about keys and the counter. */
  const step = fc.record({
    signer: fc.nat(4),
    nextKey: fc.option(fc.nat(4), { nil: undefined }),
    revoked: fc.uniqueArray(fc.nat(4), { maxLength: 3 }),
    counter: fc.nat(6),
  })

  test('after any updates: one to three keys, a counter that never falls, nobody back who was revoked', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        let record: TrustRecord = { counter: 0, keys: [alice.publicKey], revoked: [] }
        const gone = new Set<string>()
        for (const { signer, nextKey, revoked, counter } of steps) {
          const { keyId, secretKey } = publishers[signer]!
          const manifest = signManifest(
            plainFields(keyId, {
              counter,
              nextKey: nextKey === undefined ? undefined : publishers[nextKey]!.publicKey,
              revokedKeys: revoked.map((index) => publishers[index]!.keyId).filter((id) => id !== keyId),
            }),
            secretKey,
          )
          const trusted = record.keys.some((key) => equal(key, publishers[signer]!.publicKey))
          const refused = judgeManifest(manifest, plainTarget(record))
          if (!trusted || counter < record.counter) expect(refused).not.toBeUndefined()
          if (refused !== undefined) continue
          const before = record
          record = applyConfirmed(record, manifest)
          for (const id of manifest.revokedKeys) gone.add(id)
          expect(record.counter).toBe(Math.max(before.counter, counter))
          expect(record.keys.length).toBeGreaterThanOrEqual(1)
          expect(record.keys.length).toBeLessThanOrEqual(3)
          const ids = record.keys.map((key) => publishers.find(({ publicKey }) => equal(publicKey, key))!.keyId)
          expect(ids.filter((id) => gone.has(id))).toEqual([])
          expect(ids).toContain(keyId)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('does not ask the application before everything else holds', () => {
    const manifest = signManifest(plainFields(alice.keyId), alice.secretKey)
    const asked: string[] = []
    const mayUpdate = () => asked.push('asked') > 0
    const record = { counter: 7, keys: [bob.publicKey], revoked: [] }
    expect(judgeManifest(manifest, plainTarget(record, { mayUpdate }))).toBe(OtaCode.UNKNOWN_KEY)
    expect(
      judgeManifest(manifest, plainTarget({ ...record, keys: [alice.publicKey] }, { mayUpdate, busy: true })),
    ).toBe(OtaCode.BUSY)
    expect(asked).toEqual([])
    expect(judgeManifest(manifest, plainTarget({ ...record, keys: [alice.publicKey] }, { mayUpdate }))).toBeUndefined()
    expect(asked).toEqual(['asked'])
  })
})

const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0
