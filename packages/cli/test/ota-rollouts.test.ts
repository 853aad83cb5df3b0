import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseCanary, parseSpan, parseWaves, parseWindow } from '../src/ota/rollout-options.js'
import { api, gateway, setUp, stop, until } from './gateway-run.js'
import { signed } from './signed.js'
import { DEVICE, directory, done, KEY, keyFile, OTHER_DEVICE, OTHER_KEY, usmp } from './usmp.js'

describe('what is typed', () => {
  test.each([
    [parseSpan, '0', 0],
    [parseSpan, '90s', 90_000],
    [parseSpan, '10m', 600_000],
    [parseSpan, '2h', 7_200_000],
    [parseWaves, '5,25,100', [5, 25, 100]],
    [parseWaves, '100', [100]],
    [parseWindow, '22:00-05:30', { from: 1320, to: 330 }],
    [parseCanary, '0', 0],
  ] as const)('%o of %s', (parse, text, value) => {
    expect(parse(text)).toEqual(value)
  })

  test.each([
    [parseSpan, '10'],
    [parseSpan, 'm'],
    [parseWaves, '5,5,100'],
    [parseWaves, '5,25'],
    [parseWaves, '50,20,100'],
    [parseWaves, ''],
    [parseWindow, '22:00'],
    [parseWindow, '22:00-22:00'],
    [parseWindow, '24:00-01:00'],
    [parseCanary, '11'],
    [parseCanary, '-1'],
  ] as const)('%o refuses %s', (parse, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

test('an image is pushed to a gateway that runs here: canary, a person, all; then by its address with a token', async () => {
  const data = join(await directory(), 'gateway')
  const { key, bundle, folder } = await signed('1.1.0', 1)
  const run = await gateway(data, '--publisher-key', key)
  const jar = await setUp(run)
  for (const [id, psk] of [
    [DEVICE, KEY],
    [OTHER_DEVICE, OTHER_KEY],
  ]) {
    expect((await api(run.page, '/api/devices', { id, psk }, jar)).ok).toBe(true)
  }
  const table = join(folder, 'table.json')
  await writeFile(table, JSON.stringify({ [DEVICE]: KEY, [OTHER_DEVICE]: OTHER_KEY }), { mode: 0o600 })
  const sensors = usmp('sim', 'sensor', '--mqtt', run.mqtt, '--psk-table', table, '--publisher-key', key)
  await until(async () => {
    const { devices } = (await (await api(run.page, '/api/devices', undefined, jar)).json()) as {
      devices: { updates?: object }[]
    }
    return devices.every(({ updates }) => updates) ? true : undefined
  })

  const pushed = await done('ota', 'push', bundle, '--data', data, '--soak', '0', '--waves', '100', '--watch', '--json')
  expect(pushed.code, pushed.stderr).toBe(5)
  const [first] = pushed.objects()
  expect(first).toMatchObject({ event: 'rollout', image: { version: '1.1.0', verified: true }, createdBy: 'cli' })
  expect(pushed.objects().at(-1)).toMatchObject({ state: 'paused', counts: { done: 1, targeted: 1 } })
  const id = String(first!.id)
  const status = await done('ota', 'status', id, '--data', data)
  expect(status.stdout).toMatch(
    /^\S+ {2}usmp-sim-sensor 1\.1\.0: paused {2}1 targeted, 1 done {2}\(the canary is through/,
  )
  expect(status.stdout).toContain(`${DEVICE}  `)

  const made = await api(run.page, '/api/tokens', { name: 'ci', role: 'admin', days: 1 }, jar)
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, ((await made.json()) as { token: string }).token, { mode: 0o600 })
  const place = ['--url', run.page, '--token-file', tokenFile]
  expect((await done('ota', 'resume', ...place)).code).toBe(0)
  const watched = await done('ota', 'status', '--watch', ...place)
  expect(watched.code, watched.stderr).toBe(0)
  expect(watched.stdout).toMatch(/: done {2}2 done\n$/)

  const again = await done('ota', 'push', bundle, '--data', data, '--canary', '0')
  expect(again.code, again.stderr).toBe(0)
  expect((await done('ota', 'abort', id, '--reason', 'over', ...place)).stdout).toContain('aborted')
  sensors.child.kill()
  expect(await stop(run)).toBe(0)
})

test('it says what is wrong: no gateway, a token in the clear, an image of a stranger, nothing to act on', async () => {
  const data = join(await directory(), 'gateway')
  const { bundle, folder, key } = await signed('1.1.0', 1)
  const stranger = await signed('1.2.0', 2)
  const none = await done('ota', 'status', '--data', data)
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining(`no gateway runs with the folder ${data}`)])
  const tokenFile = await keyFile()
  const clear = await done('ota', 'status', '--url', 'http://gateway.example:8700', '--token-file', tokenFile)
  expect([clear.code, clear.stderr]).toEqual([2, expect.stringContaining('cross the network in the clear')])
  const run = await gateway(data, '--publisher-key', key)
  expect((await done('ota', 'status', '--data', data)).stderr).toContain('there are no roll-outs')
  const refused = await done('ota', 'push', stranger.bundle, '--data', data)
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/which has signed this image, is none of the publishers here\. \[INVALID\]/)
  const cut = join(folder, 'cut.uota')
  await writeFile(cut, 'UOTA')
  expect((await done('ota', 'push', cut, '--data', data)).code).toBe(7)
  expect((await done('ota', 'abort', '--data', data)).stderr).toContain('no roll-out is under way')
  const wrong = await done('ota', 'status', '--url', run.page, '--token-file', tokenFile)
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('[UNAUTHENTICATED]')])
  expect((await done('ota', 'push', bundle, '--data', data, '--device', DEVICE, '--json')).code).toBe(0)
  const aborted = await done('ota', 'abort', '--data', data, '--json')
  expect(aborted.objects()[0]).toMatchObject({ state: 'aborted', target: { kind: 'devices', ids: [DEVICE] } })
  await stop(run)
})

test('a gateway whose page is https, with a certificate of its own, is reached by its folder, and by its address with --ca', async () => {
  const data = join(await directory(), 'gateway')
  const run = usmp('gateway', '--data', data, '--listen', '0.0.0.0:0', '--tcp', '127.0.0.1:0')
  const [, port] = await run.says('stderr', /page +https:\S+:(\d+)/)
  const here = await done('ota', 'status', '--data', data)
  expect([here.code, here.stderr]).toEqual([0, expect.stringContaining('there are no roll-outs')])
  const place = ['--url', `https://127.0.0.1:${port}`, '--token-file', await keyFile()]
  const unknown = await done('ota', 'status', ...place)
  expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringMatching(/\[UNREACHABLE\]\n.*--ca/)])
  const known = await done('ota', 'status', ...place, '--ca', join(data, 'https-cert.pem'))
  expect(known.stderr).toContain('[UNAUTHENTICATED]')
  await stop(run)
  const gone = await done('ota', 'status', ...place)
  expect([gone.code, gone.stderr]).toEqual([3, expect.stringContaining('Does it run')])
})
