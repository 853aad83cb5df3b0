import { PacketType, REKEY_SALT_SIZE } from './constants.js'
import { challenge, hello, helloAck, helloRetry, PayloadLayout, sessionOk } from './messages.js'

export { wireCodeName } from './errors.js'
export type { PayloadField } from './messages.js'

/**
 * What each packet type has inside, for programs that show frames to people (specification, sections 2 and 3). The REKEY's
 * stands in the sealed part of its frame; all others are plain.
 */
export const payloadLayouts = {
  [PacketType.HELLO]: hello,
  [PacketType.HELLO_RETRY]: helloRetry,
  [PacketType.CHALLENGE]: challenge,
  [PacketType.HELLO_ACK]: helloAck,
  [PacketType.SESSION_OK]: sessionOk,
  [PacketType.REKEY]: /* @__PURE__ */ new PayloadLayout({ salt: REKEY_SALT_SIZE }),
  [PacketType.ERROR]: /* @__PURE__ */ new PayloadLayout({ code: 1, detail: 2 }),
} as const

/** The layout of a packet type; undefined for one whose content is the application's, or empty. */
export function payloadLayoutOf(type: number): Pick<PayloadLayout<string>, 'fields' | 'sizes'> | undefined {
  return (payloadLayouts as Readonly<Record<number, PayloadLayout<never>>>)[type]
}
