import { fromHex, toHex } from '@usmp/core'
import * as v from 'valibot'
import { type Manifest, parseManifest } from './manifest.js'
import type { TrustRecord } from './trust-record.js'

/** The image in the other slot, or on trial. */
export interface ImageRecord {
  readonly manifest: Manifest
  /**
   * - `receiving`: up to `offset` it is in the slot.
   * - `staged`: it is whole, and its hash was right.
   * - `applied`: the boot loader was told to start it, or will be at once.
   */
  readonly phase: 'receiving' | 'staged' | 'applied'
  /** Where it is. */
  readonly slot: number
  /** Bytes that outlive a power cut: a multiple of 4096, or all of it. */
  readonly offset: number
}

/** What a device keeps over restarts. */
export interface DeviceRecord {
  readonly trust: TrustRecord
  readonly image: ImageRecord | undefined
  /** Of the confirmed image, lower-case hex; undefined while it is not known. */
  readonly runningSha256: string | undefined
  /** The image from which the device went back last, until the next is confirmed. */
  readonly rolledBack: string | undefined
}

const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)))
const u32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff))
const stored = v.object({
  format: v.literal(1),
  counter: u32,
  keys: v.pipe(v.array(hex(32)), v.minLength(1), v.maxLength(3)),
  revoked: v.pipe(v.array(hex(8)), v.maxLength(8)),
  image: v.nullable(
    v.object({
      manifest: v.pipe(v.string(), v.regex(/^([0-9a-f]{2})+$/)),
      phase: v.picklist(['receiving', 'staged', 'applied']),
      slot: u32,
      offset: u32,
    }),
  ),
  runningSha256: v.nullable(hex(32)),
  rolledBack: v.nullable(hex(32)),
})

/** The record as bytes: JSON, at most 2 KiB. */
export function encodeRecord({ trust, image, runningSha256, rolledBack }: DeviceRecord): Uint8Array {
  const record: v.InferOutput<typeof stored> = {
    format: 1,
    counter: trust.counter,
    keys: trust.keys.map((key) => toHex(key)),
    revoked: [...trust.revoked],
    image: image ? { ...image, manifest: toHex(image.manifest.bytes) } : null,
    runningSha256: runningSha256 ?? null,
    rolledBack: rolledBack ?? null,
  }
  return new TextEncoder().encode(JSON.stringify(record))
}

/** @throws Error if it is damaged */
export function decodeRecord(bytes: Uint8Array): DeviceRecord {
  const record = v.parse(stored, JSON.parse(new TextDecoder().decode(bytes)))
  const { image } = record
  return {
    trust: { counter: record.counter, keys: record.keys.map((key) => fromHex(key)), revoked: record.revoked },
    image: image ? { ...image, manifest: parseManifest(fromHex(image.manifest)) } : undefined,
    runningSha256: record.runningSha256 ?? undefined,
    rolledBack: record.rolledBack ?? undefined,
  }
}
