import { concatBytes, equalBytes, fromHex } from '@usmp/core'
import { applyConfirmed, judgeManifest, type Manifest, OtaCode, type TrustRecord } from '@usmp/ota'
import { buildCManifests, CManifests } from '@usmp/testing/c-programs'
import { Choices, must, type Target } from '../target.js'
import { bytesFrom, manifestSeeds, parsed, records } from './ota-manifest.js'

const VERSION = 0x0200_0000
const SLOT_SIZE = 0x8000_0000

let c: CManifests | undefined

const text = (value: string) => concatBytes(new TextEncoder().encode(value), Uint8Array.of(0))
const number = (value: number) => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
/** A byte that says how many there are, and all of them. */
const listed = (items: readonly Uint8Array[]) => concatBytes(Uint8Array.of(items.length), ...items)

/** The fields in the order in which firmware-c/ports/wasm/usmp_manifest_wasm.c writes them. */
function fieldsOf(manifest: Manifest): Uint8Array {
  const { keyId, product, chip, version, counter, leastVersion, size, sha256, notAfter, name, nextKey, revokedKeys } =
    manifest
  return concatBytes(
    fromHex(keyId),
    text(product),
    text(chip),
    ...[version, counter, leastVersion, size].map(number),
    sha256,
    number(notAfter),
    text(name),
    Uint8Array.of(Number(nextKey !== undefined)),
    nextKey ?? new Uint8Array(32),
    listed(revokedKeys.map(fromHex)),
  )
}

/** A record as that file takes and gives it. */
function trustOf({ counter, keys, revoked }: TrustRecord): Uint8Array {
  return concatBytes(number(counter), listed(keys), listed(revoked.map(fromHex)))
}

/** A device of either language decides the same, and keeps the same. */
function compareDevices(bytes: Uint8Array, manifest: Manifest, record: TrustRecord): void {
  const { product, chip } = manifest
  const expected =
    judgeManifest(manifest, { product, chip, version: VERSION, record, slotSize: SLOT_SIZE, busy: false }) ?? 0
  const { code, fields } = c!.judge(bytes, trustOf(record), VERSION, SLOT_SIZE)
  must(code === expected, `TypeScript says ${expected}, C ${code}`)
  if (code !== 0) return
  must(equalBytes(fields, trustOf(applyConfirmed(record, manifest))), 'the records after it differ')
}

/** Manifests in TypeScript and in C, side by side. */
export const otaDifferential: Target = {
  prepare: () => {
    c = new CManifests(buildCManifests())
  },
  seeds: manifestSeeds,
  run(input) {
    const choices = new Choices(input)
    choices.byte()
    const bytes = bytesFrom(choices)
    const manifest = parsed(bytes)
    const { code, fields } = c!.parse(bytes)
    must(
      code === (manifest ? 0 : OtaCode.MALFORMED),
      `C says ${code}, TypeScript ${manifest ? 'takes it' : 'does not'}`,
    )
    if (!manifest) return
    must(equalBytes(fields, fieldsOf(manifest)), 'the fields differ')
    for (const record of records()) compareDevices(bytes, manifest, record)
  },
}
