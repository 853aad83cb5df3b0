// What a gateway and a device say to each other about an update, inside the session: JSON-RPC 2.0 (docs/rpc.md). The bytes of the image go
// beside it, in messages that begin with 0xFE (docs/spec/13-signed-updates.md).
import { contract } from '@usmp/rpc'
import * as v from 'valibot'

const u32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff))
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex'))
const keyId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/, 'must be a key id in lower-case hex'))
/** `major.minor.patch`, at most 255.255.65535. */
const version = v.pipe(v.string(), v.regex(/^\d{1,3}\.\d{1,3}\.\d{1,5}$/, 'must look like 1.2.3'))

/** Codes of error answers to `ota.offer` and `ota.apply`, and of the notification `ota.failed`: which rule refused, first fault first. */
export const OtaCode = {
  /** The manifest is not one: length, magic, format, flags, an unknown field that must be understood. */
  MALFORMED: -32010,
  /** Signed by a key that the device does not know. */
  UNKNOWN_KEY: -32011,
  /** Signed by a key that was revoked. */
  REVOKED_KEY: -32012,
  BAD_SIGNATURE: -32013,
  WRONG_PRODUCT: -32014,
  WRONG_CHIP: -32015,
  /** The security counter is lower than the device's. */
  DOWNGRADE: -32016,
  /** The running version is lower than the least from which this update may be made. */
  VERSION_TOO_OLD: -32017,
  /** The image does not fit the slot. */
  TOO_LARGE: -32018,
  /** The date of the manifest is over; only for devices that know the date. */
  EXPIRED: -32019,
  /** The application does not want to now: battery, motion, memory. */
  NOT_NOW: -32020,
  /** A running image waits for its confirmation first, or another transfer is under way. */
  BUSY: -32021,
  /** The flash or the file could not be read or written. */
  FLASH: -32022,
  /** What was received is not the image of the manifest. */
  WRONG_IMAGE: -32023,
  /** `ota.apply` for an image that is not staged. */
  NOT_STAGED: -32024,
} as const
export type OtaCode = (typeof OtaCode)[keyof typeof OtaCode]

/** What a device tells of the firmware that it runs. */
export const otaState = v.object({
  product: v.pipe(v.string(), v.maxLength(16)),
  chip: v.pipe(v.string(), v.maxLength(8)),
  version,
  /** The security counter that it keeps; rises on confirmation. */
  counter: u32,
  /** Of the image that runs; all zeros while the device does not know it, as with an image that came by cable. */
  sha256,
  /** `pending`: runs on trial, until it is confirmed or goes back. */
  state: v.picklist(['confirmed', 'pending']),
  /** ms that are left to a pending image. */
  confirmWithin: v.nullable(u32),
  /** Whether the boot loader goes back from an image that is not confirmed; false also while nobody can know it yet. */
  rollback: v.boolean(),
  /** The keys that it trusts, at most 3. */
  keys: v.pipe(v.array(keyId), v.maxLength(3)),
  /** An image that is whole and waits for `ota.apply`. */
  staged: v.nullable(sha256),
  /** The image from which the device went back last; until the next is confirmed. */
  rolledBack: v.nullable(sha256),
})
export type OtaState = v.InferOutput<typeof otaState>

/** What a device serves. */
export const otaDeviceApi = contract({
  requests: {
    'ota.state': { params: v.object({}), result: otaState },
    /** Refused with an {@link OtaCode} before anything is erased. The device begins to pull at once. */
    'ota.offer': {
      /** The signed manifest, base64url without padding. */
      params: v.object({ manifest: v.pipe(v.string(), v.regex(/^[\w-]{214,683}$/)) }),
      result: v.object({
        /** Bytes that it has of this image already. */
        have: u32,
      }),
    },
    /** Restarts into the staged image; the answer comes before that. */
    'ota.apply': { params: v.object({ sha256 }), result: v.object({}) },
    /** Gives a transfer up; what was received stays for the next offer of the same manifest. */
    'ota.abort': { params: v.object({ sha256 }), result: v.object({}) },
  },
})

/** What a gateway takes from a device. */
export const otaGatewayApi = contract({
  notifications: {
    /** At most once a second. */
    'ota.progress': v.object({ sha256, offset: u32 }),
    /** The image is whole, its hash is right, and the boot loader would take it. */
    'ota.staged': v.object({ sha256 }),
    'ota.failed': v.object({
      sha256,
      code: v.pipe(v.number(), v.integer()),
      reason: v.pipe(v.string(), v.maxLength(96)),
    }),
    /** The new image has confirmed itself. */
    'ota.confirmed': v.object({ sha256 }),
  },
})
