import { once } from 'node:events'
import { connect } from '@usmp/node'
import { Cable } from '@usmp/testing/cable'
import { makeCertificate } from '@usmp/testing/certificate'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { DEVICE, file, KEY, keyFile, Run } from './usmp.ts'

const id = ['--id', DEVICE]

describe('where a server can be', () => {
  test('--ws: serve, connect, ping', async () => {
    const psk = ['--psk-file', await keyFile(KEY)]
    const server = new Run(['serve', '--ws', '127.0.0.1:0', ...psk, '--echo'])
    const [, url] = await server.says('stderr', /listening on (ws:\S+)/)
    const client = new Run(['connect', '--ws', url!, ...id, ...psk, '-1']).end('over a WebSocket\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('over a WebSocket\n')
    const { host } = new URL(url!)
    const ping = new Run(['ping', '--ws', host, ...id, ...psk, '-c', '1'])
    expect(await ping.exit()).toBe(0)
    expect(ping.stdout).toMatch(/^1: [\d.]+ ms\n$/)
  })

  test('--ws with --tls-cert and --tls-key: serves wss://', async () => {
    const { cert, key } = await makeCertificate()
    const files = ['--tls-cert', await file(cert, 'cert.pem', 0o644), '--tls-key', await file(key, 'key.pem')]
    const server = new Run(['serve', '--ws', '127.0.0.1:0', ...files, '--psk-file', await keyFile(KEY), '--echo'])
    const [, url] = await server.says('stderr', /listening on (wss:\S+)/)
    expect(server.stderr).not.toContain('others can read it')
    const session = await connect(url!, { deviceId: DEVICE, psk: Buffer.from(KEY, 'hex'), ca: cert })
    await session.send('over TLS')
    expect(new TextDecoder().decode(await session.receive())).toBe('over TLS')
    await session.close()
  })

  test('--ws with --origin: pages from there get in, others do not', async () => {
    const origins = ['--origin', 'https://a.example', 'https://b.example']
    const server = new Run(['serve', '--ws', '127.0.0.1:0', ...origins, '--psk-file', await keyFile(KEY)])
    const [, url] = await server.says('stderr', /listening on (ws:\S+)/)
    for (const origin of ['https://a.example', 'https://b.example']) {
      const page = new WebSocket(url!, { origin })
      await once(page, 'open')
      page.terminate()
    }
    const [stranger] = await once(new WebSocket(url!, { origin: 'https://c.example' }), 'error')
    expect((stranger as Error).message).toContain('403')
    await server.says('stderr', /c\.example.*ORIGIN_REFUSED/)
  })

  test('TLS with a key that is none is wrong usage', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    const files = ['--tls-cert', await file(pem, 'cert.pem'), '--tls-key', await file(pem, 'key.pem')]
    const run = new Run(['serve', '--ws', '127.0.0.1:0', ...files, '--psk-file', await keyFile(KEY)])
    expect(await run.exit()).toBe(2)
    expect(run.stderr).toMatch(/TLS cannot use this key and certificate/)
  })

  test('--serial: serve, connect, ping', async () => {
    const psk = ['--psk-file', await keyFile(KEY)]
    const { near, far } = await Cable.plugged()
    const server = new Run(['serve', '--serial', `${far}:115200`, ...psk, '--echo'])
    await server.says('stderr', /listening on /)
    const client = new Run(['connect', '--serial', `${near}:115200`, ...id, ...psk, '-1']).end('over a line\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('over a line\n')
    const ping = new Run(['ping', '--serial', near, ...id, ...psk, '-c', '2', '-i', '0.1'])
    expect(await ping.exit()).toBe(0)
    expect(ping.stdout).toMatch(/^1: [\d.]+ ms\n2: [\d.]+ ms\n$/)
  })

  test('--serial: serve waits for a port that is not there, also without stdin', async () => {
    const psk = ['--psk-file', await keyFile(KEY)]
    const cable = await Cable.plugged()
    await cable.unplug()
    const server = new Run(['serve', '--serial', cable.far, ...psk]).end()
    await server.says('stderr', /cannot be opened, trying again: .*open/i)
    await cable.plug()
    // The server opens its port again within a second; what is said before that is lost on a line.
    const client = new Run(['connect', '--serial', cable.near, ...id, ...psk, '--retry']).end('over a line\n')
    expect(await client.exit()).toBe(0)
    await server.says('stdout', /over a line/)
  })

  test.each([
    [['connect', ...id], /no server to connect to/],
    [['connect', '--tcp', 'a', '--ws', 'b', ...id], /cannot be used with/],
    [['connect', '--ws', 'ws://[', ...id], /--ws must look like/],
    [['serve'], /nowhere to listen/],
    [['serve', '--ws', 'wss://127.0.0.1:1/'], /certificate/],
    [['serve', '--ws', '127.0.0.1:0', '--tls-key', '/dev/null'], /belong together/],
    [['serve', '--tcp', '127.0.0.1:0', '--origin', 'https://a.example'], /belong to --ws/],
    [['serve', '--ws', '127.0.0.1:0', '--tls-key', '/dev/null', '--tls-cert', '/dev/null'], /not a file in PEM/],
    [['serve', '--serial', '/dev/x:0'], /--serial must look like/],
  ])('%j is wrong usage', async (args, message) => {
    const run = new Run([...args, '--psk-file', await keyFile(KEY)])
    expect(await run.exit()).toBe(2)
    expect(run.stderr).toMatch(message)
  })
})
