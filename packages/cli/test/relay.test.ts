import { once } from 'node:events'
import { encodeJoin } from '@usmp/relay/internal'
import { parseToken } from '@usmp/relay/server'
import { makeCertificate } from '@usmp/testing/certificate'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { done, file, KEY, keyFile, OTHER_KEY, type Run, usmp } from './usmp.js'

/** A relay that runs, without a terminal. */
async function relay(...args: readonly string[]): Promise<Run & { url: string }> {
  const run = usmp('relay', 'serve', '--listen', '127.0.0.1:0', ...args).end()
  const [, url] = await run.says('stderr', /listening on (wss?:\S+)/)
  return Object.assign(run, { url: url! })
}

async function token(...args: readonly string[]): Promise<Uint8Array> {
  const { stdout, code } = await done('relay', 'token', ...args)
  expect(code).toBe(0)
  return parseToken(stdout.trim())
}

/** Joins a route; the result has what the relay said, and the code with which it closed. */
async function join(url: string, side: 0 | 1, token: Uint8Array = new Uint8Array(0), options: ClientOptions = {}) {
  const socket = new WebSocket(`${url}/relay`, 'usmp-relay.1', options)
  onTestFinished(() => socket.terminate())
  const said: number[] = []
  socket.on('message', (data: Buffer) => said.push(...data))
  const closed = once(socket, 'close').then(([code]) => code as number)
  closed.catch(() => {})
  await once(socket, 'open')
  socket.send(encodeJoin({ route: new Uint8Array(16).fill(7), side, pairing: false, token }))
  await Promise.race([once(socket, 'message'), closed])
  return { socket, said, closed }
}

describe('usmp relay serve', () => {
  test('open on this machine: two peers meet, and SIGTERM ends it in order', async () => {
    const run = await relay('--open')
    expect(run.stderr).toContain(`usmp relay peer --relay ${run.url} --new-code`)
    const first = await join(run.url, 0)
    expect(first.said).toEqual([1])
    const second = await join(run.url, 1)
    expect(second.said).toEqual([2])
    run.child.kill('SIGTERM')
    expect(await run.exit()).toBe(0)
    expect(await first.closed).toBe(1012)
    // The end of the first ends its circuit, or the relay is quicker.
    expect([1012, 4009]).toContain(await second.closed)
  })

  test('with a key for tokens it takes who has one, and tells how to make them', async () => {
    const key = await keyFile()
    const run = await relay('--token-key', key)
    expect(run.stderr).toContain(`usmp relay token --token-key ${key} --days 30`)
    expect(run.stderr).not.toContain(KEY)
    expect(await (await join(run.url, 0)).closed).toBe(4003)
    const forged = await token('--token-key', await keyFile(OTHER_KEY))
    expect(await (await join(run.url, 0, forged)).closed).toBe(4003)
    expect((await join(run.url, 0, await token('--token-key', key))).said).toEqual([1])
  })

  test('behind a proxy, or on all addresses, the command for peers has no address that nobody can dial', async () => {
    const run = await relay('--open', '--trust-proxy')
    expect(run.stderr).toMatch(
      /with the name in its certificate for NAME; .*\n {4}usmp relay peer --relay wss:\/\/NAME --/,
    )
    const own = await makeCertificate()
    const tls = ['--tls-cert', await file(own.cert), '--tls-key', await file(own.key)]
    const everywhere = usmp('relay', 'serve', '--open', '--listen', '0.0.0.0:0', ...tls).end()
    await everywhere.says(
      'stderr',
      /listening on wss:\/\/0\.0\.0\.0:(\d+)\n[\s\S]*usmp relay peer --relay wss:\/\/NAME:\1 --/,
    )
  })

  test('over TLS, for peers with a certificate of an authority', async () => {
    const own = await makeCertificate()
    const peer = await makeCertificate()
    const [cert, key, clientCa] = await Promise.all([file(own.cert), file(own.key), file(peer.cert)])
    const run = await relay('--open', '--tls-cert', cert, '--tls-key', key, '--client-ca', clientCa)
    expect(run.url).toMatch(/^wss:/)
    expect((await join(run.url, 0, undefined, { ca: own.cert, ...peer })).said).toEqual([1])
    await expect(join(run.url, 0, undefined, { ca: own.cert })).rejects.toThrow()
  })

  test('figures on a listener of their own, as JSON where it is', async () => {
    const run = usmp('relay', 'serve', '--listen', '127.0.0.1:0', '--open', '--metrics', '127.0.0.1:0', '--json').end()
    await run.says('stderr', /"event":"listening"/)
    const [listening] = run.objects('stderr') as [{ url: string; metrics: string; limits: object }]
    expect(listening).toMatchObject({ url: expect.stringMatching(/^ws:/), limits: { waitingPerAddress: 32 } })
    await join(listening.url, 0)
    expect(await (await fetch(listening.metrics)).text()).toMatch(/waiting\S* 1\n/)
    expect((await fetch(`${listening.url.replace('ws', 'http')}/metrics`)).status).toBe(404)
  })

  test.each([
    [[], 'it is not said who may use the relay'],
    [['--open', '--token-key', 'x'], 'exclude each other'],
    [['--open', '--tls-cert', 'x'], 'belong together'],
    [['--open', '--client-ca', 'x'], '--client-ca needs'],
    [['--open', '--listen', '0.0.0.0:0'], 'without TLS'],
  ])('%j is wrong usage', async (args, message) => {
    const run = await done('relay', 'serve', ...args)
    expect(run.stderr).toContain(message)
    expect(run.code).toBe(2)
  })

  test('a port that is taken', async () => {
    const { url } = await relay('--open')
    const run = await done('relay', 'serve', '--open', '--listen', new URL(url).host)
    expect(run.stderr).toMatch(/^error: .*\n {2}\S/)
    expect(run.code).toBe(3)
  })
})

describe('usmp relay token', () => {
  test('tells how long it is good', async () => {
    const run = await done('relay', 'token', '--token-key', await keyFile(), '--days', '2', '--name', 'bank', '--json')
    const [made] = run.objects() as [{ token: string; expires: string }]
    const days = (Date.parse(made.expires) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(1.9)
    expect(days).toBeLessThanOrEqual(2)
    const bytes = parseToken(made.token)
    expect(Buffer.from(bytes.subarray(0, 4)).readUInt32BE()).toBe(Math.floor(Date.parse(made.expires) / 1000))
    expect(Buffer.from(bytes.subarray(5, 9)).toString()).toBe('bank')
  })

  test.each([
    ['--name', 'far too long'],
    ['--days', '0'],
    ['--days', '1000000'],
  ])('%s %s is wrong usage', async (...args) => {
    expect((await done('relay', 'token', '--token-key', await keyFile(), ...args)).code).toBe(2)
  })
})
