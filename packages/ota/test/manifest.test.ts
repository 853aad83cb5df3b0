import { describe, expect, test } from 'vitest'
import { judgeManifest, parseManifest, signManifest, verifyManifest } from '../src/index.ts'
import { plainFields, plainTarget, publisher } from './publisher.ts'

const alice = publisher(1)
const bob = publisher(2)

describe('a manifest', () => {
  test('is signed, read, verified and taken', () => {
    const signed = signManifest(plainFields(alice.keyId, { name: 'Grüße', nextKey: bob.publicKey }), alice.secretKey)
    const manifest = parseManifest(signed.bytes)
    expect(manifest).toEqual(signed)
    expect(verifyManifest(manifest, alice.publicKey)).toBe(true)
    expect(verifyManifest(manifest, bob.publicKey)).toBe(false)
    const target = plainTarget({ counter: 7, keys: [alice.publicKey], revoked: [] })
    expect(judgeManifest(manifest, target)).toBeUndefined()
  })
})
