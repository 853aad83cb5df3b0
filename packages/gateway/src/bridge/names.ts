import { createHash } from 'node:crypto'

/** The longest state that Home Assistant takes, characters. */
export const MAX_STATE = 255

/** Control characters, those that turn the direction of text, lone surrogates, and what no text is. */
const UNWANTED = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]+/gu

/** Text of a person or a device as a name: one line, no character that hides or turns others, bounded. May become empty. */
export function cleanText(text: string, max = 64): string {
  return [...text.replace(UNWANTED, ' ').replace(/\s+/g, ' ').trim()].slice(0, max).join('').trim()
}

/**
 * A name as part of a topic and of a unique id: letters, digits, `_`, and `-` only before the hash of a name that had something else.
 * Different names have different slugs.
 */
export function slugOf(name: string): string {
  if (/^\w{1,40}$/.test(name)) return name
  const readable = name.replace(/\W+/g, '_').slice(0, 24)
  return `${readable}-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
}
