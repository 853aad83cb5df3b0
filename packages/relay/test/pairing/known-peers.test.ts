import { fc, test } from '@fast-check/vitest'
import { toHex, UsmpError } from '@usmp/core'
import { codeThrownBy } from '@usmp/testing'
import { expect } from 'vitest'
import { KnownPeers, MAX_KNOWN_PEERS } from '../../src/known-peers.ts'
import { faultOfName } from '../../src/peer-name.ts'

const NOW = new Date('2026-11-30T12:34:56.789Z')
const HEADER = 'usmp-relay-known-peers 1'
const keyNumber = (number: number): Uint8Array => {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, number + 2, true)
  return key
}
const knownWith = (...names: readonly string[]): KnownPeers => {
  const known = new KnownPeers()
  for (const [index, name] of names.entries()) known.learn({ name, publicKey: keyNumber(index) }, NOW)
  return known
}

test('a file has a line for each peer', () => {
  const known = knownWith('Anna', 'Bank of Æther')
  known.verify('anna')
  const text = `${HEADER}
Anna ${toHex(keyNumber(0))} 2026-11-30T12:34:56Z verified
Bank of Æther ${toHex(keyNumber(1))} 2026-11-30T12:34:56Z unverified
`
  expect(String(known)).toBe(text)
  expect(String(KnownPeers.parse(text))).toBe(text)
  expect(KnownPeers.parse(text).get('Bank of Æther')).toEqual({
    name: 'Bank of Æther',
    publicKey: keyNumber(1),
    firstSeen: new Date('2026-11-30T12:34:56Z'),
    verified: false,
  })
})

const names = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((name) => faultOfName(name) === undefined)
const actions = fc.array(
  fc.record({ what: fc.constantFrom('learn', 'learn', 'learn', 'verify', 'forget'), name: names, key: fc.nat(8) }),
  { maxLength: 40 },
)

test.prop([actions])('whatever happens, the text says the same again, and no key changes but by forgetting', (list) => {
  const known = new KnownPeers()
  for (const { what, name, key } of list) {
    const before = known.get(name)
    try {
      if (what === 'learn') known.learn({ name, publicKey: keyNumber(key) }, NOW)
      else if (what === 'verify') known.verify(name)
      else known.forget(name)
    } catch (error) {
      expect(error).toBeInstanceOf(UsmpError)
    }
    const after = known.get(name)
    if (before && what !== 'forget') expect(after?.publicKey).toEqual(before.publicKey)
    if (before?.verified && what === 'learn') expect(after?.verified).toBe(true)
    const keys = known.list().map((peer) => toHex(peer.publicKey))
    expect(new Set(keys).size).toBe(keys.length)
    expect(String(KnownPeers.parse(String(known)))).toBe(String(known))
  }
})

test('another key under a known name is an alarm, and changes nothing', () => {
  const known = knownWith('Anna')
  known.verify('Anna')
  const before = String(known)
  for (const name of ['Anna', 'anna', 'ＡＮＮＡ']) {
    const learn = () => known.learn({ name, publicKey: keyNumber(7) }, NOW)
    expect(codeThrownBy(learn)).toBe('IDENTITY_CHANGED')
  }
  expect(String(known)).toBe(before)
})

test('a peer that is paired with again stays what it was, also under a new name', () => {
  const known = knownWith('Anna', 'Bert')
  known.verify('Anna')
  const later = new Date('2027-01-01T00:00:00Z')
  const before = String(known)
  expect(known.learn({ name: 'Anna', publicKey: keyNumber(0) }, later)).toMatchObject({ name: 'Anna', verified: true })
  expect(known.learn({ name: 'Anna 2', publicKey: keyNumber(0) }, later).name).toBe('Anna')
  // The key of one known peer under the name of another one.
  expect(codeThrownBy(() => known.learn({ name: 'Bert', publicKey: keyNumber(0) }, later))).toBe('IDENTITY_CHANGED')
  expect(String(known)).toBe(before)
})

test('forgetting lets a new key in, which nobody has verified', () => {
  const known = knownWith('Anna')
  known.verify('Anna')
  expect(known.forget('Anna')).toBe(true)
  expect(known.forget('Anna')).toBe(false)
  expect(known.get('Anna')).toBeUndefined()
  expect(known.learn({ name: 'Anna', publicKey: keyNumber(7) }, NOW).verified).toBe(false)
  // And the old key is nobody’s.
  expect(known.learn({ name: 'Carl', publicKey: keyNumber(0) }, NOW).name).toBe('Carl')
})

test('an unknown peer cannot be verified', () => {
  expect(codeThrownBy(() => knownWith('Anna').verify('Bert'))).toBe('INVALID_ARGUMENT')
})

test.each([
  ['', 'an empty name'],
  [' Anna', 'a space before'],
  ['An\nna', 'an end of line'],
  ['An\u202ena', 'a bidi override'],
  ['x'.repeat(33), 'more than 32 bytes'],
  ['\u0301Anna', 'an accent in front'],
  ['\u2800', 'an empty cell of Braille'],
  ['Anna\u00a0B', 'a space that does not break'],
])('%j is no name: %s', (name) => {
  expect(codeThrownBy(() => knownWith(name))).toBe('INVALID_ARGUMENT')
})

test('names of other languages are names', () => {
  const known = knownWith('Æther', '北京', 'Ελένη', 'डाकघर', '🤖 7', "O'Brien (home)", 'a#b')
  expect(known.list().length).toBe(7)
})

test('there is a most', () => {
  const known = knownWith(...Array.from({ length: MAX_KNOWN_PEERS }, (_, index) => `peer ${index}`))
  expect(codeThrownBy(() => known.learn({ name: 'one more', publicKey: keyNumber(5000) }, NOW))).toBe(
    'INVALID_ARGUMENT',
  )
  expect(KnownPeers.parse(String(known)).list().length).toBe(MAX_KNOWN_PEERS)
  const more = `${known}one more ${toHex(keyNumber(5000))} 2026-11-30T12:34:56Z verified\n`
  expect(codeThrownBy(() => KnownPeers.parse(more))).toBe('INVALID_ARGUMENT')
})

const LINE = `Anna ${toHex(keyNumber(0))} 2026-11-30T12:34:56Z verified`
test.each([
  ['nothing', ''],
  ['no header', `${LINE}\n`],
  ['another header', `usmp-relay-known-peers 2\n${LINE}\n`],
  ['a last line that is cut off', `${HEADER}\n${LINE}`],
  ['half a line', `${HEADER}\n${LINE.slice(0, 40)}\n`],
  ['an empty line', `${HEADER}\n\n${LINE}\n`],
  ['ends of lines of Windows', `${HEADER}\r\n${LINE}\r\n`],
  ['upper-case hex', `${HEADER}\n${LINE.replace('02', '0A')}\n`],
  ['a name twice', `${HEADER}\n${LINE}\n${LINE.replace('Anna', 'ANNA').replace(' 02', ' 03')}\n`],
  ['a key twice', `${HEADER}\n${LINE}\n${LINE.replace('Anna', 'Bert')}\n`],
  ['a day that does not exist', `${HEADER}\n${LINE.replace('11-30', '02-30')}\n`],
  ['an hour that does not exist', `${HEADER}\n${LINE.replace('T12', 'T25')}\n`],
  ['a name that does not print', `${HEADER}\n${LINE.replace('Anna', 'An\u202ena')}\n`],
  ['a key in another form', `${HEADER}\n${LINE.replace(toHex(keyNumber(0)), 'ff'.repeat(32))}\n`],
  ['another word at the end', `${HEADER}\n${LINE.replace('verified', 'trusted')}\n`],
  ['too much', `${HEADER}\n${'x'.repeat(300_000)}\n`],
])('a file with %s is refused', (_, text) => {
  expect(codeThrownBy(() => KnownPeers.parse(text))).toBe('INVALID_ARGUMENT')
})

test('a time that cannot be written is refused', () => {
  const learn = (now: Date) =>
    codeThrownBy(() => new KnownPeers().learn({ name: 'Anna', publicKey: keyNumber(0) }, now))
  expect(learn(new Date(Number.NaN))).toBe('INVALID_ARGUMENT')
  expect(learn(new Date(8.64e15))).toBe('INVALID_ARGUMENT')
  expect(learn(NOW)).toBe('no error')
})
