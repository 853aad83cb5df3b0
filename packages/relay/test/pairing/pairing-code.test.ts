import { fc, test } from '@fast-check/vitest'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { toHex } from '@usmp/core'
import { codeThrownBy, SimulatedClock } from '@usmp/testing'
import { expect, vi } from 'vitest'
import { CODE_LIFETIME, PairingCode } from '../../src/pairing-code.ts'
import vectors from './vectors.json' with { type: 'json' }

const words = fc.array(fc.constantFrom(...wordlist), { minLength: 4, maxLength: 4 })
const messageOf = (text: string): string => {
  try {
    return String(PairingCode.parse(text))
  } catch (error) {
    return (error as Error).message
  }
}

test.each(vectors.codes)('the route of $code is that of the vectors', ({ code, route }) => {
  const parsed = PairingCode.parse(code)
  expect(toHex(parsed.route)).toBe(route)
  expect(new TextDecoder().decode(parsed.password)).toBe(code.split('-').slice(2).join('-'))
})

test.prop([
  words,
  fc.array(fc.constantFrom('-', ' ', '--', ' – ', '—', '\t', '_', '.', ' , ', '‑'), { minLength: 5, maxLength: 5 }),
  fc.boolean(),
])('people type codes in many ways', ([a, b, c, d], [p, q, r, s, t], upper) => {
  const typed = `${p}${a}${q}${b}${r}${c}${s}${d}${t}`
  expect(String(PairingCode.parse(upper ? typed.toUpperCase() : typed))).toBe(`${a}-${b}-${c}-${d}`)
})

test('the route tells nothing of the password, and the password nothing of the route', () => {
  const [one, two, three] = ['able-about-zoo-zone', 'able-about-wolf-wrist', 'acid-about-zoo-zone'].map((text) =>
    PairingCode.parse(text),
  )
  expect(one!.route).toEqual(two!.route)
  expect(one!.password).not.toEqual(two!.password)
  expect(one!.route).not.toEqual(three!.route)
  expect(one!.password).toEqual(three!.password)
})

test('every word comes from 11 of 16 bits, so all are equally likely', () => {
  const code = (...bytes: number[]) => String(PairingCode.generate(() => Uint8Array.from(bytes)))
  expect(code(0, 0, 0, 1, 7, 255, 8, 0)).toBe(`${wordlist[0]}-${wordlist[1]}-${wordlist[2047]}-${wordlist[0]}`)
  expect(code(0xff, 0xff, 0xf8, 0, 0x83, 0xe8, 0, 2)).toBe(
    `${wordlist[2047]}-${wordlist[0]}-${wordlist[1000]}-${wordlist[2]}`,
  )
  expect(wordlist.length).toBe(2048)
})

test('two codes of the platform differ', () => {
  expect(String(PairingCode.generate())).not.toBe(String(PairingCode.generate()))
})

test('an unknown word is named, with the nearest one', () => {
  expect(messageOf('able-abuot-zoo-zone')).toContain('"abuot" is not a word of codes; did you mean about?')
  expect(messageOf('able zoone zoo zone')).toContain('did you mean zone?')
  expect(messageOf('able-about-zoo')).toContain('3 words')
  expect(messageOf('able-about-zoo-zone-wolf')).toContain('5 words')
  expect(messageOf('')).toContain('0 words')
})

test.prop([fc.string({ unit: 'binary', maxLength: 300 })])(
  'any other text is refused, and nothing in it is printed raw',
  (text) => {
    fc.pre(
      text
        .toLowerCase()
        .split(/\W+/)
        .filter((word) => wordlist.includes(word)).length < 4,
    )
    expect(codeThrownBy(() => PairingCode.parse(text))).toBe('INVALID_ARGUMENT')
    expect(messageOf(text)).toMatch(/^[^\p{C}]{1,250}$/u)
  },
)

test('a code is good for one use, whatever becomes of it', () => {
  const code = PairingCode.parse('able-about-zoo-zone')
  const password = code.use()
  expect(new TextDecoder().decode(password)).toBe('zoo-zone')
  expect(code.password).toEqual(new Uint8Array(8))
  expect(code.remaining).toBe(0)
  expect(codeThrownBy(() => code.use())).toBe('PAIRING_FAILED')
})

test('a code is good for ten minutes', () => {
  const clock = new SimulatedClock()
  const made = [PairingCode.generate(undefined, clock), PairingCode.parse('able-about-zoo-zone', clock)]
  clock.advance(CODE_LIFETIME - 1)
  expect(made.map((code) => code.remaining)).toEqual([1, 1])
  made[0]!.use()
  clock.advance(1)
  expect(codeThrownBy(() => made[1]!.use())).toBe('PAIRING_FAILED')
  expect(made[1]!.password).toEqual(new Uint8Array(8))
})

test('a code grows old while the machine sleeps, and setting the wall clock back makes it no younger', () => {
  const wall = vi.spyOn(Date, 'now')
  try {
    let time = 1_800_000_000_000
    wall.mockImplementation(() => time)
    const code = PairingCode.generate()
    time += CODE_LIFETIME / 2
    expect(code.remaining).toBeLessThanOrEqual(CODE_LIFETIME / 2)
    time -= 24 * 3_600_000
    expect(code.remaining).toBeLessThanOrEqual(CODE_LIFETIME / 2)
    time += CODE_LIFETIME / 2
    expect(code.remaining).toBe(0)
  } finally {
    wall.mockRestore()
  }
})

test('a look at a code by a debugger shows no word of it', async () => {
  const { inspect } = await import('node:util')
  const shown =
    inspect(PairingCode.parse('able-about-zoo-zone'), { depth: 5 }) +
    JSON.stringify(PairingCode.parse('able-about-zoo-zone'))
  expect(shown).not.toContain('zoo')
})
