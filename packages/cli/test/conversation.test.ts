import { once } from 'node:events'
import { connect } from '@usmp/node'
import { describe, expect, test, vi } from 'vitest'
import {
  as,
  DEVICE,
  deserted,
  done,
  file,
  KEY,
  keyFile,
  OTHER_DEVICE,
  OTHER_KEY,
  serving,
  stranger,
  usmp,
} from './usmp.js'

const MAX_MESSAGE = 1808

describe('serve and connect', () => {
  test('lines go both ways', async () => {
    const server = await serving('--psk-file', await keyFile())
    const client = usmp('connect', ...(await as(server.address)))
    client.write('from the device\n')
    await server.says('stdout', /^from the device\n/)
    server.write('from the server\n')
    await client.says('stdout', /^from the server\n/)
    client.end('last, without newline')
    expect(await client.exit()).toBe(0)
    await server.says('stderr', /the session was closed: by the peer/)
    expect(server.stdout).toBe('from the device\nlast, without newline\n')
  })

  test('lines given to the server before a device is there wait for it', async () => {
    const server = await serving('--psk-file', await keyFile())
    server.end('one\ntwo\n')
    const client = usmp('connect', ...(await as(server.address)))
    await client.says('stdout', /^one\ntwo\n$/)
  })

  test('a device that does not read holds up no other: it misses lines, and that is told', {
    timeout: 240_000,
  }, async () => {
    const server = await serving('--psk-file', await keyFile(), '--json')
    const reader = usmp('connect', ...(await as(server.address)))
    const sleeper = usmp('connect', ...(await as(server.address, KEY, OTHER_DEVICE)))
    await server.says('stderr', new RegExp(`"session".*${OTHER_DEVICE}`))
    await server.says('stderr', new RegExp(`"session".*${DEVICE}`))
    sleeper.child.kill('SIGSTOP')
    // What the system buffers for a connection is megabytes.
    const line = (n: number) => `${String(n).padEnd(MAX_MESSAGE, '.')}\n`
    let sent = 0
    while (!server.stderr.includes('"behind"')) {
      expect(sent).toBeLessThan(50_000)
      for (let i = 0; i < 50; i++) server.write(line(sent++))
      // The one that reads must not fall behind, however busy the machine is.
      await vi.waitUntil(() => reader.stdout.length >= sent * (MAX_MESSAGE + 1), { timeout: 60_000, interval: 5 })
    }
    server.write('the last one\n')
    await reader.says('stdout', /the last one/)
    expect(reader.stdout.length).toBe(sent * (MAX_MESSAGE + 1) + 'the last one\n'.length)
    sleeper.child.kill('SIGCONT')
    await server.says('stderr', /"dropped"/)
    const told = server.objects('stderr').filter(({ event }) => event === 'behind' || event === 'dropped')
    expect(told).toMatchObject([{ device_id: OTHER_DEVICE }, { device_id: OTHER_DEVICE }])
    const { lines } = told[1] as { lines: number }
    expect(lines).toBeGreaterThan(0)
    server.write('for both again\n')
    await sleeper.says('stdout', /for both again/)
    const got = sleeper.stdout.split('\n').length - 2
    expect(got).toBe(sent + 1 - lines)
  })

  test('--echo, -1: one answer, then end', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo')
    const client = usmp('connect', ...(await as(server.address)), '-1').end('hello\nagain\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('hello\n')
  })

  test('-W: answers are waited for until there are no more', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo')
    const client = usmp('connect', ...(await as(server.address)), '-W', '1.5').end('1\n2\n3\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('1\n2\n3\n')
  })

  test('ChaCha20-Poly1305, if both want it', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo', '--suite', 'chacha')
    const client = usmp('connect', ...(await as(server.address)), '--suite', 'chacha', '-1').end('hello\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('hello\n')
    expect(client.stderr).toContain('ChaCha20-Poly1305')
  })

  test('a key file of raw bytes', async () => {
    const raw = await file(Buffer.from(KEY, 'hex'))
    const server = await serving('--psk-file', raw, '--echo')
    expect(
      await usmp('connect', ...(await as(server.address)), '-1')
        .end('x\n')
        .exit(),
    ).toBe(0)
  })

  test('everything that was piped in has arrived when the client ends', async () => {
    const server = await serving('--psk-file', await keyFile())
    const lines = Array.from({ length: 2000 }, (_, index) => String(index).padEnd(MAX_MESSAGE, '.'))
    const text = `${lines.join('\n')}\n`
    const client = usmp('connect', ...(await as(server.address))).end(text)
    expect(await client.exit()).toBe(0)
    await server.says('stderr', /by the peer/)
    expect(server.stdout === text).toBe(true)
  })

  test('an empty line is an empty message', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo', '--json')
    const client = usmp('connect', ...(await as(server.address)), '-1').end('\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('\n')
    expect(server.objects()[0]).toMatchObject({ event: 'message', text: '' })
  })

  test('a line over 1808 bytes is refused, and costs no other', async () => {
    const server = await serving('--psk-file', await keyFile())
    const client = usmp('connect', ...(await as(server.address)))
    client.end(`before\n${'x'.repeat(100_000)}\n${'y'.repeat(MAX_MESSAGE)}\nafter\n`)
    expect(await client.exit()).toBe(2)
    expect(client.stderr).toMatch(/line 2 of stdin has 100000 bytes.*MESSAGE_TOO_LARGE/)
    await server.says('stderr', /by the peer/)
    expect(server.stdout).toBe(`before\n${'y'.repeat(MAX_MESSAGE)}\nafter\n`)
  })

  test('-1 does not wait for an answer to nothing but a line that was refused', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo')
    const client = usmp('connect', ...(await as(server.address)), '-1').end('x'.repeat(MAX_MESSAGE + 1))
    expect(await client.exit()).toBe(2)
  })

  test('--json: one object a line on both outputs; hex where it is no text', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo', '--json')
    const client = usmp('connect', ...(await as(server.address)), '--json', '-W', '1.5')
    client.child.stdin!.end(Buffer.concat([Buffer.from('grüße\n'), Buffer.of(0xff, 0x00, 0x0a)]))
    expect(await client.exit()).toBe(0)
    const { session_id } = client.objects('stderr')[0]!
    expect(session_id).toMatch(/^[0-9a-f]{32}$/)
    const whose = { event: 'message', device_id: DEVICE, session_id }
    expect(client.objects()).toEqual([
      { ...whose, text: 'grüße' },
      { ...whose, hex: 'ff00' },
    ])
    expect(client.objects('stderr')).toEqual([
      { event: 'connected', address: server.address, device_id: DEVICE, session_id, suite: 'AES-256-GCM' },
    ])
    await server.says('stderr', /"ended"/)
    expect(server.objects()).toEqual(client.objects())
    const events = server.objects('stderr').map(({ event }) => event)
    expect(events).toEqual(['listening', 'warning', 'session', 'ended'])
  })

  test('several devices by a table: each line has the id in front, and stdin goes to all', async () => {
    const table = await file(JSON.stringify({ [DEVICE.toUpperCase()]: KEY, [OTHER_DEVICE]: OTHER_KEY }))
    const server = await serving('--psk-table', table)
    const first = usmp('connect', ...(await as(server.address)))
    const second = usmp('connect', ...(await as(server.address, OTHER_KEY, OTHER_DEVICE)))
    first.write('1\n')
    await server.says('stdout', new RegExp(`^${DEVICE} 1\n`))
    second.write('2\n')
    await server.says('stdout', new RegExp(`^${OTHER_DEVICE} 2\n`, 'm'))
    server.write('to all\n')
    await first.says('stdout', /^to all\n/)
    await second.says('stdout', /^to all\n/)
    expect(server.stderr).not.toContain('warning')
  })

  test('a table may have one key for all others', async () => {
    const server = await serving('--psk-table', await file(JSON.stringify({ '*': KEY })), '--echo')
    expect(
      await usmp('connect', ...(await as(server.address)), '-1')
        .end('x\n')
        .exit(),
    ).toBe(0)
  })

  test('a shared key is called what it is', async () => {
    const server = await serving('--psk-file', await keyFile())
    await server.says('stderr', /^warning: one key for all devices/m)
  })

  test('serve -1: one message, then end', async () => {
    const server = await serving('--psk-file', await keyFile(), '-1', '--echo')
    const client = usmp('connect', ...(await as(server.address)), '-1').end('only\n')
    expect(await client.exit()).toBe(0)
    expect(await server.exit()).toBe(0)
    expect([server.stdout, client.stdout]).toEqual(['only\n', 'only\n'])
  })

  test('serve -W: ends when no message comes', async () => {
    const server = await serving('--psk-file', await keyFile(), '-W', '0.2')
    expect(await server.exit()).toBe(4)
    expect(server.stderr).toContain('NO_ANSWER')
  })

  test('a device cannot speak as another one, nor to the terminal', async () => {
    const server = await serving('--psk-table', await file(JSON.stringify({ [DEVICE]: KEY })))
    const session = await connect(`usmp://${server.address}`, { deviceId: DEVICE, psk: Buffer.from(KEY, 'hex') })
    await session.send(`20.0\n${OTHER_DEVICE} 99.9\x1b]0;owned\x07\tgrüße \u009b31m`)
    await session.close()
    await server.says('stderr', /by the peer/)
    expect(server.stdout).toBe(`${DEVICE} 20.0\\x0a${OTHER_DEVICE} 99.9\\x1b]0;owned\\x07\tgrüße \\x9b31m\n`)
  })

  test('serve -W: a good end after messages', async () => {
    const server = await serving('--psk-file', await keyFile(), '-W', '3')
    usmp('connect', ...(await as(server.address))).end('x\n')
    expect(await server.exit()).toBe(0)
    expect(server.stdout).toBe('x\n')
  })

  test('a refused device is told of exactly at the server', async () => {
    const server = await serving('--psk-table', await file(JSON.stringify({ [DEVICE]: KEY })), '--json')
    expect((await done('connect', ...(await as(server.address, OTHER_KEY)))).code).toBe(5)
    expect((await done('connect', ...(await as(server.address, KEY, OTHER_DEVICE)))).code).toBe(5)
    await server.says('stderr', /UNKNOWN_DEVICE/)
    const refused = server.objects('stderr').filter(({ event }) => event === 'refused')
    expect(refused).toMatchObject([
      { device_id: DEVICE, code: 'AUTH_FAILED' },
      { device_id: OTHER_DEVICE, code: 'UNKNOWN_DEVICE' },
    ])
  })
})

describe('the end', () => {
  test.each(['SIGHUP', 'SIGINT', 'SIGTERM'] as const)('%s: BYE from the client', async (signal) => {
    const server = await serving('--psk-file', await keyFile())
    const client = usmp('connect', ...(await as(server.address)))
    await client.says('stderr', /connected/)
    client.child.kill(signal)
    expect(await client.exit()).toBe(0)
    await server.says('stderr', /the session was closed: by the peer/)
  })

  test.each(['SIGHUP', 'SIGINT', 'SIGTERM'] as const)('%s: BYE from the server', async (signal) => {
    const server = await serving('--psk-file', await keyFile())
    const client = usmp('connect', ...(await as(server.address)))
    await client.says('stderr', /connected/)
    server.child.kill(signal)
    expect(await server.exit()).toBe(0)
    expect(await client.exit()).toBe(0)
    expect(client.stderr).toContain('the session was closed: by the peer')
  })

  test.each([
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s before there is a session', async (signal, code) => {
    const address = await stranger(() => client.child.kill(signal))
    const client = usmp('connect', ...(await as(address)))
    expect(await client.exit()).toBe(code)
  })

  test('a reader that goes away ends the client quietly', async () => {
    const server = await serving('--psk-file', await keyFile(), '--echo')
    const client = usmp('connect', ...(await as(server.address)))
    client.write('first\n')
    await client.says('stdout', /first/)
    client.child.stdout!.destroy()
    await once(client.child.stdout!, 'close')
    client.write('second\n')
    expect(await client.exit()).toBe(0)
    expect(client.stderr).toMatch(/^connected .*\n$/)
    await server.says('stderr', /by the peer/)
  })

  test('a server that goes away without a word is an error', async () => {
    const server = await serving('--psk-file', await keyFile())
    const client = usmp('connect', ...(await as(server.address)))
    // Only now it is known that both have the same suite.
    client.write('x\n')
    await server.write('y\n').says('stdout', /x/)
    await client.says('stdout', /y/)
    server.child.kill('SIGKILL')
    expect(await client.exit()).toBe(3)
    expect(client.stderr).toMatch(/TRUNCATED|TRANSPORT_FAILED/)
  })
})

describe('--retry', () => {
  test('goes on when the server comes back; no line is lost', async () => {
    const address = await deserted()
    const key = await keyFile()
    const client = usmp('connect', ...(await as(address)), '--retry')
    client.write('one\n')
    await client.says('stderr', /UNREACHABLE\]; next attempt in/)
    const first = await serving('--tcp', address, '--psk-file', key)
    await first.says('stdout', /^one\n/)
    first.child.kill('SIGKILL')
    await first.exit()
    await client.says('stderr', /(TRUNCATED|TRANSPORT_FAILED)\]; next attempt in/)
    client.write('two\n')
    const second = await serving('--tcp', address, '--psk-file', key)
    await second.says('stdout', /^two\n/)
    expect(await client.end().exit()).toBe(0)
  })

  test('a wrong key is told each time; -W ends it as refused', async () => {
    const server = await serving('--psk-file', await keyFile())
    const client = usmp('connect', ...(await as(server.address, OTHER_KEY)), '--retry', '-W', '2').end()
    expect(await client.exit()).toBe(5)
    expect(client.stderr).toMatch(/HANDSHAKE_REFUSED\]; next attempt in .*\n {2}Most likely the key is wrong/)
  })

  test('-W ends it, and says what was in the way', async () => {
    const client = usmp('connect', ...(await as(await deserted())), '--retry', '-W', '1').end()
    expect(await client.exit()).toBe(3)
    expect(client.stderr).toMatch(/^error: .*UNREACHABLE\]$/m)
  })

  test('SIGINT ends it', async () => {
    const client = usmp('connect', ...(await as(await deserted())), '--retry')
    await client.says('stderr', /next attempt/)
    client.child.kill('SIGINT')
    expect(await client.exit()).toBe(130)
  })
})
