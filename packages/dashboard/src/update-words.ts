import type { RolloutDevice } from '@usmp/gateway/contract'
import { shown } from './text.js'

/** Why a device has not taken an update, for people, and what they can do. */
export interface UpdateFault {
  readonly what: string
  readonly todo: string
  /** What the device or the gateway has said of it; null: no more than that. */
  readonly told: string | null
}
type Words = Omit<UpdateFault, 'told'>

const PUBLISHER = 'Ask the publisher for an image that is signed for these devices.'
const AGAIN = 'Retry it. If it fails again, look at the device.'

/** By the `OtaCode` of @usmp/ota, as decimal text; a test holds the table to that list. */
const BY_OTA_CODE: Readonly<Record<string, Words>> = {
  '-32010': {
    what: 'The device cannot read the manifest.',
    todo: 'Its update code is older than this format, or the file is damaged. Upload the bundle anew; else update this device by cable.',
  },
  '-32011': {
    what: 'The device does not know the key that signed the image.',
    todo: 'Sign the image with a key that the device trusts, or give the device the new key first, by an image that the old key signs.',
  },
  '-32012': {
    what: 'The key that signed the image is revoked on the device.',
    todo: 'Sign the image with the key that came after it.',
  },
  '-32013': {
    what: 'The signature is wrong.',
    todo: 'The bundle was changed after it was signed. Get it from the publisher anew, and compare its SHA-256.',
  },
  '-32014': { what: 'The image is for another product.', todo: 'Start a roll-out with the image of this product.' },
  '-32015': { what: 'The image is for another chip.', todo: 'Start a roll-out with the image of this chip.' },
  '-32016': {
    what: 'The security counter of the image is lower than that of the device.',
    todo: 'The device does not go back to an image that may have known holes. Publish the image with a counter that is at least as high.',
  },
  '-32017': {
    what: 'The device runs a version that is too old for this update.',
    todo: 'Update it to the least version that the image names first.',
  },
  '-32018': { what: 'The image does not fit the slot of the device.', todo: 'Make the image smaller.' },
  '-32019': { what: 'The image has expired.', todo: PUBLISHER },
  '-32020': {
    what: 'The device does not want to update now: battery, motion or memory.',
    todo: 'Nothing. It is asked again; the device itself decides when.',
  },
  '-32021': {
    what: 'The device is busy with another update, or its image waits for its confirmation.',
    todo: 'Wait until that is over, then retry it.',
  },
  '-32022': {
    what: 'The device could not read or write its flash.',
    todo: `${AGAIN} Flash that keeps failing is worn out.`,
  },
  '-32023': { what: 'What the device received is not the image of the manifest.', todo: AGAIN },
  '-32024': {
    what: 'The device had no whole image to start.',
    todo: 'Retry it; the transfer goes on where it stopped.',
  },
}

/** By the codes of the gateway. */
const BY_GATEWAY_CODE: Readonly<Record<string, Words>> = {
  NO_UPDATES: {
    what: 'The device takes no updates over USMP.',
    todo: 'Give it firmware that does, by cable.',
  },
  NOT_APPROVED: { what: 'The device is not approved any more.', todo: 'Approve it, if it is to be updated.' },
  ROLLED_BACK: {
    what: 'The device has tried the image and gone back to the one before.',
    todo: 'It works as before. Find out why first: a retry would probably end the same way.',
  },
  NO_RETURN: {
    what: 'The device did not come back with the image in time.',
    todo: 'If it is offline now, look at it: its boot loader may not be able to go back by itself.',
  },
  TOO_SLOW: {
    what: 'The device has not received the whole image in hours.',
    todo: 'Look at its connection. A retry goes on where it stopped.',
  },
  OLD_IMAGE: {
    what: 'The device came back with its old image.',
    todo: 'It has restarted, but not into the new image. Retry it; if that does not help, look at its log.',
  },
  WRONG_VERSION: {
    what: 'The device runs the image, but names another version.',
    todo: 'The publisher has built a version into the image that is not that of the manifest. Sign it anew.',
  },
  SESSION_LOST: {
    what: 'The session ended during the transfer, and the device did not come further.',
    todo: 'Look at its connection. The transfer goes on where it stopped.',
  },
  STALLED: {
    what: 'The device did not ask for more of the image for too long.',
    todo: 'It is busy, or its connection is bad. A retry goes on where it stopped.',
  },
  REQUEST_TIMEOUT: {
    what: 'The device did not answer the offer of the image.',
    todo: 'It is busy, or its connection is bad. Retry it.',
  },
}

const UNKNOWN: Words = { what: 'The update failed.', todo: AGAIN }

/** What is wrong with the update of a device; null: nothing. */
export function updateFault({ state, code, reason }: RolloutDevice): UpdateFault | null {
  if (code === null && reason === null && state !== 'failed' && state !== 'rolled-back') return null
  const known = typeof code === 'number' ? BY_OTA_CODE : BY_GATEWAY_CODE
  const words = known[String(code)] ?? (state === 'rolled-back' ? BY_GATEWAY_CODE.ROLLED_BACK : UNKNOWN) ?? UNKNOWN
  const told = reason === null || reason === '' ? null : `(${shown(reason, 256)})`
  return { ...words, told }
}
