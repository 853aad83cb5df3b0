import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { makeCertificate } from '@usmp/testing/certificate'
import { describe, expect, test } from 'vitest'
import { addressWithPort, parseAddress, parseWebSocket, urlOf } from '../src/options.js'
import { as, DEVICE, done, file, keyFile, Run, serving, usmp } from './usmp.js'

const peer = async () => ['--id', DEVICE, '--psk-file', await keyFile()]

describe('an address on the command line', () => {
  test.each([
    ['9000', '127.0.0.1', 9000],
    ['0', '127.0.0.1', 0],
    ['192.168.1.20', '192.168.1.20', 9000],
    ['gateway.local:1', 'gateway.local', 1],
    ['[::1]:9001', '::1', 9001],
    ['[fe80::1%eth0]:9001', 'fe80::1%eth0', 9001],
    ['[fe80::1%eth0]', 'fe80::1%eth0', 9000],
  ])('%s', (text, host, port) => expect(parseAddress(text)).toEqual({ host, port }))

  test.each(['', '65536', 'h:65536', '[not]:1', '::1', 'h:', ':9000', 'usmp://h:1', '[fe80::1%]:1'])(
    '%j is refused with examples',
    (text) => {
      expect(() => parseAddress(text)).toThrow(expect.objectContaining({ hint: expect.stringContaining('[::1]:9000') }))
    },
  )

  test('a host alone has the port of what listens there', () => {
    expect(addressWithPort(8700)('0.0.0.0')).toEqual({ host: '0.0.0.0', port: 8700 })
    expect(addressWithPort(8700)('0.0.0.0:0')).toEqual({ host: '0.0.0.0', port: 0 })
  })

  test('a WebSocket by a port alone; one with a zone is refused, not thrown at', () => {
    expect(parseWebSocket('8080').href).toBe('ws://127.0.0.1:8080/')
    expect(() => parseWebSocket('[fe80::1%eth0]:8080')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  test('the zone of an IPv6 address is written in the URL as RFC 6874 has it', () => {
    const place = { id: DEVICE, pskFile: 'x', tcp: { host: 'fe80::1%eth0', port: 9000 } }
    expect(urlOf(place)).toBe('usmp://[fe80::1%25eth0]:9000')
  })
})

describe('usmp serve says where it listens', () => {
  test('--tcp PORT is a port of this machine, and how to take devices from the network is said', async () => {
    const server = usmp('serve', '--tcp', '0', '--udp', '0', '--ws', '0', '--psk-file', await keyFile())
    const [, port] = await server.says('stderr', /^listening on 127\.0\.0\.1:(\d+)\n/m)
    await server.says('stderr', new RegExp(`take devices from the network: --tcp 0\\.0\\.0\\.0:${port}\\n`))
    await server.says('stderr', /listening on UDP 127\.0\.0\.1:(\d+)\n.*network: --udp 0\.0\.0\.0:\1\n/)
    await server.says('stderr', /listening on ws:\/\/127\.0\.0\.1:(\d+)\/\n.*network: --ws ws:\/\/0\.0\.0\.0:\1\/\n/)
  })

  test('where it is in the network already, nothing is said; --json has the hint as a field', async () => {
    const open = await serving('--tcp', '0.0.0.0:0', '--psk-file', await keyFile())
    expect(open.stderr).not.toContain('To take devices')
    const server = await serving('--tcp', '0', '--psk-file', await keyFile(), '--json')
    expect(server.objects('stderr')[0]).toMatchObject({ event: 'listening', hint: expect.stringContaining('0.0.0.0') })
  })

  test('what it prints works as it is printed', async () => {
    const first = await serving('--tcp', '0', '--psk-file', await keyFile())
    const [, port] = await first.says('stderr', /--tcp 0\.0\.0\.0:(\d+)/)
    first.child.kill('SIGTERM')
    await first.exit()
    await serving('--tcp', `0.0.0.0:${port}`, '--psk-file', await keyFile())
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((at) => at?.family === 'IPv4' && !at.internal)
    const socket = connect(Number(port), outside?.address ?? '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  })
})

describe('connect and ping take the URLs of the library', () => {
  test.each([
    ['usmp://', '--tcp', ''],
    ['usmp+udp://', '--udp', 'UDP '],
    ['ws://', '--ws', 'ws://'],
  ])('%s', async (scheme, option, listening) => {
    const server = usmp('serve', option, '0', '--psk-file', await keyFile(), '--echo')
    const [, address] = await server.says('stderr', new RegExp(`listening on ${listening}(127\\.0\\.0\\.1:\\d+)`))
    const client = usmp('connect', `${scheme}${address}`, ...(await peer()), '-1').end('hello\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('hello\n')
    const ping = await done('ping', `${scheme}${address}`, ...(await peer()), '-c', '1')
    expect(ping.code).toBe(0)
  })

  test.each([
    ['http://h/', 'the address must look like usmp://'],
    ['h:9000', 'the address must look like usmp://'],
  ])('%s is wrong usage', async (url, message) => {
    const run = await done('connect', url, ...(await peer()))
    expect(run.code).toBe(2)
    expect(run.stderr).toContain(message)
  })

  test('one server at a time', async () => {
    const run = await done('connect', 'usmp://h:1', '--tcp', 'h:2', ...(await peer()))
    expect(run.code).toBe(2)
    expect(run.stderr).toContain('two servers are given, usmp://h:1 and usmp://h:2')
  })
})

describe('the certificate of a server', () => {
  async function served(): Promise<{ url: string; ca: string }> {
    const { cert, key } = await makeCertificate()
    const ca = await file(cert, 'cert.pem', 0o644)
    const files = ['--tls-cert', ca, '--tls-key', await file(key, 'key.pem')]
    const server = new Run(['serve', '--ws', '0', ...files, '--psk-file', await keyFile(), '--echo'])
    const [, url] = await server.says('stderr', /listening on (wss:\S+)/)
    return { url: url!, ca }
  }

  test('that is self-signed is named as that, and not as unreachable', async () => {
    const { url } = await served()
    for (const command of ['connect', 'ping']) {
      const run = await done(command, url, ...(await peer()))
      expect(run.code).toBe(6)
      expect(run.stderr).toMatch(
        /certificate of the server is not accepted: .* it is self-signed \[UNTRUSTED_CERTIFICATE\]/,
      )
      expect(run.stderr).toContain('--ca FILE')
    }
  })

  test('is trusted with --ca', async () => {
    const { url, ca } = await served()
    const client = usmp('connect', url, '--ca', ca, ...(await peer()), '-1').end('over TLS\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('over TLS\n')
    expect((await done('ping', '--ws', url, '--ca', ca, ...(await peer()), '-c', '1')).code).toBe(0)
  })

  test('--ca without wss:// is wrong usage, and so is a file that is no certificate', async () => {
    const { url } = await served()
    const noTls = await done('connect', 'usmp://h:1', '--ca', 'x', ...(await peer()))
    expect([noTls.code, noTls.stderr]).toEqual([2, expect.stringContaining('--ca belongs to wss://')])
    const noPem = await done('connect', url, '--ca', await keyFile(), ...(await peer()))
    expect([noPem.code, noPem.stderr]).toEqual([2, expect.stringContaining('not a file in PEM')])
  })
})

describe('usmp help', () => {
  test.each([[['help']], [['help', 'serve']], [['help', 'keygen']], [['keygen', 'help']]])('%j', async (args) => {
    const run = await done(...args)
    expect(run.code).toBe(0)
    expect(run.stdout).toMatch(/^Usage: usmp/)
    expect(run.stderr).toBe('')
  })

  test('help of what does not exist is wrong usage, with what there is', async () => {
    const run = await done('help', 'nonsense')
    expect(run.code).toBe(2)
    expect(run.stderr).toMatch(/^Usage: usmp/)
  })
})

describe('--suite by its full name', () => {
  test.each(['aes-256-gcm', 'AES-256-GCM', 'chacha20-poly1305', 'ChaCha20-Poly1305'])('%s', async (name) => {
    const server = await serving('--psk-file', await keyFile(), '--echo', '--suite', name)
    const client = usmp('connect', ...(await as(server.address)), '--suite', name, '-1').end('hello\n')
    expect(await client.exit()).toBe(0)
    expect(client.stderr.toLowerCase()).toContain(name.toLowerCase())
  })
})
