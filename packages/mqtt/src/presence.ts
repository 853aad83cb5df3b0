/** What a gateway says of itself in its retained topic (specification, section 11.4). None of it is proven. */
export interface Presence {
  readonly up: boolean
  /** 8 hex digits that change with each start of the gateway; undefined in a will. */
  readonly boot: string | undefined
}

/** The longest text that is read, bytes. */
const MAX_SIZE = 128

export function encodePresence({ up, boot }: Presence): string {
  return JSON.stringify({ v: 1, up, ...(boot === undefined ? {} : { boot }) })
}

/** @returns undefined for anything that is no presence of version 1 */
export function decodePresence(payload: Uint8Array): Presence | undefined {
  if (payload.length > MAX_SIZE) return undefined
  try {
    const { v, up, boot } = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>
    if (v !== 1 || typeof up !== 'boolean') return undefined
    if (boot !== undefined && !(typeof boot === 'string' && /^[0-9a-f]{8}$/.test(boot))) return undefined
    return { up, boot }
  } catch {
    return undefined
  }
}
