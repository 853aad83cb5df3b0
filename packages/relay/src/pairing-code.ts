import { sha256 } from '@noble/hashes/sha2.js'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { type Clock, concatBytes, type RandomSource, systemClock, UsmpError, wipe } from '@usmp/core'
import { LifetimeClock } from './lifetime-clock.js'
import { drawBytes, platformRandom, secretBytes } from './random.js'
import { ROUTE_SIZE } from './wire.js'

/** How long a code can be used after it was made or typed, ms: ten minutes. */
export const CODE_LIFETIME = 600_000

const WORDS = 4
/** The list has 2^11 words. */
const WORD_MASK = wordlist.length - 1
/** Characters: more than anybody types. */
const MAX_TEXT = 256
/** Characters of a wrong word that a message shows. */
const MAX_SHOWN = 16
/** Any white space, dashes of any language, and what else people put between words. */
const BETWEEN = /[\s\p{Pd}_.,;:]+/u
const ROUTE_LABEL = new TextEncoder().encode('usmp-relay code route v1')
const HINT = 'A code is four English words, like "orbit-lemon-river-piano". The other end shows it.'

/**
 * Four words that one person reads to another, once (specification, section 12.2). The first two say where to meet, and the relay may
 * learn them. The last two are the password, 22 bits, of which an attacker has one guess at each end: a code is used up by one attempt,
 * whatever came of it, and after ten minutes.
 */
export class PairingCode {
  readonly #text: string
  readonly #route: Uint8Array
  readonly #password: Uint8Array
  readonly #clock: LifetimeClock
  readonly #made: number
  #used = false

  private constructor(words: readonly string[], clock: Clock) {
    this.#text = words.join('-')
    this.#route = sha256(concatBytes(ROUTE_LABEL, utf8(words.slice(0, 2).join('-')))).slice(0, ROUTE_SIZE)
    const password = utf8(words.slice(2).join('-'))
    this.#password = secretBytes(password.length)
    this.#password.set(password)
    wipe(password)
    // The platform's clock stands still while the machine sleeps, and the code must not.
    this.#clock = new LifetimeClock(clock, clock === systemClock ? Date.now : () => clock.now())
    this.#made = this.#clock.now()
  }

  /**
   * A new code, for the host.
   * @param random default: that of the platform
   * @param clock by which it grows old; default: that of the platform
   * @throws UsmpError RANDOM_FAILED
   */
  static generate(random: RandomSource = platformRandom, clock: Clock = systemClock): PairingCode {
    const bytes = drawBytes(random, 2 * WORDS)
    const words = Array.from({ length: WORDS }, (_, index) => {
      // 2^16 numbers fall evenly on 2^11 words.
      const number = (bytes[2 * index]! << 8) | bytes[2 * index + 1]!
      return wordlist[number & WORD_MASK]!
    })
    wipe(bytes)
    return new PairingCode(words, clock)
  }

  /**
   * The code that a person has typed, for the guest: in any case, with any spaces and dashes between the words.
   * @param clock by which it grows old; default: that of the platform
   * @throws UsmpError INVALID_ARGUMENT for anything but four words of the list, with the nearest word where one is unknown
   */
  static parse(text: string, clock: Clock = systemClock): PairingCode {
    if (typeof text !== 'string' || text.length > MAX_TEXT) throw notCode('a text of four words is expected')
    const words = text
      .normalize('NFKC')
      .toLowerCase()
      .split(BETWEEN)
      .filter((word) => word !== '')
    const unknown = words.find((word) => !wordlist.includes(word))
    if (unknown !== undefined) {
      throw notCode(`"${shown(unknown)}" is not a word of codes; did you mean ${nearest(unknown)}?`)
    }
    if (words.length !== WORDS) throw notCode(`it has ${words.length} words`)
    return new PairingCode(words, clock)
  }

  /** The four words with dashes between them, to be shown to people. */
  toString(): string {
    return this.#text
  }

  /** Where host and guest meet: 16 bytes, from the first two words alone. */
  get route(): Uint8Array {
    return this.#route
  }

  /** The last two words; zeros once the code was used. */
  get password(): Uint8Array {
    return this.#password
  }

  /** How long the code can still be used, whole ms; 0 when it is too old or was used. */
  get remaining(): number {
    return this.#used ? 0 : Math.max(0, Math.floor(this.#made + CODE_LIFETIME - this.#clock.now()))
  }

  /**
   * Takes the code for the one attempt that it is good for, and tells its password. The caller wipes that.
   * @throws UsmpError PAIRING_FAILED if the code was used, or is older than ten minutes
   */
  use(): Uint8Array {
    if (this.#used) throw new UsmpError('PAIRING_FAILED', 'this code was used before')
    const old = this.remaining === 0
    const password = secretBytes(this.#password.length)
    password.set(this.#password)
    this.#used = true
    wipe(this.#password)
    if (old) throw new UsmpError('PAIRING_FAILED', 'the code is older than ten minutes')
    return password
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function notCode(detail: string): UsmpError {
  return new UsmpError('INVALID_ARGUMENT', `this is not a pairing code: ${detail}`, { hint: HINT })
}

/** The letters of a wrong word; what may not print is a question mark. */
function shown(word: string): string {
  return word.slice(0, MAX_SHOWN).replace(/[^\p{L}\p{N}]/gu, '?')
}

/** The word of the list with the fewest edits from another one. */
function nearest(unknown: string): string {
  const typed = unknown.slice(0, MAX_SHOWN)
  let best = { word: '', edits: Number.POSITIVE_INFINITY }
  for (const word of wordlist) {
    const edits = editsBetween(typed, word)
    if (edits < best.edits) best = { word, edits }
  }
  return best.word
}

/** Letters to insert, delete or replace. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1]
    for (let at = 0; at < to.length; at++) {
      next.push(Math.min(row[at]! + (letter === to[at] ? 0 : 1), row[at + 1]! + 1, next[at]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
