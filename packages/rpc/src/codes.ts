/** Codes of error answers. The first five are those of JSON-RPC 2.0, -32000 to -32002 those of this package. */
export const RpcCode = {
  /** The message is not JSON, or not UTF-8. */
  PARSE_ERROR: -32700,
  /** The message is JSON but no message of JSON-RPC 2.0; also a batch, and an id that is under way already. */
  INVALID_REQUEST: -32600,
  /** This end does not serve the method. */
  METHOD_NOT_FOUND: -32601,
  /** The parameters do not fit the contract. */
  INVALID_PARAMS: -32602,
  /** The handler failed; the other end knows why. */
  INTERNAL_ERROR: -32603,
  /** A limit of the other end is reached. */
  BUSY: -32000,
  /** The request was older than its time to live, and was not carried out. */
  TOO_OLD: -32001,
  /** The request was cancelled. */
  CANCELLED: -32002,
} as const

/** The longest text of an error that is kept or told, in UTF-16 units. */
const MAX_TEXT = 512

/**
 * An error answer: what the peer said (`request` and `stream` throw it), or what a handler throws to say it. Codes of an
 * application are best taken outside -32768 to -32000, and from -32099 to -32003 where those are its own.
 */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  /** A code of {@link RpcCode}, or one of the application. */
  readonly code: number
  /** Whatever JSON the other end added. */
  readonly data: unknown

  /** @param message up to 512 characters, the rest is cut off */
  constructor(code: number, message: string, data?: unknown) {
    super(shorten(message))
    this.code = code
    this.data = data
  }
}

/** Text of the other end, cut to what may stand in an error. */
export function shorten(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`
}
