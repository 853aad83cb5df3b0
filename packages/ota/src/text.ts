const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text of well-formed UTF-8 without control characters (below 0x20, and 0x7f); undefined for anything else. */
export function printableText(bytes: Uint8Array): string | undefined {
  if (bytes.some((byte) => byte < 0x20 || byte === 0x7f)) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** The text of printable ASCII without blanks, padded with zeros to the length of the field; undefined for anything else. */
export function paddedAscii(field: Uint8Array): string | undefined {
  let end = field.indexOf(0)
  if (end < 0) end = field.length
  const isText = field.subarray(0, end).every((byte) => byte > 0x20 && byte < 0x7f)
  const isPadded = field.subarray(end).every((byte) => byte === 0)
  return end > 0 && isText && isPadded ? String.fromCharCode(...field.subarray(0, end)) : undefined
}
