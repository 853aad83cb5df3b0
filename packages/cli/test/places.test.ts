import { describe, expect, test } from 'vitest'
import { Cable } from '../../node/test/cable.ts'
import { DEVICE, KEY, keyFile, Run } from './usmp.ts'

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

  test.each([
    [['connect', ...id], /no server to connect to/],
    [['connect', '--tcp', 'a', '--ws', 'b', ...id], /cannot be used with/],
    [['connect', '--ws', 'ws://[', ...id], /--ws must look like/],
    [['serve'], /nowhere to listen/],
    [['serve', '--ws', 'wss://127.0.0.1:1/'], /certificate/],
    [['serve', '--serial', '/dev/x:0'], /--serial must look like/],
  ])('%j is wrong usage', async (args, message) => {
    const run = new Run([...args, '--psk-file', await keyFile(KEY)])
    expect(await run.exit()).toBe(2)
    expect(run.stderr).toMatch(message)
  })
})
