import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  formatPublicKey,
  keyIdOf,
  parsePublicKey,
  publicKeyOf,
  signManifest,
  verifyManifest,
  verifySignature,
} from '../src/index.ts'
import { PublisherKey } from '../src/node.ts'

/** RFC 8410, section 10.3: a secret key and its public half. */
const RFC_8410 = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
`
const RFC_8410_PUBLIC = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`
const message = new TextEncoder().encode('a message')

/** What `openssl` says to its standard output. */
const openssl = (input: string, ...args: string[]) => execFileSync('openssl', args, { input, encoding: 'utf8' })

const codeOf = (action: () => unknown): unknown => {
  try {
    return action()
  } catch (error) {
    return (error as { code: unknown }).code
  }
}

describe('the key of a publisher', () => {
  test('is the one of RFC 8410, byte by byte', async () => {
    const key = PublisherKey.fromPem(RFC_8410)
    expect(await key.toPem()).toBe(RFC_8410)
    expect(formatPublicKey(key.publicKey)).toBe(RFC_8410_PUBLIC)
    expect(parsePublicKey(RFC_8410_PUBLIC)).toEqual(key.publicKey)
  })

  test('its signatures are those of node:crypto and of this package', () => {
    const key = PublisherKey.generate()
    const signature = key.sign(message)
    expect(verifySignature(key.publicKey, message, signature)).toBe(true)
    expect(verify(null, message, createPublicKey(formatPublicKey(key.publicKey)), signature)).toBe(true)
    expect(key.keyId).toBe(keyIdOf(key.publicKey))
  })

  test('under a passphrase it is opened by this package, by node:crypto and by OpenSSL, and by no other passphrase', async () => {
    const key = PublisherKey.generate()
    const sealed = await key.toPem('correct horse')
    expect(PublisherKey.isEncrypted(sealed)).toBe(true)
    expect(PublisherKey.fromPem(sealed, 'correct horse').publicKey).toEqual(key.publicKey)
    const plain = createPrivateKey({ key: sealed, passphrase: 'correct horse' })
    expect(plain.export({ type: 'pkcs8', format: 'pem' })).toBe(await key.toPem())
    expect(openssl(sealed, 'pkey', '-passin', 'pass:correct horse')).toBe(await key.toPem())
    expect(() => PublisherKey.fromPem(sealed, 'wrong horse')).toThrow(/passphrase of the key is wrong/)
    expect(() => PublisherKey.fromPem(sealed)).toThrow(/no passphrase/)
  })

  test('the passphrase goes through scrypt, as the file says', async () => {
    const sealed = await PublisherKey.generate().toPem('correct horse')
    const parsed = openssl(sealed, 'asn1parse')
    expect(parsed).toContain('PBES2')
    expect(parsed).toMatch(/1\.3\.6\.1\.4\.1\.11591\.4\.11|scrypt/)
    expect(parsed.match(/INTEGER +:([0-9A-F]+)/g)?.map((line) => line.replace(/.*:/, ''))).toEqual([
      '4000',
      '08',
      '05',
      '20',
    ])
    expect(parsed).toContain('aes-256-cbc')
  })

  test('each sealing has its own salt', async () => {
    const key = PublisherKey.generate()
    expect(await key.toPem('correct horse')).not.toBe(await key.toPem('correct horse'))
  })

  test('a key of OpenSSL is taken, and one of another kind is not', () => {
    const made = openssl('', 'genpkey', '-algorithm', 'ed25519')
    expect(PublisherKey.fromPem(made).publicKey).toHaveLength(32)
    const x25519 = openssl('', 'genpkey', '-algorithm', 'x25519')
    expect(() => PublisherKey.fromPem(x25519)).toThrow(/no publisher's secret key/)
    expect(() => PublisherKey.fromPem('nothing')).toThrow(/no publisher's secret key/)
    expect(() => PublisherKey.fromPem(RFC_8410_PUBLIC)).toThrow(/public half of a key/)
  })
})

describe('a public key as text', () => {
  const { publicKey } = PublisherKey.fromPem(RFC_8410)
  const hex = Buffer.from(publicKey).toString('hex')

  test.each([
    ['hex', hex],
    ['hex in capitals with an end of line', `${hex.toUpperCase()}\n`],
    ['PEM with the line ends of Windows', RFC_8410_PUBLIC.replaceAll('\n', '\r\n')],
  ])('%s', (_, text) => expect(parsePublicKey(text)).toEqual(publicKey))

  test.each([
    ['nothing', ''],
    ['a digit too few', hex.slice(1)],
    ['a byte too many', `${hex}00`],
    ['zeros, a point of small order', '0'.repeat(64)],
    ['PEM of a secret key', RFC_8410],
    ['PEM of another kind of key', openssl(openssl('', 'genpkey', '-algorithm', 'x25519'), 'pkey', '-pubout')],
    ['PEM of nothing', '-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----'],
    ['PEM with broken base64', RFC_8410_PUBLIC.replace('MCow', 'MC=w')],
  ])('%s is refused, and not shown', (_, text) => {
    expect(codeOf(() => parsePublicKey(text))).toBe('INVALID_ARGUMENT')
    try {
      parsePublicKey(text)
    } catch (error) {
      if (text.length > 20) expect(String(error)).not.toContain(text.slice(30, 50))
    }
  })
})

test('a key in memory and one of node:crypto sign a manifest the same', () => {
  const key = PublisherKey.fromPem(RFC_8410)
  const secret = Buffer.from(RFC_8410.split('\n')[1]!, 'base64').subarray(-32)
  expect(publicKeyOf(secret)).toEqual(key.publicKey)
  const fields = {
    keyId: key.keyId,
    product: 'p',
    chip: 'c',
    version: 1,
    counter: 0,
    leastVersion: 0,
    size: 1,
    sha256: new Uint8Array(32),
    notAfter: 0,
    name: '',
    revokedKeys: [],
    extensions: [],
  }
  expect(verifyManifest(signManifest(fields, secret), key.publicKey)).toBe(true)
})
