import { fromHex, toHex, UsmpError } from '@usmp/core'
import { type Case, caseName, groupsOf, opsOf } from '@usmp/testing/vectors'
import { describe, expect, test } from 'vitest'
import {
  applyConfirmed,
  assertPublisherKey,
  encodeManifest,
  judgeManifest,
  keyIdOf,
  type Manifest,
  OtaError,
  otaCodeName,
  parseManifest,
  type UpdateTarget,
  verifySignature,
} from '../src/index.ts'

interface ParseCase extends Case {
  readonly manifest: string
  readonly key_id: string
  readonly product: string
  readonly chip: string
  readonly version: number
  readonly counter: number
  readonly least_version: number
  readonly size: number
  readonly sha256: string
  readonly not_after: number
  readonly name: string
  readonly next_key: string
  readonly revoked_keys: readonly string[]
}

interface JudgeCase extends Case {
  readonly manifest: string
  readonly device: {
    readonly product: string
    readonly chip: string
    readonly version: number
    readonly counter: number
    readonly keys: readonly string[]
    readonly revoked: readonly string[]
    readonly slot_size: number
    readonly today: number
    readonly busy: boolean
    readonly veto: boolean
  }
  readonly record: object
}

/** The fields of a manifest, by the names that the vectors have. */
const plain = (manifest: Manifest) => ({
  key_id: manifest.keyId,
  product: manifest.product,
  chip: manifest.chip,
  version: manifest.version,
  counter: manifest.counter,
  least_version: manifest.leastVersion,
  size: manifest.size,
  sha256: toHex(manifest.sha256),
  not_after: manifest.notAfter,
  name: manifest.name,
  next_key: manifest.nextKey ? toHex(manifest.nextKey) : '',
  revoked_keys: manifest.revokedKeys,
})

/** The code with which `action` refuses; undefined if it does not. Errors of another kind pass through. */
function refusalOf(action: () => unknown): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    if (error instanceof OtaError || error instanceof UsmpError) return error.code
    throw error
  }
}

function targetOf({ device }: JudgeCase): UpdateTarget {
  const { product, chip, version, counter, keys, revoked, slot_size, today, busy, veto } = device
  const record = { counter, keys: keys.map((key) => fromHex(key)), revoked }
  const date = today === 0 ? {} : { today }
  return { product, chip, version, record, slotSize: slot_size, ...date, busy, mayUpdate: () => !veto }
}

test('every operation is run', () => {
  expect(opsOf('ota-manifest')).toEqual(['parse', 'key', 'verify', 'judge'])
})

describe('parse', () => {
  for (const { tests } of groupsOf<object, ParseCase>('ota-manifest', 'parse')) {
    test.each(tests.map((vector) => [caseName(vector), vector] as const))('%s', (_, vector) => {
      const bytes = fromHex(vector.manifest)
      if (vector.result === 'invalid') return expect(refusalOf(() => parseManifest(bytes))).toBe(vector.error)
      const manifest = parseManifest(bytes)
      expect(plain(manifest)).toEqual(
        Object.fromEntries(Object.keys(plain(manifest)).map((key) => [key, vector[key as keyof ParseCase]])),
      )
      expect(encodeManifest(manifest, () => bytes.subarray(-64))).toEqual(manifest)
    })
  }
})

describe('key', () => {
  for (const { tests } of groupsOf<object, Case & { public_key: string; key_id: string }>('ota-manifest', 'key')) {
    test.each(tests.map((vector) => [caseName(vector), vector] as const))('%s', (_, vector) => {
      const key = fromHex(vector.public_key)
      const refused = refusalOf(() => assertPublisherKey(key))
      expect(refused).toBe(vector.result === 'valid' ? undefined : 'INVALID_ARGUMENT')
      if (vector.result === 'valid') expect(keyIdOf(key)).toBe(vector.key_id)
    })
  }
})

describe('verify', () => {
  interface VerifyCase extends Case {
    readonly public_key: string
    readonly message: string
    readonly signature: string
  }
  for (const { tests } of groupsOf<object, VerifyCase>('ota-manifest', 'verify')) {
    test.each(tests.map((vector) => [caseName(vector), vector] as const))('%s', (_, vector) => {
      const { public_key, message, signature } = vector
      const isGood = verifySignature(fromHex(public_key), fromHex(message), fromHex(signature))
      expect(isGood).toBe(vector.result === 'valid')
    })
  }
})

describe('judge', () => {
  for (const { tests } of groupsOf<object, JudgeCase>('ota-manifest', 'judge')) {
    test.each(tests.map((vector) => [caseName(vector), vector] as const))('%s', (_, vector) => {
      const target = targetOf(vector)
      const judge = () => judgeManifest(parseManifest(fromHex(vector.manifest)), target)
      expect(refusalOf(judge) ?? otaCodeName(judge() ?? 0)).toBe(vector.error)
      if (vector.result === 'invalid') return
      const { counter, keys, revoked } = applyConfirmed(target.record, parseManifest(fromHex(vector.manifest)))
      expect({ counter, keys: keys.map((key) => toHex(key)), revoked }).toEqual(vector.record)
    })
  }
})
