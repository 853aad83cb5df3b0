import { isDeepStrictEqual } from 'node:util'
import { OtaCode, type OtaState } from '@usmp/ota'
import type { Image, RolloutDeviceState } from '../contract/rollouts.js'
import type { RolloutDeviceRecord } from './records.js'

/** How often a device is tried. */
export const MAX_ATTEMPTS = 3
/** How often one that says "not now" is; it says so by itself, and counts for nothing meanwhile. */
export const MAX_DEFERRALS = 24
/** Pauses before the second and the third try, ms. */
const PAUSES = [60_000, 600_000] as const
/** The pause after "not now": doubled each time, up to an hour, ms. */
const FIRST_DEFERRAL = 300_000
const LAST_DEFERRAL = 3600_000
/** How long a device may take from `ota.apply` until it has confirmed the image or is back on the old one, ms. */
export const RETURN_TIMEOUT = 15 * 60_000
/** The longest transfer, ms: a device that comes on byte by byte is not to hold up its stage for ever. 16 MiB take 5 h at 1 KiB a second. */
export const TRANSFER_TIMEOUT = 6 * 3600_000
const MAX_REASON = 256

/** One device in a roll-out that has a stage: what is stored of it, and how far it is on the way. */
export interface DeviceRow extends Omit<RolloutDeviceRecord, 'state'> {
  /** All but `offline`, which is a device whose turn has come and that is not there. */
  readonly state: Exclude<RolloutDeviceState, 'offline'>
}

/** What happens to a device. */
export type DeviceEvent =
  /** It has told its state when a session began; null: it takes no updates. */
  | { readonly type: 'report'; readonly report: OtaState | null }
  /** It has taken the offer. */
  | { readonly type: 'taken' }
  /** The image is whole on the device. */
  | { readonly type: 'staged' }
  /** It has refused, or given up, or the transfer has failed for its sake. */
  | { readonly type: 'failed'; readonly code: number | string; readonly reason: string }
  /** Its session has ended before the image was whole. */
  | { readonly type: 'lost'; readonly progressed: boolean }
  /** The gateway has ended the transfer. */
  | { readonly type: 'stopped' }
  /** A person wants it to be tried again. */
  | { readonly type: 'retry' }

/** Codes by which a device says that the image can never be its own; trying again changes nothing. */
const FINAL_CODES: ReadonlySet<number | string> = new Set([
  OtaCode.MALFORMED,
  OtaCode.UNKNOWN_KEY,
  OtaCode.REVOKED_KEY,
  OtaCode.BAD_SIGNATURE,
  OtaCode.DOWNGRADE,
  OtaCode.VERSION_TOO_OLD,
  OtaCode.TOO_LARGE,
  OtaCode.EXPIRED,
])
const SKIP_CODES: ReadonlySet<number | string> = new Set([OtaCode.WRONG_PRODUCT, OtaCode.WRONG_CHIP, 'NO_UPDATES'])
const DEFER_CODES: ReadonlySet<number | string> = new Set([OtaCode.NOT_NOW, OtaCode.BUSY])

/** Whether nothing more is done with a device. */
export function isFinal({ state }: Pick<DeviceRow, 'state'>): boolean {
  return state === 'done' || state === 'failed' || state === 'rolled-back' || state === 'skipped'
}

/** Whether a transfer belongs to the row. */
export function isTransfer({ state }: Pick<DeviceRow, 'state'>): boolean {
  return state === 'offered' || state === 'transferring' || state === 'staged'
}

/** Whether it restarts into the image, or runs it on trial: nobody can call it back. */
export function isPastApply({ state }: Pick<DeviceRow, 'state'>): boolean {
  return state === 'rebooting' || state === 'verifying'
}

/** Whether a device waits because it has said that it does not want to be updated now. */
export function isDeferred({ state, code, retryAt }: DeviceRow): boolean {
  return state === 'targeted' && retryAt !== null && code !== null && DEFER_CODES.has(code)
}

/** Whether a person can have it tried again: it has failed, or waits for its next try. */
function isRetryable({ state, retryAt }: DeviceRow): boolean {
  return state === 'failed' || state === 'rolled-back' || (state === 'targeted' && retryAt !== null)
}

/** What is stored of a row: that a device is on the way is known by its session alone. */
export function toRecord(row: DeviceRow): RolloutDeviceRecord {
  const state = isTransfer(row) ? 'targeted' : row.state === 'verifying' ? 'rebooting' : row.state
  return { ...row, state: state as RolloutDeviceRecord['state'] }
}

/** Whether two rows are stored alike; since when a device is on the way is not stored. */
export function isStoredAlike(a: DeviceRow, b: DeviceRow): boolean {
  const [before, after] = [toRecord(a), toRecord(b)]
  const since = before.state === after.state && before.state === 'targeted' ? before.since : after.since
  return isDeepStrictEqual(before, { ...after, since })
}

/** The row of a device that gets a stage. */
export function newRow(stage: number, drops: number, now: number): DeviceRow {
  return { state: 'targeted', stage, since: now, attempts: 0, retryAt: null, code: null, reason: null, drops }
}

/**
 * What becomes of a device by an event: the whole table of its transitions.
 * @returns the same row where the event changes nothing
 */
export function nextRow(row: DeviceRow, event: DeviceEvent, image: Image, now: number): DeviceRow {
  switch (event.type) {
    case 'report':
      return onReport(row, event.report, image, now)
    case 'taken':
      return row.state === 'offered' ? { ...row, state: 'transferring', since: now } : row
    case 'staged':
      return row.state === 'offered' || row.state === 'transferring' ? { ...row, state: 'staged', since: now } : row
    case 'failed':
      return isTransfer(row) || row.state === 'rebooting' ? failed(row, event.code, event.reason, now) : row
    case 'lost':
      return isTransfer(row) ? lost(row, event.progressed, now) : row
    case 'stopped':
      return isTransfer(row) ? { ...row, state: 'targeted', since: now } : row
    case 'retry':
      return isRetryable(row) ? newRow(row.stage, row.drops, now) : row
  }
}

/** A device that was sent into the image and did not come back in time. */
export function notReturned(row: DeviceRow, now: number): DeviceRow {
  const minutes = RETURN_TIMEOUT / 60_000
  const reason =
    row.state === 'verifying'
      ? `runs the image, and has not confirmed it within ${minutes} minutes`
      : `has restarted into the image, and did not come back within ${minutes} minutes`
  return ended(row, 'failed', 'NO_RETURN', reason, now)
}

/** A device that has not received the image in time. */
export function tooSlow(row: DeviceRow, now: number): DeviceRow {
  const hours = TRANSFER_TIMEOUT / 3600_000
  return ended(row, 'failed', 'TOO_SLOW', `has not received the whole image within ${hours} hours`, now)
}

/** A device that may not have a session any more. */
export function withdrawn(row: DeviceRow, now: number): DeviceRow {
  return ended(row, 'skipped', 'NOT_APPROVED', 'is not approved any more', now)
}

/** Why an image is not for a device; undefined if it may be. */
export function mismatch(report: OtaState | null, image: Image): { code: number | string; reason: string } | undefined {
  if (report === null) return { code: 'NO_UPDATES', reason: 'takes no updates' }
  if (report.product !== image.product) return { code: OtaCode.WRONG_PRODUCT, reason: `is a ${report.product}` }
  if (report.chip !== image.chip) return { code: OtaCode.WRONG_CHIP, reason: `has the chip ${report.chip}` }
  return undefined
}

function onReport(row: DeviceRow, report: OtaState | null, image: Image, now: number): DeviceRow {
  if (row.state === 'skipped' || row.state === 'done') return row
  const foreign = mismatch(report, image)
  if (foreign) return isFinal(row) ? row : ended(row, 'skipped', foreign.code, foreign.reason, now)
  const { sha256, state, version, staged, rolledBack } = report!
  if (sha256 === image.sha256) return onNewImage(row, state, version, image, now)
  if (isFinal(row)) return row
  // The session may have ended for another reason than the restart: it is asked for once more.
  if (row.state === 'rebooting' && staged === image.sha256 && row.attempts + 1 < MAX_ATTEMPTS) {
    return { ...row, state: 'staged', since: now, attempts: row.attempts + 1 }
  }
  // While it is staged, the device has not started it: what it went back from was an earlier attempt.
  if (isPastApply(row) && rolledBack === image.sha256 && staged !== image.sha256) {
    return ended(row, 'rolled-back', 'ROLLED_BACK', `has tried the image and gone back to ${version}`, now)
  }
  if (isPastApply(row)) return failed(row, 'OLD_IMAGE', `came back with ${version}, and does not say why`, now)
  return row
}

function onNewImage(row: DeviceRow, state: OtaState['state'], version: string, image: Image, now: number): DeviceRow {
  if (version !== image.version) {
    const reason = `runs the image, and calls itself ${version} in place of ${image.version}`
    return isFinal(row) ? row : ended(row, 'failed', 'WRONG_VERSION', reason, now)
  }
  if (state === 'confirmed') return done(row, now)
  if (isFinal(row) || row.state === 'verifying') return row
  return { ...row, state: 'verifying', since: row.state === 'rebooting' ? row.since : now }
}

function failed(row: DeviceRow, code: number | string, reason: string, now: number): DeviceRow {
  if (SKIP_CODES.has(code)) return ended(row, 'skipped', code, reason, now)
  const attempts = row.attempts + 1
  const isDeferral = DEFER_CODES.has(code)
  if (FINAL_CODES.has(code) || attempts >= (isDeferral ? MAX_DEFERRALS : MAX_ATTEMPTS)) {
    return { ...ended(row, 'failed', code, reason, now), attempts }
  }
  const pause = isDeferral
    ? Math.min(LAST_DEFERRAL, FIRST_DEFERRAL * 2 ** row.attempts)
    : PAUSES[Math.min(row.attempts, PAUSES.length - 1)]!
  return { ...row, state: 'targeted', since: now, attempts, retryAt: now + pause, code, reason: cut(reason) }
}

/** A transfer that came further goes on when the device is back; one that does not come further is an attempt. */
function lost(row: DeviceRow, progressed: boolean, now: number): DeviceRow {
  if (progressed || row.state === 'staged') return { ...row, state: 'targeted', since: now }
  return failed(row, 'SESSION_LOST', 'its session has ended, and it did not come further', now)
}

function done(row: DeviceRow, now: number): DeviceRow {
  return { ...row, state: 'done', since: now, retryAt: null, code: null, reason: null }
}

function ended(
  row: DeviceRow,
  state: DeviceRow['state'],
  code: number | string,
  reason: string,
  now: number,
): DeviceRow {
  return { ...row, state, since: now, retryAt: null, code, reason: cut(reason) }
}

/** Texts of a device can be as long as it likes. */
function cut(reason: string): string {
  return reason.length <= MAX_REASON ? reason : `${reason.slice(0, MAX_REASON - 1)}…`
}
