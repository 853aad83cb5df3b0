import { OtaCode } from './contract.js'

/** The names of {@link OtaCode}, such as `BAD_SIGNATURE`: what a person and a program compare. */
export type OtaCodeName = keyof typeof OtaCode

const names = new Map(Object.entries(OtaCode).map(([name, code]) => [code as number, name as OtaCodeName]))

/** The name of a code that came over the wire; undefined for a number that is none. */
export function otaCodeName(code: number): OtaCodeName | undefined {
  return names.get(code)
}

const HINTS: Readonly<Record<OtaCodeName, string>> = {
  MALFORMED: 'The bytes are damaged, or no manifest of format 1. `usmp ota show FILE` says what stands in a good one.',
  UNKNOWN_KEY: 'The device trusts other publishers. Sign with one of their keys, or rotate to this one first.',
  REVOKED_KEY: 'Sign with the key that has replaced it.',
  BAD_SIGNATURE:
    'The manifest was changed after it was signed, or the key is another one. Take the file of the publisher.',
  WRONG_PRODUCT: 'The update is for another product.',
  WRONG_CHIP: 'The update is for another chip or board.',
  DOWNGRADE:
    'The device has confirmed an update with a higher security counter. Sign with that counter or a higher one.',
  VERSION_TOO_OLD: 'Update to a version between first.',
  TOO_LARGE: 'The image does not fit the slot of the device.',
  EXPIRED: 'Sign the image again with a later date, or none.',
  NOT_NOW: 'The application of the device refused it for now. Offer it again later.',
  BUSY: 'Offer it again when the device has confirmed the image that it runs, or has ended the other transfer.',
  FLASH: 'The storage of the device failed. Look at its log.',
  WRONG_IMAGE: 'The bytes are not the image of the manifest. Take both from the publisher again.',
  NOT_STAGED: 'Transfer the image first.',
}

/** Why an update is refused. `code` is stable; the message is for people and says what happened. */
export class OtaError extends Error {
  override readonly name = 'OtaError'
  readonly code: OtaCodeName
  /** What to do about it. */
  readonly hint: string

  /**
   * @param code which rule refuses
   * @param message what happened in this case
   */
  constructor(code: OtaCodeName, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {})
    this.code = code
    this.hint = options.hint ?? HINTS[code]
  }

  /** The code of an error answer over a session (JSON-RPC). */
  get wireCode(): OtaCode {
    return OtaCode[this.code]
  }
}
