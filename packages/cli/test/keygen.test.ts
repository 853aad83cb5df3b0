import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pskFingerprint } from '@usmp/core'
import { connect, parsePsk, readPskFile } from '@usmp/node'
import decodeQR from 'qr/decode.js'
import { describe, expect, test } from 'vitest'
import { DEVICE, directory, done, file, KEY, PROGRAM, Run, serving } from './usmp.js'

/** The check value of the specification, section 10.2. */
const MASTER = Array.from({ length: 32 }, (_, index) => (0xa0 + index).toString(16)).join('')
const DERIVED = 'dbaa092ef0c18dc7c7390c6412720d9707aaa4a8e69649481e33eb5012cc6e3d'

const onTerminal = ['--import', 'data:text/javascript,process.stdout.isTTY=true']

/** What a terminal shows of a QR code, as a camera sees it: eight points for each square, in shades of grey. */
function imageOf(text: string) {
  const lines = text.replaceAll('\x1b[97;40m', '').replaceAll('\x1b[0m', '').trimEnd().split('\n')
  const rows = lines.flatMap((line) => [
    [...line].map((square) => square === '█' || square === '▀'),
    [...line].map((square) => square === '█' || square === '▄'),
  ])
  const size = 8
  const [width, height] = [rows[0]!.length * size, rows.length * size]
  const data = new Uint8Array(width * height * 4).fill(255)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const shade = rows[Math.floor(y / size)]![Math.floor(x / size)] ? 255 : 0
      data.fill(shade, (y * width + x) * 4, (y * width + x) * 4 + 3)
    }
  }
  return { width, height, data }
}

describe('keygen psk', () => {
  test('writes a key as 64 hex digits that only the owner can read, and says nothing of them', async () => {
    const out = join(await directory(), 'device.key')
    const run = await done('keygen', 'psk', '--out', out)
    expect(run.code).toBe(0)
    const key = await readFile(out, 'utf8')
    expect(key).toMatch(/^[0-9a-f]{64}\n$/)
    expect((await stat(out)).mode & 0o777).toBe(0o600)
    expect(run.stdout).toBe('')
    expect(run.stderr).toContain('device.key')
    expect(run.stderr).not.toContain(key.trim())
  })

  test('writes hex digits into a pipe too, and another key each time', async () => {
    const [first, second] = [await done('keygen', 'psk'), await done('keygen', 'psk')]
    expect(first.stdout).toMatch(/^[0-9a-f]{64}\n$/)
    expect(second.stdout).toMatch(/^[0-9a-f]{64}\n$/)
    expect(first.stdout).not.toBe(second.stdout)
  })

  test('what it wrote is read by parsePsk and readPskFile, by the command, and by nothing as it stands', async () => {
    const out = join(await directory(), 'device.psk')
    await done('keygen', 'psk', '--out', out)
    const psk = await readPskFile(out)
    expect(parsePsk(await readFile(out, 'utf8'))).toEqual(psk)
    const server = await serving('--psk-file', out, '--echo')
    const session = await connect(`usmp://${server.address}`, { deviceId: DEVICE, psk })
    await session.close()
    const raw = connect(`usmp://${server.address}`, { deviceId: DEVICE, psk: await readFile(out) })
    await expect(raw).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('hex digits'),
      hint: expect.stringContaining('readPskFile(path)'),
    })
  })

  test('does not overwrite a key', async () => {
    const out = await file(KEY)
    const run = await done('keygen', 'psk', '--out', out)
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('exists already')
    expect(await readFile(out, 'utf8')).toBe(KEY)
  })

  test('leaves nothing behind on a disk that takes no more', async () => {
    const out = join(await directory(), 'device.key')
    const child = spawn('sh', [
      '-c',
      'ulimit -f 0; exec "$0" "$@"',
      process.execPath,
      PROGRAM,
      'keygen',
      'psk',
      '--out',
      out,
    ])
    let stderr = ''
    child.stderr.on('data', (data) => (stderr += data))
    await once(child, 'close')
    expect(child.exitCode).toBe(2)
    expect(stderr).toContain(`cannot write ${out}`)
    await expect(stat(out)).rejects.toThrow('ENOENT')
  })

  test('derives the key of a device from a master key', async () => {
    const master = await file(`${MASTER}\n`)
    const run = await done('keygen', 'psk', '--device', '24:6F:28:A1:B2:C3', '--master-file', master)
    expect(run.stdout).toBe(`${DERIVED}\n`)
    const out = join(await directory(), 'k')
    const json = await done('keygen', 'psk', '--json', '--device', DEVICE, '--master-file', master, '--out', out)
    expect(json.objects('stderr')).toEqual([
      { event: 'key', file: out, device_id: DEVICE, fingerprint: pskFingerprint(await readPskFile(out), DEVICE) },
    ])
    expect(await readFile(out, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
  })

  test('a master key needs 32 bytes, and says for which device', async () => {
    const short = await file(KEY.slice(0, 40))
    expect((await done('keygen', 'psk', '--device', DEVICE, '--master-file', short)).stderr).toContain('WEAK_PSK')
    const half = await done('keygen', 'psk', '--master-file', short)
    expect(half.code).toBe(2)
    expect(half.stderr).toContain('--device')
  })

  test('tells the fingerprint of the key of a device, also with the key on stdout, and not of a key alone', async () => {
    const run = await done('keygen', 'psk', '--device', DEVICE)
    expect(run.stdout).toMatch(/^[0-9a-f]{64}\n$/)
    expect(run.stderr).toBe(`fingerprint of the key of ${DEVICE}: ${pskFingerprint(parsePsk(run.stdout), DEVICE)}\n`)
    expect((await done('keygen', 'psk')).stderr).toBe('')
  })

  test('shows a QR code of id and key on a terminal, and nowhere else', async () => {
    const out = join(await directory(), 'device.key')
    const run = new Run(['keygen', 'psk', '--device', DEVICE, '--out', out, '--qr'], onTerminal).end()
    expect(await run.exit()).toBe(0)
    const psk = Buffer.from(await readPskFile(out)).toString('base64url')
    expect(decodeQR(imageOf(run.stdout))).toBe(`usmp:${DEVICE}:${psk}`)
    const piped = await done('keygen', 'psk', '--device', DEVICE, '--qr')
    expect(piped.code).toBe(2)
    expect(piped.stdout).toBe('')
    const nobodys = new Run(['keygen', 'psk', '--out', '-', '--qr'], onTerminal).end()
    expect(await nobodys.exit()).toBe(2)
    expect(nobodys.stderr).toContain('--device')
  })

  test('shows a key on a terminal only when asked to', async () => {
    const silent = new Run(['keygen', 'psk'], onTerminal).end()
    expect(await silent.exit()).toBe(2)
    expect(silent.stdout).toBe('')
    expect(silent.stderr).toContain('no output file given')
    const asked = new Run(['keygen', 'psk', '--out', '-'], onTerminal).end()
    expect(await asked.exit()).toBe(0)
    expect(asked.stdout).toMatch(/^[0-9a-f]{64}\n$/)
  })
})
