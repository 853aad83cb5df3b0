import { execFileSync } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromHex, toHex } from '@usmp/core'
import { formatPublicKey, keyIdOf, parsePublicKey, splitBundle, verifyManifest } from '@usmp/ota'
import { PublisherKey } from '@usmp/ota/node'
import { describe, expect, test } from 'vitest'
import { onTerminal } from './terminal-run.js'
import { directory, done, file } from './usmp.js'

const ABOUT = ['--product', 'weather-station', '--chip', 'esp32c3', '--version', '1.4.0', '--counter', '7']
const IMAGE = Buffer.from('the bytes of a firmware, so to say'.repeat(3000))

/** A folder with a key without a passphrase, and an image. */
async function publisher() {
  const folder = await directory()
  const at = (name: string) => join(folder, name)
  const key = PublisherKey.generate()
  await writeFile(at('release.key'), await key.toPem(), { mode: 0o600 })
  await writeFile(at('release.key.pub'), formatPublicKey(key.publicKey))
  await writeFile(at('firmware.bin'), IMAGE)
  return { at, key: at('release.key'), pub: at('release.key.pub'), image: at('firmware.bin') }
}

/** The same with a signed image. */
async function signed(...more: string[]) {
  const files = await publisher()
  const bundle = files.at('weather.uota')
  const run = await done('ota', 'sign', files.image, '--key', files.key, ...ABOUT, ...more, '--out', bundle)
  expect(run.stderr).not.toContain('error')
  expect(run.code).toBe(0)
  return { ...files, bundle, run }
}

describe('ota keygen', () => {
  test('writes both halves, never over others, and shows the public one', async () => {
    const key = join(await directory(), 'release.key')
    const pub = `${key}.pub`
    const keygen = await done('ota', 'keygen', '--out', key, '--no-passphrase')
    expect(keygen.code).toBe(0)
    expect((await stat(key)).mode & 0o777).toBe(0o600)
    const publicKey = parsePublicKey(await readFile(pub, 'utf8'))
    expect(keygen.stdout).toBe(`${toHex(publicKey)}\n`)
    expect(keygen.stderr).toContain(keyIdOf(publicKey))
    const unasked = await done('ota', 'keygen', '--out', `${key}.2`)
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('or --no-passphrase')])
    const again = await done('ota', 'keygen', '--out', key, '--no-passphrase')
    expect(again.code).toBe(2)
    expect(again.stderr).toContain('exists already')
    expect(parsePublicKey(await readFile(pub, 'utf8'))).toEqual(publicKey)
  })

  test('under a passphrase: only who has it signs', async () => {
    const { at, image } = await publisher()
    const [good, bad] = [await file('correct horse\n'), await file('wrong horse\n')]
    const key = at('sealed.key')
    expect((await done('ota', 'keygen', '--out', key, '--passphrase-file', good)).code).toBe(0)
    expect(await readFile(key, 'utf8')).toContain('ENCRYPTED PRIVATE KEY')
    const sign = (name: string, ...more: string[]) =>
      done('ota', 'sign', image, '--key', key, ...ABOUT, '--out', at(name), ...more)
    expect((await sign('good.uota', '--passphrase-file', good)).code).toBe(0)
    const refused = await sign('bad.uota', '--passphrase-file', bad)
    expect(refused.code).toBe(5)
    expect(refused.stderr).toMatch(/passphrase of .*sealed\.key is wrong.*\[WRONG_PASSPHRASE\]/)
    const asked = await sign('asked.uota')
    expect(asked.code).toBe(2)
    expect(asked.stderr).toContain('no terminal')
    await expect(stat(at('bad.uota'))).rejects.toThrow('ENOENT')
  })

  test('on a terminal the passphrase is asked for, twice for a new one, and never shown', async () => {
    const { at, image } = await publisher()
    const type = async (run: ReturnType<typeof onTerminal>, question: RegExp, text: string) => {
      await run.says('stdout', question)
      run.write(`${text}\r`)
    }
    const keygen = onTerminal('ota', 'keygen', '--out', at('typed.key'))
    await type(keygen, /new passphrase \(empty for none\): /, 'correct horse')
    await type(keygen, /new passphrase once more: /, 'correct horse')
    expect(await keygen.exit()).toBe(0)
    expect(await readFile(at('typed.key'), 'utf8')).toContain('ENCRYPTED PRIVATE KEY')
    const sign = onTerminal('ota', 'sign', image, '--key', at('typed.key'), ...ABOUT, '--out', at('typed.uota'))
    await type(sign, /passphrase of \S+typed\.key: /, 'correct horse')
    expect(await sign.exit()).toBe(0)
    expect(keygen.stdout + sign.stdout).not.toContain('horse')
    expect((await done('ota', 'verify', at('typed.uota'), '--public-key', at('typed.key.pub'))).code).toBe(0)
  })

  test('the public half for firmware, for OpenSSL and for programs, from either file', async () => {
    const { key, pub } = await publisher()
    const publicKey = parsePublicKey(await readFile(pub, 'utf8'))
    const c = await done('ota', 'public', key, '--c')
    expect(c.stdout.match(/0x[0-9a-f]{2}/g)?.map(Number)).toEqual([...publicKey])
    expect(c.stdout).toContain('static const uint8_t publisher_key[32] = {')
    expect((await done('ota', 'public', key, '--pem')).stdout).toBe(await readFile(pub, 'utf8'))
    const json = await done('ota', 'public', pub, '--json')
    expect(json.objects()).toMatchObject([{ key_id: keyIdOf(publicKey), public_key: toHex(publicKey) }])
    expect(json.stderr).toBe('')
  })
})

describe('ota sign, show, verify', () => {
  test('a signed image is what was asked for', async () => {
    const more = ['--name', 'Spring release', '--least-version', '1.2.0', '--not-after', '2031-01-31']
    const { pub, bundle, run } = await signed(...more)
    const { manifest, image } = splitBundle(await readFile(bundle))
    expect(Buffer.from(image)).toEqual(IMAGE)
    expect(verifyManifest(manifest, parsePublicKey(await readFile(pub, 'utf8')))).toBe(true)
    expect(manifest).toMatchObject({ product: 'weather-station', chip: 'esp32c3', counter: 7, version: 0x01040000 })
    expect(manifest).toMatchObject({ leastVersion: 0x01020000, notAfter: 4048, name: 'Spring release' })
    expect(run.stderr).toMatch(/^signed weather-station 1\.4\.0 with the key [0-9a-f]{16} into .*weather\.uota$/m)
    const show = await done('ota', 'show', bundle)
    expect(show.stdout).toMatch(/^name +Spring release$/m)
    expect(show.stdout).toMatch(/^version +1\.4\.0$/m)
    expect(show.stdout).toMatch(/^updates from +1\.2\.0 on$/m)
    expect(show.stdout).toMatch(/^last day +2031-01-31$/m)
    expect(show.stderr).toContain('the signature was not checked')
    const verify = await done('ota', 'verify', bundle, '--public-key', pub)
    expect(verify.code).toBe(0)
    expect(verify.stdout).toMatch(/^good: /)
  })

  test('rotation: a next key and a revoked one', async () => {
    const next = await publisher()
    const { bundle } = await signed('--next-key', next.pub, '--revoke', '0011223344556677')
    const [shown] = (await done('ota', 'show', bundle, '--json')).objects()
    const publicKey = toHex(parsePublicKey(await readFile(next.pub, 'utf8')))
    expect(shown).toMatchObject({ next_key: { public_key: publicKey }, revoked_keys: ['0011223344556677'] })
    expect(shown).toMatchObject({ least_version: null, not_after: null, name: null, unknown_fields: [] })
  })

  test('another key, a changed image, a changed manifest, another file', async () => {
    const { pub, bundle, at } = await signed()
    const other = await publisher()
    const foreign = await done('ota', 'verify', bundle, '--public-key', other.pub)
    expect(foreign.code).toBe(5)
    expect(foreign.stderr).toContain('[UNKNOWN_KEY]')
    expect((await done('ota', 'verify', bundle, '--public-key', other.pub, pub)).code).toBe(0)
    const bytes = await readFile(bundle)
    const verify = async (change: (copy: Buffer) => Buffer) => {
      await writeFile(at('changed.uota'), change(Buffer.from(bytes)))
      const { code, stderr } = await done('ota', 'verify', at('changed.uota'), '--public-key', pub)
      return [code, /\[(\w+)\]/.exec(stderr)?.[1]]
    }
    const flipped = (offset: number) => (copy: Buffer) => {
      copy[offset]! ^= 1
      return copy
    }
    expect(await verify(flipped(bytes.length - 1))).toEqual([7, 'WRONG_IMAGE'])
    expect(await verify((copy) => copy.subarray(0, -1))).toEqual([7, 'WRONG_IMAGE'])
    expect(await verify(flipped(44))).toEqual([5, 'BAD_SIGNATURE'])
    expect(await verify(flipped(0))).toEqual([7, 'MALFORMED'])
    expect(await verify(() => Buffer.alloc(0))).toEqual([7, 'MALFORMED'])
    const unsigned = await done('ota', 'show', pub)
    expect(unsigned.stderr).toMatch(/release\.key\.pub is no signed image: .*\n.*`usmp ota sign` makes one/)
  })

  test('wrong options are told, before anything is written', async () => {
    const { at, key, pub, image, bundle } = await signed()
    const refused = async (...args: string[]) => {
      const run = await done('ota', 'sign', image, '--key', key, ...args, '--out', at('new.uota'))
      expect(run.code).toBe(2)
      return run.stderr
    }
    expect(await refused(...ABOUT.slice(0, 6))).toContain("required option '--counter <NUMBER>' not specified")
    expect(await refused(...ABOUT, '--version', '1.4')).toContain('"1.4" is not a version')
    expect(await refused(...ABOUT, '--counter', '-1')).toContain('--counter must be a number')
    expect(await refused(...ABOUT, '--revoke', 'x')).toContain('not the id of a key')
    expect(await refused(...ABOUT, '--next-key', key)).toContain('secret half')
    expect(await refused(...ABOUT, '--key', pub)).toContain('this is the public half of a key')
    const over = await done('ota', 'sign', image, '--key', key, ...ABOUT, '--out', bundle)
    expect([over.code, over.stderr]).toEqual([2, expect.stringContaining('exists already and is not overwritten')])
    const twice = await done('ota', 'sign', bundle, '--key', key, ...ABOUT, '--out', at('new.uota'))
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining('weather.uota is signed already')])
    const empty = await done('ota', 'sign', await file(''), '--key', key, ...ABOUT, '--out', at('new.uota'))
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining('0 bytes')])
    await expect(stat(at('new.uota'))).rejects.toThrow('ENOENT')
  })
})

describe('ota manifest, attach: a key that this program never sees', () => {
  test('OpenSSL signs', async () => {
    const { at, image } = await publisher()
    const openssl = (...args: string[]) => execFileSync('openssl', args)
    openssl('genpkey', '-algorithm', 'ed25519', '-out', at('hsm.key'))
    openssl('pkey', '-in', at('hsm.key'), '-pubout', '-out', at('hsm.pub'))
    const manifest = ['ota', 'manifest', image, ...ABOUT, '--public-key', at('hsm.pub'), '--out', at('m.unsigned')]
    expect((await done(...manifest)).code).toBe(0)
    // Who signs it can read it first.
    const shown = await done('ota', 'show', at('m.unsigned'))
    expect([shown.code, shown.stderr]).toEqual([0, expect.stringContaining('nobody has signed it yet')])
    const sign = ['pkeyutl', '-sign', '-rawin', '-inkey', at('hsm.key'), '-in', at('m.unsigned'), '-out', at('m.sig')]
    openssl(...sign)
    const attach = (signature: string, out: string, ...more: string[]) =>
      done('ota', 'attach', at('m.unsigned'), signature, image, '--out', at(out), ...more)
    expect((await attach(at('m.sig'), 'a.uota', '--public-key', at('hsm.pub'))).code).toBe(0)
    expect((await done('ota', 'verify', at('a.uota'), '--public-key', at('hsm.pub'))).code).toBe(0)
    const hex = await file((await readFile(at('m.sig'))).toString('hex'))
    const unchecked = await attach(hex, 'b.uota')
    expect([unchecked.code, unchecked.stderr]).toEqual([0, expect.stringContaining('the signature was not checked')])
    expect(await readFile(at('b.uota'))).toEqual(await readFile(at('a.uota')))

    const wrong = await file(fromHex('00'.repeat(64)))
    const refused = await attach(wrong, 'c.uota', '--public-key', at('hsm.pub'))
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining('[BAD_SIGNATURE]')])
    await writeFile(image, 'another image')
    const changed = await attach(at('m.sig'), 'c.uota', '--public-key', at('hsm.pub'))
    expect([changed.code, changed.stderr]).toEqual([7, expect.stringContaining('[WRONG_IMAGE]')])
    const swapped = await done('ota', 'attach', at('m.sig'), at('m.unsigned'), image, '--out', at('c.uota'))
    expect([swapped.code, swapped.stderr]).toEqual([2, expect.stringContaining('is no signature')])
    await expect(stat(at('c.uota'))).rejects.toThrow('ENOENT')
  })
})
