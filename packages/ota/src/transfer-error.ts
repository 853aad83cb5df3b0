/** Why a transfer did not succeed. Stable. */
export type TransferErrorCode =
  /** The device takes no updates: it does not know `ota.offer`. */
  | 'NO_UPDATES'
  /** The device refused the offer; `deviceCode` says by which rule. Nothing was erased. */
  | 'REFUSED'
  /** The device gave the update up; `deviceCode` says why. */
  | 'FAILED'
  /** The device has not come further for too long. */
  | 'STALLED'
  /** The image is not what it was, or not that of the manifest. */
  | 'IMAGE_CHANGED'
  /** The image could not be read. */
  | 'IMAGE_UNREADABLE'
  /** Another transfer is under way on this session. */
  | 'UNDER_WAY'

/** A transfer that did not succeed, for a reason that is not the end of its session. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
  readonly code: TransferErrorCode
  /** What the device said, for REFUSED and FAILED: an `OtaCode`, or another code of JSON-RPC. */
  readonly deviceCode: number | undefined
  /** What to do about it. */
  readonly hint: string

  constructor(code: TransferErrorCode, message: string, options: { deviceCode?: number; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {})
    this.code = code
    this.deviceCode = options.deviceCode
    this.hint = hints[code]
  }
}

const hints: Record<TransferErrorCode, string> = {
  NO_UPDATES: 'Install firmware with updates over a cable once.',
  REFUSED: 'See the code: sign an image for this product, chip, version and key.',
  FAILED: 'See the code. Offer the image again; if it fails again, look at the log of the device.',
  STALLED: 'Is the network of the device bad, or is the device busy? Offer the image again: it goes on where it was.',
  IMAGE_CHANGED: 'Somebody has changed the file: upload the image again.',
  IMAGE_UNREADABLE: 'See the cause: the file is gone, or the disk is faulty.',
  UNDER_WAY: 'Wait for the transfer, or abort it.',
}
