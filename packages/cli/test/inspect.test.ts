import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { explain, type Piece } from '../src/inspect/explain.js'
import { done, file, usmp } from './usmp.js'

interface Vectors {
  readonly groups: readonly {
    readonly params: Readonly<Record<string, string | number>>
    readonly tests: readonly Readonly<Record<string, string | number>>[]
  }[]
}

function vectors(name: string): Vectors['groups'] {
  const path = new URL(`../../../vectors/${name}.json`, import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as Vectors).groups
}

const bytes = (hex: unknown) => Buffer.from(String(hex), 'hex')
const frames = vectors('frame')
const sealed = vectors('sealed')

/** The file that `--key-file` takes. */
function sessionKeys({ session_id, key, suite }: Readonly<Record<string, string | number>>): Promise<string> {
  return file(JSON.stringify({ session_id, keys: ['11'.repeat(32), key], suite: suite === 2 ? 'chacha' : 'aes' }))
}

describe('inspect', () => {
  test('explains every field of a frame', async () => {
    const ping = sealed[0]!.tests[0]!.frame as string
    const run = await done('inspect', ping)
    expect(run.code).toBe(0)
    expect(run.stdout.replace(/ +/g, ' ')).toBe(`at 0, 40 bytes: PING, asks for a PONG
 0 2 magic USMP cd ab
 2 1 version wire version 2 02
 3 1 type PING 06
 4 4 seq number 0 00 00 00 00
 8 2 length 28 bytes of payload 1c 00
 10 2 crc 0xA138, correct 38 a1
 12 12 nonce number 0, session e353934cbc9147cc… 00 00 00 00 e3 53 93 4c bc 91 47 cc
 24 16 tag authenticates header and ciphertext e3 16 47 c7 ab 8d 8c ea 93 fd a9 c5 17 a8 d4 e1

`)
    expect(run.stderr).toBe('1 frame, 0 faults\n')
  })

  test.each([0, 1])('explains the fields of the handshake: vectors, group %i', async (group) => {
    const transcript = vectors('handshake')[group]!.tests[0]!
    const order = ['hello', 'hello_retry', 'hello_cookie', 'challenge', 'hello_ack', 'session_ok']
    const hex = order.map((name) => transcript[name] ?? '').join('')
    const run = await done('inspect', hex, '--json')
    expect(run.code).toBe(0)
    const fields = (type: string) => {
      const all = run
        .objects()
        .filter((frame) => frame.type === type)
        .at(-1)!.fields as { name: string; hex: string }[]
      return Object.fromEntries(all.map(({ name, hex }) => [name, hex]))
    }
    const { device_id, client_public, server_public, nonce, mac_c, mac_s, session_id, cookie } = transcript
    expect(fields('HELLO')).toMatchObject({ device_id, public_key: client_public, ...(cookie ? { cookie } : {}) })
    expect(fields('CHALLENGE')).toMatchObject({ nonce, public_key: server_public })
    expect(fields('HELLO_ACK')).toMatchObject({ mac: mac_c })
    expect(fields('SESSION_OK')).toMatchObject({ session_id, mac: mac_s })
  })

  test.each(['aes', 'chacha'])('decrypts with the keys of the session: %s', async (suite) => {
    const group = sealed.find(({ params }) => params.op === 'seal' && params.suite === (suite === 'aes' ? 1 : 2))!
    const keyFile = await sessionKeys(group.params)
    const all = await file(group.tests.map(({ frame }) => frame).join('\n'))
    const run = await done('inspect', all, '--key-file', keyFile, '--json')
    expect(run.code).toBe(0)
    const opened = run.objects().map(({ plaintext, key }) => {
      expect(key).toBe(2)
      const data = plaintext as { text?: string; hex?: string }
      return data.hex ?? Buffer.from(data.text!).toString('hex')
    })
    expect(opened).toEqual(group.tests.map(({ plaintext }) => plaintext))
  })

  test('a file of bytes, hex on stdin, several frames in a row', async () => {
    const codec = frames[0]!.tests
    const binary = await file(Buffer.concat(codec.map(({ frame }) => bytes(frame))))
    const fromFile = await done('inspect', binary, '--json')
    expect(fromFile.objects().map(({ type_code }) => type_code)).toEqual(codec.map(({ type }) => type))
    const fromStdin = usmp('inspect', '--json').end(codec.map(({ frame }) => frame).join('\n'))
    await fromStdin.exit()
    expect(fromStdin.stdout).toBe(fromFile.stdout)
  })

  test('a broken frame does not hide the next one', async () => {
    const ping = sealed[0]!.tests[0]!.frame as string
    const broken = ping.replace('cdab0206', 'cdab0207')
    const run = await done('inspect', `0102 ${broken} ${ping} 03`)
    expect(run.code).toBe(7)
    const [before, first, second, behind] = run.stdout.split('\n\n')
    expect(before).toMatch(/^at 0, 2 bytes: no frame\n.*\n {2}fault at 0: .*\[BAD_MAGIC\]$/)
    expect(first).toMatch(/but the bytes give 0x[\dA-F]{4} /)
    expect(first).toMatch(/fault at 12: .*\[BAD_CRC\]$/)
    expect(second).not.toContain('fault')
    expect(behind).toContain('at 82, 1 byte: no frame')
    expect(run.stderr).toBe('2 frames, 3 faults\n')
  })

  test('a cut frame shows what is there', async () => {
    const run = await done('inspect', 'cdab0201010000')
    expect(run.code).toBe(7)
    expect(run.stdout).toMatch(/seq +not complete +01 00 00\n {2}fault at 7: .*7 bytes of at least 12 \[INCOMPLETE\]/)
  })

  test('keys that do not fit are told of', async () => {
    const { params, tests } = sealed.find(({ params }) => params.op === 'seal')!
    const other = await sessionKeys({ ...params, key: '22'.repeat(32) })
    expect((await done('inspect', String(tests[0]!.frame), '--key-file', other)).stdout).toContain('DECRYPT_FAILED')
    const elsewhere = await sessionKeys({ ...params, session_id: '33'.repeat(16) })
    expect((await done('inspect', String(tests[0]!.frame), '--key-file', elsewhere)).stdout).toContain(
      'another session',
    )
  })

  test.each([
    ['no JSON', '{"keys": ["'],
    ['no keys', '{"session_id":"00112233445566778899aabbccddeeff","keys":[],"suite":"aes"}'],
    ['a short key', '{"session_id":"00112233445566778899aabbccddeeff","keys":["abcd"],"suite":"aes"}'],
    [
      'a suite that does not exist',
      `{"session_id":"00112233445566778899aabbccddeeff","keys":["${'ab'.repeat(32)}"],"suite":"x"}`,
    ],
  ])('a key file with %s', async (_, content) => {
    const run = await done('inspect', 'cdab', '--key-file', await file(content))
    expect(run.code).toBe(2)
    expect(run.stderr).not.toContain('abab')
  })

  test('nothing to explain', async () => {
    expect((await done('inspect')).code).toBe(2)
  })
})

describe('the vectors, explained', () => {
  const first = (hex: unknown): Piece => explain(bytes(hex)).next().value as Piece
  const decoding = frames.filter(({ params }) => params.op === 'decode' && params.version === 2)
  // Here version 1 is known, a second frame is no fault, and neither is an empty input.
  const faulty = decoding
    .flatMap(({ tests }) => tests)
    .filter(({ error, frame, comment }) => error !== 'TRAILING_BYTES' && frame !== '' && comment !== 'version 1')

  test.each(faulty.map((item) => [item.comment, item.error, item.frame]))('%s: %s', (comment, error, frame) => {
    const [fault] = first(frame).faults
    // A single byte that no frame begins with is judged at once: nothing more will come.
    expect(fault?.code).toBe(comment === 'one byte that no frame begins with' ? 'BAD_MAGIC' : error)
  })

  test('no field goes beyond its frame, and all bytes belong to one piece', () => {
    for (const { frame } of decoding.flatMap(({ tests }) => tests)) {
      const input = bytes(frame)
      let end = 0
      for (const piece of explain(input)) {
        expect(piece.offset).toBe(end)
        end += piece.size
        for (const field of piece.fields) expect(field.offset + field.bytes.length).toBeLessThanOrEqual(end)
      }
      expect(end).toBe(input.length)
    }
  })
})
