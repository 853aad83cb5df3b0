import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@usmp/core'
import { failureOf } from '@usmp/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readPskFile, readPskTable } from '../src/key-files.ts'

const HEX = '8f1d4c0ab2739e56d1c8f4a07b3e5526905cfe1187d2b46a3c09ef5d78a1e2b4'
const OTHER_HEX = '03b7e95c1fa8642d70eb94ca58d3216f4e8a07c5b9d612f3a87450ce9b1d6ef2'
const DEVICE = 'aa:bb:cc:dd:ee:ff'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'usmp-keys-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

async function file(content: string | Uint8Array, mode = 0o600): Promise<string> {
  const path = join(await folder(), 'device.psk')
  await writeFile(path, content)
  await chmod(path, mode)
  return path
}

/** The warnings of the process while `action` runs. */
async function warningsOf(action: () => Promise<unknown>): Promise<string[]> {
  const warnings: string[] = []
  const note = ({ message }: Error) => void warnings.push(message)
  process.on('warning', note)
  await action()
  // They are told after the work that is under way.
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  return warnings
}

const utf16be = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()

describe('a key file', () => {
  test.each<[string, string | Uint8Array]>([
    ['as keygen writes it', `${HEX}\n`],
    ['of 32 raw bytes', Buffer.from(HEX, 'hex')],
    ['with the line end of Windows', `${HEX}\r\n`],
    ['with a BOM, as the editor of Windows writes it', `\uFEFF${HEX}\r\n`],
    ['in UTF-16, as PowerShell writes it', Buffer.from(`\uFEFF${HEX}\r\n`, 'utf16le')],
    ['in UTF-16, the other way round', utf16be(`${HEX}\n`)],
    ['with 0x', `0x${HEX}\n`],
    ['in quotes', `"${HEX}"\n`],
  ])('%s is read', async (_, content) => expect(toHex(await readPskFile(await file(content)))).toBe(HEX))

  test('of 16 bytes in hex is no raw key, although it has 32 bytes', async () => {
    expect(toHex(await readPskFile(await file(HEX.slice(0, 32))))).toBe(HEX.slice(0, 32))
  })

  test.each<[string, string | Uint8Array, string, RegExp]>([
    ['that is empty', '', 'INVALID_ARGUMENT', /the key is empty$/],
    ['of 31 raw bytes', Buffer.from(HEX, 'hex').subarray(1), 'INVALID_ARGUMENT', /not a key in hex digits$/],
    ['of a passphrase of 32 bytes', 'correct horse battery staple, 32', 'INVALID_ARGUMENT', /not a key in hex digits$/],
    ['with a digit too few', HEX.slice(1), 'INVALID_ARGUMENT', /63 hex digits: one is missing/],
    ['in Base64', `${Buffer.from(HEX, 'hex').toString('base64')}\n`, 'INVALID_ARGUMENT', /looks like Base64/],
    ['of a weak key', '00'.repeat(32), 'WEAK_PSK', /repeats a few byte values$/],
    ['that is too big for one', 'ab'.repeat(4096), 'INVALID_ARGUMENT', /more than 4096 bytes/],
  ])('%s is refused by name and as what it is', async (_, content, code, message) => {
    const path = await file(content)
    const error = await readPskFile(path).catch((error) => error)
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(error.message).toContain(path)
    if (content.length > 0) expect(`${error.message}${error.hint}`).not.toContain(String(content).trim())
  })

  test.each([
    ['that is not there', async () => join(await folder(), 'none'), /no such file/],
    ['that is a directory', folder, /it is a directory/],
  ])('%s', async (_, path, message) => {
    await expect(readPskFile(await path())).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    })
  })
})

describe('a table of keys', () => {
  const json = JSON.stringify({ [DEVICE.toUpperCase()]: HEX, '*': `0x${OTHER_HEX}` })
  test.each<[string, string | Uint8Array]>([
    ['as it is', json],
    ['with a BOM', `\uFEFF${json}`],
    ['in UTF-16', Buffer.from(`\uFEFF${json}`, 'utf16le')],
  ])('%s has keys by device id in its normal form', async (_, content) => {
    const table = await readPskTable(await file(content))
    expect([...table].map(([id, psk]) => [id, toHex(psk)])).toEqual([
      [DEVICE, HEX],
      ['*', OTHER_HEX],
    ])
  })

  test.each([
    [
      'two keys for one device',
      { [DEVICE]: HEX, [DEVICE.toUpperCase()]: OTHER_HEX },
      /entry 2: the second key for aa:bb/,
    ],
    ['id and key swapped', { [HEX]: DEVICE }, /entry 1: its name is not a device id$/],
    ['a key that is none', { [DEVICE]: `${HEX}x` }, /entry 1: the text is not a key in hex digits$/],
    ['a number for a key', { [DEVICE]: 1 }, /entry 1: the key is not a text$/],
    ['a weak key', { [DEVICE]: '00'.repeat(32) }, /entry 1: it repeats a few byte values$/],
    ['nothing in it', {}, /has no entries$/],
    ['a list', [HEX], /is not a JSON object$/],
  ])('with %s is refused, and nothing of it is shown', async (_, content, message) => {
    const error = await readPskTable(await file(JSON.stringify(content))).catch((error) => error)
    expect(error.message).toMatch(message)
    expect(`${error.message}${error.hint}`).not.toMatch(new RegExp(`${HEX.slice(0, 8)}|0000`))
  })
})

describe.skipIf(process.platform === 'win32')('other users', () => {
  test.each([
    ['read', 0o604, /others can read it \(mode 0604\): chmod 600/],
    ['change', 0o602, /others can change it \(mode 0602\): chmod 600/],
    ['read and change', 0o606, /others can read and change it \(mode 0606\): chmod 600/],
  ])('who can %s a key file are warned of', async (_, mode, message) => {
    const path = await file(HEX, mode)
    expect(await warningsOf(() => readPskFile(path))).toEqual([expect.stringMatching(message)])
  })

  test('who can put another file in its place are warned of, also by a link, unless the folder is sticky', async () => {
    const path = await file(HEX)
    const parent = join(path, '..')
    const below = join(parent, 'below')
    await mkdir(below)
    const link = join(await folder(), 'link')
    await writeFile(join(below, 'k'), HEX, { mode: 0o600 })
    await symlink(join(below, 'k'), link)
    expect(await warningsOf(() => readPskFile(link))).toEqual([])
    await chmod(parent, 0o777)
    expect(await warningsOf(() => readPskFile(link))).toEqual([expect.stringContaining(`${parent} has mode 0777`)])
    await chmod(parent, 0o1777)
    expect((await stat(parent)).mode & 0o7777).toBe(0o1777)
    expect(await warningsOf(() => readPskFile(link))).toEqual([])
    await chmod(join(link, '..'), 0o777)
    expect(await warningsOf(() => readPskFile(link))).toEqual([expect.stringContaining('has mode 0777')])
  })

  test('are no matter to a file that nobody else may touch', async () => {
    const path = await file(HEX)
    expect(await warningsOf(() => readPskFile(path))).toEqual([])
  })
})

test('a key in the place of a file name is in no message', async () => {
  const key = 'deadbeefcafe0123456789abcdef00112233445566778899aabbccddeeff0011'
  const error = await failureOf(readPskFile(key))
  expect(`${error.message} ${error.hint}`).not.toContain(key.slice(0, 8))
  expect(error.message).toContain('looks like a key')
})
