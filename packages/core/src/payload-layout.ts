import { concatBytes, copyBytes } from './bytes.js'
import {
  COOKIE_SIZE,
  DEVICE_ID_SIZE,
  HANDSHAKE_NONCE_SIZE,
  MAC_SIZE,
  PacketType,
  PUBLIC_KEY_SIZE,
  packetTypeName,
  REKEY_SALT_SIZE,
  SESSION_ID_SIZE,
} from './constants.js'
import { UsmpError } from './errors.js'
import type { Frame } from './frame.js'

export { wireCodeName } from './errors.js'

/** A run of bytes in a payload. */
export interface PayloadField {
  /** As the specification names it, in camel case. */
  readonly name: string
  /** From the start of the payload, bytes. */
  readonly offset: number
  /** Bytes. */
  readonly size: number
}

type Sizes<Name extends string> = { readonly [K in Name]: number }
type Values<Name extends string, Optional extends string> = { readonly [K in Name]: Uint8Array } & {
  readonly [K in Optional]?: Uint8Array | undefined
}

/** What a payload is made of, and how it is written and read. */
class PayloadLayout<Name extends string, Optional extends string = never> {
  /** In the order of the wire. */
  readonly fields: readonly PayloadField[]
  /** The lengths that the payload may have, bytes: with the optional fields at its end, or without. */
  readonly sizes: readonly number[]

  constructor(required: Sizes<Name>, optional?: Sizes<Optional>) {
    let offset = 0
    const place = ([name, size]: [string, number]) => {
      offset += size
      return { name, offset: offset - size, size }
    }
    const fields = Object.entries<number>(required).map(place)
    const sizes = [offset]
    if (optional) {
      fields.push(...Object.entries<number>(optional).map(place))
      sizes.push(offset)
    }
    this.fields = fields
    this.sizes = sizes
  }

  /** The payload, with the optional fields that are given. */
  encode(values: Values<Name, Optional>): Uint8Array {
    const given: Readonly<Record<string, Uint8Array | undefined>> = values
    const parts: Uint8Array[] = []
    for (const { name } of this.fields) {
      const part = given[name]
      if (part) parts.push(part)
    }
    return concatBytes(...parts)
  }

  /**
   * The fields of a frame's payload, as copies.
   * @throws UsmpError BAD_PAYLOAD for any other length
   */
  decode({ type, payload }: Frame): Values<Name, Optional> {
    if (!this.sizes.includes(payload.length)) {
      const detail = `${packetTypeName(type)} with ${payload.length} bytes instead of ${this.sizes.join(' or ')}`
      throw new UsmpError('BAD_PAYLOAD', detail)
    }
    const values: Record<string, Uint8Array> = {}
    for (const { name, offset, size } of this.fields) {
      if (offset < payload.length) values[name] = copyBytes(payload, offset, offset + size)
    }
    return values as Values<Name, Optional>
  }
}

/**
 * What each packet type has inside: the one place that knows the order of the fields (specification, sections 2 and 3). The
 * REKEY's stands in the sealed part of its frame; all others are plain.
 */
export const payloadLayouts = {
  [PacketType.HELLO]: /* @__PURE__ */ new PayloadLayout(
    { deviceId: DEVICE_ID_SIZE, publicKey: PUBLIC_KEY_SIZE },
    { cookie: COOKIE_SIZE },
  ),
  [PacketType.HELLO_RETRY]: /* @__PURE__ */ new PayloadLayout({ cookie: COOKIE_SIZE }),
  [PacketType.CHALLENGE]: /* @__PURE__ */ new PayloadLayout({
    nonce: HANDSHAKE_NONCE_SIZE,
    publicKey: PUBLIC_KEY_SIZE,
  }),
  [PacketType.HELLO_ACK]: /* @__PURE__ */ new PayloadLayout({ mac: MAC_SIZE }),
  [PacketType.SESSION_OK]: /* @__PURE__ */ new PayloadLayout({ sessionId: SESSION_ID_SIZE, mac: MAC_SIZE }),
  [PacketType.REKEY]: /* @__PURE__ */ new PayloadLayout({ salt: REKEY_SALT_SIZE }),
  [PacketType.ERROR]: /* @__PURE__ */ new PayloadLayout({ code: 1, detail: 2 }),
} as const

/** The layout of a packet type; undefined for one whose content is the application's, or empty. */
export function payloadLayoutOf(type: number): Pick<PayloadLayout<string>, 'fields' | 'sizes'> | undefined {
  return (payloadLayouts as Readonly<Record<number, PayloadLayout<never>>>)[type]
}
