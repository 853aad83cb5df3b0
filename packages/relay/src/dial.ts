import type { Transport } from '@usmp/core'

export interface DialOptions {
  /** ms until the WebSocket is open; 0 for never */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Opens a WebSocket to a relay with the subprotocol `usmp-relay.1`, as a transport of kind `message`. When the relay closes it with a
 * code of its own, the transport ends with a {@link ClosedByRelay} as its cause. `nodeDial` and `browserDial` make one.
 * @throws UsmpError UNREACHABLE, UNTRUSTED_CERTIFICATE, INVALID_ARGUMENT, ABORTED
 */
export type Dial = (url: URL, options: DialOptions) => Promise<Transport>

/** The relay closed the WebSocket and said why. */
export class ClosedByRelay extends Error {
  override readonly name = 'ClosedByRelay'
  /** Of {@link CloseCode}, or another one of RFC 6455, section 7.4. */
  readonly code: number
  /** The relay's words: untrusted, at most 123 bytes. */
  readonly reason: string

  constructor(code: number, reason: string) {
    super(`the relay closed with ${code}${reason ? `: ${reason}` : ''}`)
    this.code = code
    this.reason = reason
  }
}

/** Codes below 4000 that mean something between a peer and a relay; 1013 is that of proxies that are overloaded. */
const STANDARD_CODES: readonly number[] = [1003, 1008, 1009, 1012, 1013]

/** The cause with which a transport to a relay ends, by the code and words of the relay; undefined for an end without a reason of its own. */
export function closedByRelay(code: number, reason: string): ClosedByRelay | undefined {
  return code >= 4000 || STANDARD_CODES.includes(code) ? new ClosedByRelay(code, reason) : undefined
}
