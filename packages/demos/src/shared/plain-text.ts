/**
 * Control characters, of which a terminal would obey some and a line would end at others; and the invisible ones that change
 * in which direction text is read.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
/** Joins the parts of one sign, e.g. of 👩‍🚀, and stands between letters of some scripts. */
const JOINERS = new Set(['\u200c', '\u200d'])

/**
 * What others wrote, as one line of visible characters: nobody can speak as somebody else by it, or steer what shows it.
 * Everything that RoboLink shows of robots and operators goes through it.
 */
export function plainText(text: string): string {
  return text.replace(UNSEEN, (character) => {
    if (JOINERS.has(character)) return character
    const code = character.codePointAt(0)!.toString(16)
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`
  })
}

/** Whether people could take one name for the other. */
export function looksLike(a: string, b: string): boolean {
  return folded(a) === folded(b)
}

function folded(name: string): string {
  return name
    .normalize('NFKC')
    .replace(/[\s\p{Cf}]+/gu, '')
    .toLowerCase()
}
