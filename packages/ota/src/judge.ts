import { OtaCode } from './contract.js'
import { type Manifest, verifyManifest } from './manifest.js'
import { canRotate, findKey, type TrustRecord } from './trust-record.js'

/** A device to which a manifest is offered. */
export interface UpdateTarget {
  readonly product: string
  readonly chip: string
  /** That runs, packed. */
  readonly version: number
  readonly record: TrustRecord
  /** Bytes that an image may have. */
  readonly slotSize: number
  /** Days since 2020-01-01, see `dayOf`; undefined while the device does not know the date. */
  readonly today?: number | undefined
  /** A running image waits for its confirmation, or another transfer is under way. */
  readonly busy: boolean
  /** The application's veto: battery, motion, memory. Asked last. */
  mayUpdate?(manifest: Manifest): boolean
}

type Rule = readonly [refusal: OtaCode, holds: (manifest: Manifest, target: UpdateTarget) => boolean]

/** In the order in which a device checks them; the first one that does not hold refuses (specification, section 13.4). */
const RULES: readonly Rule[] = [
  [OtaCode.REVOKED_KEY, ({ keyId }, { record }) => !record.revoked.includes(keyId)],
  [OtaCode.UNKNOWN_KEY, ({ keyId }, { record }) => findKey(record, keyId) !== undefined],
  [OtaCode.BAD_SIGNATURE, (manifest, { record }) => verifyManifest(manifest, findKey(record, manifest.keyId)!)],
  [OtaCode.MALFORMED, (manifest, { record }) => canRotate(record, manifest)],
  [OtaCode.WRONG_PRODUCT, (manifest, target) => manifest.product === target.product],
  [OtaCode.WRONG_CHIP, (manifest, target) => manifest.chip === target.chip],
  [OtaCode.DOWNGRADE, (manifest, { record }) => manifest.counter >= record.counter],
  [OtaCode.VERSION_TOO_OLD, (manifest, target) => target.version >= manifest.leastVersion],
  [OtaCode.EXPIRED, (manifest, { today }) => !manifest.notAfter || today === undefined || today <= manifest.notAfter],
  [OtaCode.TOO_LARGE, (manifest, target) => manifest.size <= target.slotSize],
  [OtaCode.BUSY, (_, target) => !target.busy],
  [OtaCode.NOT_NOW, (manifest, target) => target.mayUpdate?.(manifest) ?? true],
]

/**
 * What a device decides about a manifest, before it erases anything.
 * @returns the code of the first rule that refuses it; undefined if none does
 */
export function judgeManifest(manifest: Manifest, target: UpdateTarget): OtaCode | undefined {
  return RULES.find(([, holds]) => !holds(manifest, target))?.[0]
}
