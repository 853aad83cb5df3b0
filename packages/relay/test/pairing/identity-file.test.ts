import { createCipheriv, scryptSync } from 'node:crypto'
import { fc, test } from '@fast-check/vitest'
import { fromHex, toHex } from '@usmp/core'
import { codeOf, failureOf, pseudoRandom } from '@usmp/testing'
import { beforeAll, expect } from 'vitest'
import { Identity } from '../../src/identity.ts'
import { openIdentity, readIdentityHeader, sealIdentity, WrongPassphrase } from '../../src/identity-file.ts'

const random = pseudoRandom(3)
const identity = Identity.generate(random)
const secret = toHex(identity.exportSecret())
const PASSPHRASE = 'correct horse Ünïcode'

/** The same file by node:crypto and by hand. */
function sealedByHand(salt: Uint8Array, nonce: Uint8Array): string {
  const key = scryptSync(PASSPHRASE.normalize('NFKC'), salt, 32, { N: 131072, r: 8, p: 1, maxmem: 2 ** 28 })
  const head =
    `{"v":1,"type":"usmp-relay-identity","public":"${toHex(identity.publicKey)}",` +
    `"kdf":{"name":"scrypt","N":131072,"r":8,"p":1,"salt":"${toHex(salt)}"},"nonce":"${toHex(nonce)}"`
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  cipher.setAAD(Buffer.from(`${head}}`), { plaintextLength: 32 })
  const box = Buffer.concat([cipher.update(fromHex(secret)), cipher.final(), cipher.getAuthTag()])
  return `${head},"box":"${box.toString('hex')}"}`
}

let sealed: string
beforeAll(async () => {
  sealed = await sealIdentity(identity, PASSPHRASE, random)
})

interface Fields {
  v: number
  type: string
  public: string
  kdf: Record<string, unknown>
  nonce?: string
  box: string
  more?: number
}

const changed = (text: string, change: (file: Fields) => void): string => {
  const file = JSON.parse(text)
  change(file)
  return JSON.stringify(file)
}

test('a sealed file shows the public key, and nothing of the secret one', () => {
  expect(readIdentityHeader(sealed)).toEqual({ publicKey: identity.publicKey, sealed: true })
  expect(sealed).not.toContain(secret.slice(0, 8))
  expect(Object.keys(JSON.parse(sealed))).toEqual(['v', 'type', 'public', 'kdf', 'nonce', 'box'])
})

test('what was sealed is what node:crypto seals', async () => {
  const { kdf, nonce, box } = JSON.parse(sealed)
  expect(box).toBe(JSON.parse(sealedByHand(fromHex(kdf.salt), fromHex(nonce))).box)
})

test('a file that node:crypto has made opens, by a passphrase in any form of Unicode', async () => {
  const opened = await openIdentity(sealedByHand(random(16), random(12)), PASSPHRASE.normalize('NFD'))
  expect(toHex(opened.exportSecret())).toBe(secret)
})

test('a wrong passphrase is told as what it is', async () => {
  const error = await failureOf(openIdentity(sealed, 'correct horse'))
  expect(error).toBeInstanceOf(WrongPassphrase)
  expect(error.code).toBe('INVALID_ARGUMENT')
  expect(error.message).toContain('the passphrase of the identity is wrong')
})

test('a file with the public key of somebody else does not open', async () => {
  const text = changed(sealed, (file) => (file.public = toHex(Identity.generate(random).publicKey)))
  expect(await failureOf(openIdentity(text, PASSPHRASE))).toBeInstanceOf(WrongPassphrase)
})

test('without a passphrase the secret key stands in the file', async () => {
  const open = await sealIdentity(identity)
  expect(readIdentityHeader(open)).toEqual({ publicKey: identity.publicKey, sealed: false })
  expect(toHex((await openIdentity(open)).exportSecret())).toBe(secret)
  const swapped = changed(open, (file) => (file.public = toHex(Identity.generate(random).publicKey)))
  expect((await failureOf(openIdentity(swapped))).message).toContain('does not belong')
})

test('a file cannot be put in the place of a sealed one', async () => {
  const open = await sealIdentity(Identity.generate(random))
  expect((await failureOf(openIdentity(open, PASSPHRASE))).message).toContain('not sealed')
  expect((await failureOf(openIdentity(sealed))).message).toContain('none was given')
})

test('an empty passphrase is none, and a wiped identity is not written', async () => {
  expect(await codeOf(sealIdentity(identity, ''))).toBe('INVALID_ARGUMENT')
  const gone = Identity.generate(random)
  gone.wipe()
  expect(await codeOf(sealIdentity(gone))).toBe('INVALID_ARGUMENT')
})

// None of these may reach scrypt: they fail at once.
const broken: [string, (file: Fields) => void][] = [
  ['another version', (file) => (file.v = 2)],
  ['another type', (file) => (file.type = 'x')],
  ['one more field', (file) => (file.more = 1)],
  ['a field less', (file) => delete file.nonce],
  ['a cost that takes all memory', (file) => (file.kdf.N = 2 ** 30)],
  ['a cost that is too small', (file) => (file.kdf.N = 2)],
  ['another width', (file) => (file.kdf.r = 2 ** 20)],
  ['another number of runs', (file) => (file.kdf.p = 2 ** 20)],
  ['another function', (file) => (file.kdf.name = 'md5')],
  ['one more field of the cost', (file) => (file.kdf.x = 1)],
  ['a short salt', (file) => (file.kdf.salt = '00')],
  ['no cost and a nonce', (file) => (file.kdf = null as never)],
  ['a cost and no nonce', (file) => (file.nonce = null as never)],
  ['a cost that is a list', (file) => (file.kdf = [] as never)],
  ['a box that is cut', (file) => (file.box = file.box.slice(2))],
  ['upper-case hex', (file) => (file.public = file.public.toUpperCase())],
  ['a public key in another form', (file) => (file.public = 'ff'.repeat(32))],
]
test.each(broken)('a file with %s is refused', async (_, change) => {
  const error = await failureOf(openIdentity(changed(sealed, change), PASSPHRASE))
  expect(error.code).toBe('INVALID_ARGUMENT')
  expect(error).not.toBeInstanceOf(WrongPassphrase)
})

test.prop([fc.oneof(fc.string({ maxLength: 200 }), fc.json())])(
  'any other text is refused without a piece of it',
  async (text) => {
    for (const given of [text, `${text}MARKER`, JSON.stringify({ type: 'MARKER', text })]) {
      const error = await failureOf(openIdentity(given, PASSPHRASE))
      expect(error.code).toBe('INVALID_ARGUMENT')
      expect(error.message).not.toContain('MARKER')
    }
  },
)

test('a text that is too long is not parsed', async () => {
  expect((await failureOf(openIdentity(`${sealed}${' '.repeat(5000)}`))).message).toContain('too long')
})
