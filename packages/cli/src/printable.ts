// What devices, servers and programs write must not command the terminal of the person who reads it.

/** Control characters but the tab, direction controls (Trojan source), and the two separators of Unicode. */
const UNSAFE = /[^\P{Cc}\t]|\p{Bidi_Control}|[\u2028\u2029]/gu
const NOT_ASCII = /[\x80-\xff]/g

/** The text in one line, with everything that a terminal would obey shown as `\x1b` or `\u202e`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/** The same for the bytes of a message. Where they are no UTF-8, all that is not ASCII is shown as `\xff`. */
export function printableBytes(data: Uint8Array): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return printable(textOf(bytes) ?? bytes.toString('latin1').replace(NOT_ASCII, escaped))
}

/** JSON in one line, in which what a terminal would obey is written as `\u009b`. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (character) => `\\u${hex(character, 4)}`)
}

/** The text that bytes are in UTF-8, undefined if they are none. */
export function textOf(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data)
  } catch {
    return undefined
  }
}

function escaped(character: string): string {
  return character <= '\xff' ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0')
}
