import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DEVICE, KEY, keyFile, Run } from './usmp.ts'

const id = ['--id', DEVICE]

/** Two pseudo-terminals joined like the ends of a cable. */
async function cable(): Promise<[string, string]> {
  const folder = await mkdtemp(join(tmpdir(), 'usmp-tty-'))
  const ends: [string, string] = [join(folder, 'near'), join(folder, 'far')]
  const socat: ChildProcess = spawn(
    'socat',
    ends.map((path) => `pty,raw,echo=0,link=${path}`),
  )
  await vi.waitUntil(() => ends.every((path) => existsSync(path)), { timeout: 5_000 })
  // Or socat would take a port that is closed for the end of the cable.
  const held = ends.map((path) => openSync(path, 'r+'))
  onTestFinished(async () => {
    for (const file of held) closeSync(file)
    socat.kill('SIGKILL')
    await once(socat, 'exit')
    rmSync(folder, { recursive: true })
  })
  return ends
}

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

  test('--serial: serve and connect', async () => {
    const psk = ['--psk-file', await keyFile(KEY)]
    const [near, far] = await cable()
    const server = new Run(['serve', '--serial', `${far}:115200`, ...psk, '--echo'])
    await server.says('stderr', /listening on /)
    const client = new Run(['connect', '--serial', `${near}:115200`, ...id, ...psk, '-1']).end('over a line\n')
    expect(await client.exit()).toBe(0)
    expect(client.stdout).toBe('over a line\n')
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
