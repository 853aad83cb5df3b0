import { concatBytes, copyBytes } from './bytes.js'
import {
  COOKIE_SIZE,
  DEVICE_ID_SIZE,
  ERROR_SIZE,
  HANDSHAKE_NONCE_SIZE,
  MAC_SIZE,
  PUBLIC_KEY_SIZE,
  packetTypeName,
  SESSION_ID_SIZE,
} from './constants.js'
import { UsmpError, wireCodeName } from './errors.js'
import type { Frame } from './frame.js'

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
export class PayloadLayout<Name extends string, Optional extends string = never> {
  /** In the order of the wire. */
  readonly fields: readonly PayloadField[]
  /** The lengths that the payload may have, bytes: with the optional fields at its end, or without. */
  readonly sizes: readonly number[]

  constructor(required: Sizes<Name>, optional?: Sizes<Optional>) {
    const fields: PayloadField[] = []
    const sizes: number[] = []
    let offset = 0
    for (const part of optional ? [required, optional] : [required]) {
      for (const [name, size] of Object.entries<number>(part)) {
        fields.push({ name, offset, size })
        offset += size
      }
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

// The one place that knows the order of the fields.

/** HELLO, client to server; with the cookie that an earlier HELLO_RETRY handed out, or without (specification, section 3.2). */
export const hello = /* @__PURE__ */ new PayloadLayout(
  { deviceId: DEVICE_ID_SIZE, publicKey: PUBLIC_KEY_SIZE },
  { cookie: COOKIE_SIZE },
)
/** What a HELLO says. */
export type Hello = ReturnType<typeof hello.decode>
/** HELLO_RETRY, server to client (specification, section 3.3). */
export const helloRetry = /* @__PURE__ */ new PayloadLayout({ cookie: COOKIE_SIZE })
/** CHALLENGE, server to client (specification, section 3.4). */
export const challenge = /* @__PURE__ */ new PayloadLayout({ nonce: HANDSHAKE_NONCE_SIZE, publicKey: PUBLIC_KEY_SIZE })
/** HELLO_ACK, client to server (specification, section 3.5). */
export const helloAck = /* @__PURE__ */ new PayloadLayout({ mac: MAC_SIZE })
/** SESSION_OK, server to client (specification, section 3.6). */
export const sessionOk = /* @__PURE__ */ new PayloadLayout({ sessionId: SESSION_ID_SIZE, mac: MAC_SIZE })

/** The payload of an ERROR frame: its code, and no detail (specification, section 2.4). */
export function encodeError(code: number): Uint8Array {
  const payload = new Uint8Array(ERROR_SIZE)
  payload[0] = code
  return payload
}

/**
 * What an ERROR frame says; unauthenticated, so at most a hint (specification, section 2.4). Undefined unless its payload is
 * 3 bytes.
 */
export function describeErrorFrame({ payload }: Frame): string | undefined {
  if (payload.length !== ERROR_SIZE) return undefined
  const code = payload[0]!
  return wireCodeName(code) ?? `code ${code}`
}

/** @throws UsmpError UNEXPECTED_PACKET */
export function expectType(frame: Frame, ...types: readonly number[]): void {
  if (types.includes(frame.type)) return
  const expected = types.map(packetTypeName).join(' or ')
  throw new UsmpError('UNEXPECTED_PACKET', `${packetTypeName(frame.type)} instead of ${expected}`)
}
