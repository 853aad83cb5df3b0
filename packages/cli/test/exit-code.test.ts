import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { encodeFrame, errorCodes, FrameDecoder, PacketType, UsmpError } from '@usmp/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { exitCodeOf } from '../src/exit-code.js'
import {
  as,
  DEVICE,
  deserted,
  directory,
  done,
  file,
  KEY,
  keyFile,
  OTHER_KEY,
  PROGRAM,
  serving,
  stranger,
  usmp,
} from './usmp.js'

/** Takes nothing, as a disk without room. */
const FULL_DISK = '/dev/full'

describe('every error code has its exit code', () => {
  test('and only a good end is 0', () => {
    const byExit: Record<number, string[]> = {}
    for (const code of errorCodes) (byExit[exitCodeOf(new UsmpError(code))] ??= []).push(code)
    expect(Object.keys(byExit)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    expect(byExit[0]).toEqual(['CLOSED'])
    expect(byExit[6]).toEqual(['UNTRUSTED_CERTIFICATE', 'AUTH_FAILED', 'IDENTITY_CHANGED'])
    expect(exitCodeOf(new Error('a bug'))).toBe(1)
  })
})

describe('0', () => {
  test.each([['--help'], ['--version'], ['serve', '--help'], ['keygen', 'psk', '--help']])('%s %s', async (...args) => {
    const run = await done(...args.filter((arg) => typeof arg === 'string'))
    expect(run.code).toBe(0)
    expect(run.stdout).not.toBe('')
    expect(run.stderr).toBe('')
  })
})

describe('1, internal, or output that cannot be written', () => {
  test('an stdout that cannot be written to', async () => {
    const stdout = openSync(await file(''), 'r')
    const child = spawn(process.execPath, [PROGRAM, 'inspect', 'cdab'], { stdio: ['ignore', stdout, 'pipe'] })
    let stderr = ''
    child.stderr!.on('data', (data) => (stderr += data))
    await once(child, 'close')
    closeSync(stdout)
    expect(child.exitCode).toBe(1)
    expect(stderr).toMatch(/^error: the output cannot be written: EBADF.*\[OUTPUT_FAILED\]$/m)
  })

  describe.runIf(existsSync(FULL_DISK))('a full disk', () => {
    async function expectFailure(child: ChildProcess): Promise<void> {
      let stderr = ''
      child.stderr!.on('data', (data) => (stderr += data))
      await once(child, 'close')
      expect(child.exitCode).toBe(1)
      expect(stderr).toMatch(/^error: the output cannot be written: ENOSPC.*\[OUTPUT_FAILED\]\n {2}Is the disk full\?/m)
      expect(stderr).not.toContain('    at ')
    }
    const onFullDisk = (...args: readonly string[]): ChildProcess => {
      const disk = openSync(FULL_DISK, 'w')
      const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['pipe', disk, 'pipe'] })
      closeSync(disk)
      onTestFinished(() => void child.kill('SIGKILL'))
      return child
    }

    test.each([[['--help']], [['keygen', 'psk']], [['inspect', 'cdab']]])('%s', async (args) => {
      await expectFailure(onFullDisk(...args))
    })

    test('connect, at the first message', async () => {
      const server = await serving('--psk-file', await keyFile(), '--echo')
      const child = onFullDisk('connect', ...(await as(server.address)))
      child.stdin!.write('hello\n')
      await expectFailure(child)
    })

    test('ping, at the first round trip', async () => {
      const server = await serving('--psk-file', await keyFile(), '--echo')
      await expectFailure(onFullDisk('ping', ...(await as(server.address))))
    })

    test('serve, at the first message; its devices hear that it ends', async () => {
      const server = onFullDisk('serve', '--tcp', '127.0.0.1:0', '--psk-file', await keyFile())
      const failed = expectFailure(server)
      const [, address] = /listening on (\S+)/.exec(String((await once(server.stderr!, 'data'))[0]))!
      const client = usmp('connect', ...(await as(address!))).write('hello\n')
      await client.says('stderr', /closed: by the peer/)
      await failed
    })
  })
})

describe('2, usage', () => {
  const peer = ['--id', DEVICE, '--psk-file', 'x']

  test.each([
    ['a command that does not exist', ['nonsense'], 'nonsense'],
    ['no command', [], 'Usage: usmp'],
    ['a missing option', ['connect', '--tcp', 'h:1'], '--id'],
    ['an option that does not exist', ['inspect', '--nope'], '--nope'],
    ['a port that cannot be', ['connect', '--tcp', 'h:65536', ...peer], 'HOST:PORT'],
    ['a port that is no number', ['connect', '--tcp', 'h:usmp', ...peer], 'HOST:PORT'],
    ['a device id that is none', ['connect', '--tcp', 'h:1', '--id', 'aa:bb', '--psk-file', 'x'], 'aa:bb:cc:dd:ee:ff'],
    [
      'a suite that does not exist',
      ['connect', '--tcp', 'h:1', ...peer, '--suite', 'rot13'],
      'chacha20-poly1305 (or chacha)',
    ],
    ['no time to wait', ['connect', '--tcp', 'h:1', ...peer, '-W', '0'], 'seconds over 0'],
    ['a count that is none', ['ping', '--tcp', 'h:1', ...peer, '-c', '1.5'], 'whole number'],
    ['serve without a key', ['serve', '--tcp', '127.0.0.1:0'], '--psk-table'],
    ['serve with two', ['serve', '--tcp', '127.0.0.1:0', '--psk-file', 'x', '--psk-table', 'y'], '--psk-table'],
    ['a key file that does not exist', ['connect', '--tcp', 'h:1', ...peer], 'no such file'],
    ['a file to inspect that does not exist', ['inspect', 'nowhere.bin'], 'no such file'],
  ])('%s', async (_, args, hint) => {
    const run = await done(...args)
    expect(run.code).toBe(2)
    expect(run.stdout).toBe('')
    expect(run.stderr).toContain(hint)
  })

  test('with --json an error is an object as well', async () => {
    const run = await done('connect', '--json')
    expect(run.code).toBe(2)
    expect(run.objects('stderr')).toMatchObject([{ event: 'error', code: 'INVALID_ARGUMENT', exit_code: 2 }])
  })

  test('a key file that is a directory', async () => {
    const run = await done('connect', '--tcp', 'h:1', '--id', DEVICE, '--psk-file', await directory())
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('directory')
  })

  test.each([
    ['short', 'ab'.repeat(15), '15 bytes'],
    ['of one byte value', 'ab'.repeat(32), 'repeats'],
    ['a passphrase', 'correct horse battery staple', 'A passphrase is not a key'],
    ['a typed text in hex', Buffer.from('correct horse bat').toString('hex'), 'looks like a typed text'],
    ['empty', '', 'the key is empty'],
    ['a passphrase of 32 characters', 'correct horse battery staple, 32', 'A passphrase is not a key'],
    ['a digit too few', KEY.slice(1), '63 hex digits: one is missing'],
  ])('a weak key: %s', async (_, content, hint) => {
    const path = await file(content)
    const run = await done('connect', '--tcp', 'h:1', '--id', DEVICE, '--psk-file', path)
    expect(run.code).toBe(2)
    expect(run.stderr).toContain(path)
    expect(run.stderr).toContain(hint)
    if (content !== '') expect(run.stderr).not.toContain(content)
  })

  test.each([
    ['no JSON', `{"${DEVICE}": "${KEY}"`],
    ['no object', JSON.stringify([KEY])],
    ['nothing in it', '{}'],
    ['id and key swapped', JSON.stringify({ [KEY]: DEVICE })],
    ['a key that is not hex', JSON.stringify({ [DEVICE]: `${KEY}x` })],
    ['a weak key', JSON.stringify({ [DEVICE]: '00'.repeat(32) })],
  ])('a table with %s, of which nothing is shown', async (_, content) => {
    const run = await done('serve', '--tcp', '127.0.0.1:0', '--psk-table', await file(content))
    expect(run.code).toBe(2)
    expect(run.stderr).not.toContain(KEY.slice(0, 8))
    expect(run.stderr).not.toContain('00000000')
  })

  test('a key file that others can read is used, with a warning', async () => {
    const path = await file(KEY, 'open.key', 0o644)
    const run = await done('connect', '--tcp', await deserted(), '--id', DEVICE, '--psk-file', path)
    expect(run.code).toBe(3)
    expect(run.stderr).toContain(`warning: ${path} holds secrets and others can read it (mode 0644): chmod 600`)
  })
})

describe('who may touch a key file', () => {
  test('others may write it: warned of, also for a table', async () => {
    for (const [option, content] of [
      ['--psk-file', KEY],
      ['--psk-table', JSON.stringify({ '*': KEY })],
    ] as const) {
      const path = await file(content, 'open.key')
      await chmod(path, 0o602)
      const server = await serving(option, path)
      await server.says(
        'stderr',
        /warning: .*open\.key holds secrets and others can change it \(mode 0602\): chmod 600/,
      )
    }
  })

  test('others may replace it, as its folder is open to them: warned of, by keygen as well', async () => {
    const folder = await directory()
    await chmod(folder, 0o777)
    const out = join(folder, 'device.key')
    const warning = `warning: others can put another file in the place of ${out} (${folder} has mode 0777): chmod go-w`
    expect((await done('keygen', 'psk', '--out', out)).stderr).toContain(warning)
    expect((await done('connect', 'usmp://127.0.0.1:1', '--id', DEVICE, '--psk-file', out)).stderr).toContain(warning)
  })
})

describe('a daemon without a terminal', () => {
  test('serve < /dev/null goes on, and ends with BYE by SIGTERM', async () => {
    const args = [PROGRAM, 'serve', '--tcp', '0', '--psk-file', await keyFile()]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [, address] = /listening on (\S+)/.exec(String((await once(child.stderr!, 'data'))[0]))!
    const client = usmp('connect', ...(await as(address!)))
    await client.says('stderr', /connected/)
    child.kill('SIGTERM')
    expect(await client.exit()).toBe(0)
    expect(client.stderr).toContain('the session was closed: by the peer')
  })
})

describe('3, unreachable', () => {
  test.each(['connect', 'ping'])('%s where nothing listens', async (command) => {
    const address = await deserted()
    const run = await done(command, ...(await as(address)), '--json')
    expect(run.code).toBe(3)
    expect(run.objects('stderr')).toMatchObject([{ event: 'error', code: 'UNREACHABLE', exit_code: 3 }])
    expect(run.stderr).toContain(address)
  })

  test('serve on a port that is taken', async () => {
    const address = await stranger(() => {})
    const run = await done('serve', '--tcp', address, '--psk-file', await keyFile())
    expect(run.code).toBe(3)
    expect(run.stderr).toContain('Choose another port')
  })

  test('-1 and a server that says BYE instead', async () => {
    const server = await serving('--psk-file', await keyFile(), '--exec', 'exit 0')
    const run = await done('connect', ...(await as(server.address)), '-1')
    expect(run.code).toBe(3)
    expect(run.stderr).toContain('PEER_LEFT')
  })
})

describe('4, timeout', () => {
  test.each(['connect', 'ping'])('%s to a server that says nothing', async (command) => {
    const run = await done(command, ...(await as(await stranger(() => {}))), '-W', '0.5')
    expect(run.code).toBe(4)
    expect(run.stderr).toContain('HANDSHAKE_TIMEOUT')
  })

  test('-1 without an answer', async () => {
    const server = await serving('--psk-file', await keyFile())
    const run = usmp('connect', ...(await as(server.address)), '-1', '-W', '1')
    expect(await run.write('anybody?\n').exit()).toBe(4)
    expect(run.stderr).toContain('no message came within 1 s')
  })
})

describe('5, refused', () => {
  test.each(['connect', 'ping'])('%s with a wrong key', async (command) => {
    const server = await serving('--psk-file', await keyFile())
    const run = await done(command, ...(await as(server.address, OTHER_KEY)))
    expect(run.code).toBe(5)
    expect(run.stderr).toContain('the key is wrong or the device id unknown')
    expect(run.stderr + server.stderr).not.toMatch(new RegExp(`${KEY}|${OTHER_KEY}`))
  })
})

describe('6, identity', () => {
  test('a server that accepts every proof and has none itself', async () => {
    const run = await done('connect', ...(await as(await stranger(impostor))))
    expect(run.code).toBe(6)
    expect(run.stderr).toContain('AUTH_FAILED')
  })
})

describe('7, protocol', () => {
  test('a web server', async () => {
    const address = await stranger((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const run = await done('connect', ...(await as(address)))
    expect(run.code).toBe(7)
    expect(run.stderr).toContain('BAD_MAGIC')
  })
})

describe('different suites at both ends are exit code 7 and SUITE_MISMATCH at both ends', () => {
  const chacha = async (...args: string[]) => serving('--psk-file', await keyFile(), '--suite', 'chacha', ...args)

  test('when the server speaks first', async () => {
    const server = await chacha('-W', '3')
    const run = usmp('connect', ...(await as(server.address)))
    server.write('x\n')
    expect(await run.exit()).toBe(7)
    expect(run.stderr).toContain('SUITE_MISMATCH')
    expect(await server.exit()).toBe(7)
    expect(server.stderr).toContain('SUITE_MISMATCH')
  })

  test('when the client speaks first, and at the end of its input', async () => {
    const server = await chacha('-W', '3', '--json')
    const run = usmp('connect', ...(await as(server.address)), '--json').end('x\n')
    expect(await run.exit()).toBe(7)
    expect(run.objects('stderr').at(-1)).toMatchObject({ event: 'error', code: 'SUITE_MISMATCH', exit_code: 7 })
    expect(run.stderr).toMatch(/different cipher suites/)
    expect(await server.exit()).toBe(7)
    expect(server.objects('stderr').at(-1)).toMatchObject({ event: 'error', code: 'SUITE_MISMATCH', exit_code: 7 })
  })

  test('when nobody says anything', async () => {
    const server = await chacha()
    const run = usmp('connect', ...(await as(server.address)))
    expect(await run.exit()).toBe(7)
    await server.says('stderr', /SUITE_MISMATCH/)
  })

  test('ping', async () => {
    const run = await done('ping', ...(await as((await chacha()).address)))
    expect(run.code).toBe(7)
    expect(run.stderr).toContain('SUITE_MISMATCH')
  })

  test('--retry tells it, and goes on', async () => {
    const run = usmp('connect', ...(await as((await chacha()).address)), '--retry')
    await run.says('stderr', /SUITE_MISMATCH\]; next attempt in/)
    await run.says('stderr', /different cipher suites/)
  })

  test('on UDP, where nobody says no: ping names it as likely', async () => {
    const server = usmp('serve', '--udp', '127.0.0.1:0', '--psk-file', await keyFile(), '--suite', 'chacha')
    const [, address] = await server.says('stderr', /listening on UDP ([\d.]+:\d+)/)
    const run = await done('ping', `usmp+udp://${address}`, '--id', DEVICE, '--psk-file', await keyFile(), '-W', '1')
    expect(run.code).toBe(4)
    expect(run.stderr).toContain('different cipher suites? Compare --suite.')
  })
})

/** Plays the server's part of the handshake without knowing any key. */
function impostor(socket: Socket): void {
  const decoder = new FrameDecoder()
  socket.on('data', (data: Uint8Array) => {
    for (const { type } of decoder.push(data)) {
      if (type === PacketType.HELLO) socket.write(encodeFrame({ type: PacketType.CHALLENGE, payload: randomBytes(64) }))
      else socket.write(encodeFrame({ type: PacketType.SESSION_OK, payload: randomBytes(48) }))
    }
  })
}
