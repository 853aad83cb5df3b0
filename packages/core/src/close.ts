import { CLOSE_TIMEOUT, SHORT_CLOSE_TIMEOUT } from './constants.js'
import { type ErrorCode, UsmpError } from './errors.js'

/** Ends of a session whose place is needed, or that was turned away. */
const SHORT_CLOSES: readonly ErrorCode[] = ['REPLACED', 'SHUTDOWN', 'DUPLICATE_DEVICE']

/**
 * The good ends, of which every session has one: made once, as a stack trace costs more than the rest of an end, and says
 * nothing here.
 */
export const CLOSED_HERE = /* @__PURE__ */ new UsmpError('CLOSED', 'by this side')
export const CLOSED_THERE = /* @__PURE__ */ new UsmpError('CLOSED', 'by the peer', {
  hint: 'Nothing is wrong. If sessions often end so, another device may have the same device id: see the log of the server.',
})

/**
 * How long a close takes at most, ms: 5 s, and 1 s for a session that was replaced or turned away, and when the server stops
 * (specification, section 4.10).
 */
export function closeTimeout({ code }: UsmpError): number {
  return SHORT_CLOSES.includes(code) ? SHORT_CLOSE_TIMEOUT : CLOSE_TIMEOUT
}

/**
 * How a session ends that was closed before everything had left or arrived. A caller that asked for a good end must hear of
 * it; a caller that gave another reason keeps that.
 */
export function cutShort(closing: UsmpError | undefined, detail: string): UsmpError {
  if (closing && closing.code !== 'CLOSED') return closing
  return new UsmpError('TRANSPORT_FAILED', detail, { hint: 'The peer or the network is gone.' })
}
