import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type GatewayFlags, gatewayConfig, parseBroker, parseProxyUrl } from '../src/gateway/config.js'
import { demoSteps } from '../src/gateway/demo-steps.js'
import { api, devicesOf, gateway, PASSWORD, PORTS, setUp, stop, until } from './gateway-run.js'
import { DEVICE, directory, done, KEY, keyFile, OTHER_KEY, usmp } from './usmp.js'

describe('usmp gateway without a terminal', () => {
  test('takes a registered sensor over the embedded broker, and keeps all over a restart', async () => {
    const data = join(await directory(), 'gateway')
    const first = await gateway(data)
    // The setup link is a secret, and this output may be a log.
    await first.says('stderr', /usmp gateway setup --data/)
    expect(first.stderr).not.toContain('/setup#')
    const jar = await setUp(first)
    expect((await api(first.page, '/api/devices', { id: DEVICE, psk: KEY, name: 'Lamp' }, jar)).ok).toBe(true)
    const sensor = usmp('sim', 'sensor', '--mqtt', first.mqtt, '--id', DEVICE, '--psk-file', await keyFile())
    await sensor.says('stderr', /: online/)
    await until(async () => (await devicesOf(first.page, jar)).find(({ state }) => state === 'online'))
    expect((await stat(data)).mode & 0o777).toBe(0o700)
    expect(await stop(first)).toBe(0)
    const second = await gateway(data)
    const [device] = await devicesOf(second.page, jar)
    expect(device).toMatchObject({ id: DEVICE, name: 'Lamp' })
    expect(await stop(second, 'SIGINT')).toBe(0)
  })

  test('who is locked out gets a new password, in the gateway that runs or in its store', async () => {
    const data = join(await directory(), 'gateway')
    const run = await gateway(data)
    await setUp(run)
    const again = await done('gateway', 'setup', '--data', data)
    expect(again.code).toBe(2)
    expect(again.stderr).toContain('reset-password')
    const reset = await done('gateway', 'user', 'reset-password', 'ada', '--data', data)
    expect(reset.code).toBe(0)
    const password = reset.stdout.trim()
    expect((await api(run.page, '/api/login', { name: 'ada', password: PASSWORD })).status).toBe(401)
    expect((await api(run.page, '/api/login', { name: 'ada', password })).status).toBe(200)
    await stop(run)
    const offline = await done('gateway', 'user', 'reset-password', 'ada', '--data', data)
    expect(offline.stdout).toMatch(/^\S{20}\n$/)
    expect(offline.stdout.trim()).not.toBe(password)
    const nobody = await done('gateway', 'user', 'reset-password', 'bob', '--data', data)
    expect(nobody.code).toBe(2)
    expect(nobody.stderr).toContain('There are: ada.')
    const setup = await done('gateway', 'setup', '--data', data)
    expect(setup.code).toBe(2)
    expect(setup.stderr).toContain('no gateway runs with the folder')
  })

  test('backup while it runs, restore, the audit log, and a new key file', async () => {
    const data = join(await directory(), 'gateway')
    const run = await gateway(data)
    const jar = await setUp(run)
    await api(run.page, '/api/devices', { id: DEVICE, psk: OTHER_KEY }, jar)
    const backup = join(await directory(), 'backup')
    expect((await done('gateway', 'backup', backup, '--data', data)).stderr).toContain('wrote 1 devices')
    expect(await readFile(backup, 'latin1')).not.toContain(OTHER_KEY)
    const verified = await done('gateway', 'audit', 'verify', '--data', data)
    expect(verified.stdout).toMatch(/^\d+ entries, every hash fits\n$/)
    expect(verified.code).toBe(0)
    const log = (await done('gateway', 'audit', 'export', '--data', data)).objects()
    expect(log.map(({ action }) => action)).toEqual(expect.arrayContaining(['setup', 'device.register']))
    expect(JSON.stringify(log)).not.toContain(OTHER_KEY)
    expect((await done('gateway', 'rotate-key', '--data', data)).code).toBe(1)
    await stop(run)

    const copy = join(await directory(), 'gateway')
    expect((await done('gateway', 'restore', backup, '--data', copy)).stderr).toContain('restored 1 devices')
    await writeFile(join(copy, 'store.key'), await readFile(join(data, 'store.key')), { mode: 0o600 })
    expect((await done('gateway', 'rotate-key', '--data', copy)).stderr).toContain('1 keys of devices')
    const restored = await gateway(copy)
    // A backup brings back users, and none of their log-ins.
    expect((await api(restored.page, '/api/devices', undefined, jar)).status).toBe(401)
    expect((await api(restored.page, '/api/login', { name: 'ada', password: PASSWORD }, jar)).status).toBe(200)
    expect(await devicesOf(restored.page, jar)).toMatchObject([{ id: DEVICE, state: 'approved' }])
  })

  test('with --demo a newcomer approves the sensor that knocks, with the key that was printed', async () => {
    const data = join(await directory(), 'gateway')
    const run = usmp('gateway', '--data', data, '--demo', '--json', ...PORTS)
    await run.says('stderr', /"event":"demo"/)
    const demo = run.objects('stderr').find(({ event }) => event === 'demo') as Record<string, string>
    const [page, token] = demo.url!.split('/setup#')
    const jar = {}
    await api(page!, '/api/setup', { token, name: 'ada', password: PASSWORD }, jar)
    const device = (id: string) => async () => (await devicesOf(page!, jar)).find((one) => one.id === id)
    await until(async () => ((await device(demo.known!)())?.state === 'online' ? true : undefined))
    expect(await device(demo.unknown!)()).toBe(undefined)
    await api(page!, '/api/join', { minutes: 5 }, jar)
    const { knock } = (await until(device(demo.unknown!))) as unknown as { knock: { proofId: string } }
    await run.says('stderr', /"event":"knock"/)
    const approve = (psk: string) =>
      api(page!, `/api/devices/${demo.unknown}/approve`, { proofId: knock.proofId, psk }, jar)
    expect((await approve(KEY)).status).toBe(422)
    expect((await approve(demo.key!)).status).toBe(200)
    await until(async () => ((await device(demo.unknown!)())?.state === 'online' ? true : undefined))
    const wrong = (await device(demo.wrong!)()) as unknown as { state: string; attempts: { count: number } }
    expect(wrong.state).toBe('approved')
    expect(wrong.attempts.count).toBeGreaterThan(0)
    // The log tells the same, and nothing that is secret.
    await run.says('stderr', /"event":"wrong-key"/)
    await run.says('stderr', /"event":"device.approve"/)
    await run.says('stderr', new RegExp(`"event":"online","device_id":"${demo.unknown}"`))
    const log = run.objects('stderr').slice(run.objects('stderr').findIndex(({ event }) => event === 'demo') + 1)
    expect(log).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ event: 'broker', connected: true }),
        expect.objectContaining({ event: 'join', open: true, by: 'ada' }),
        expect.objectContaining({ event: 'knock', device_id: demo.unknown }),
        expect.objectContaining({ event: 'device.approve', device_id: demo.unknown, by: 'ada' }),
        expect.objectContaining({ event: 'online', device_id: demo.unknown }),
        expect.objectContaining({ event: 'wrong-key', device_id: demo.wrong }),
      ]),
    )
    expect(JSON.stringify(log)).not.toContain(demo.key)
    expect(await stop(run)).toBe(0)
    // The same three the next time.
    const again = usmp('gateway', '--data', data, '--demo', '--json', ...PORTS)
    await again.says('stderr', /"event":"demo"/)
    const told = again.objects('stderr').find(({ event }) => event === 'demo')
    expect(told).toMatchObject({ key: demo.key, setup: false, waits: false })
    expect(told!.url).not.toContain('setup')
  })
})

test('a first look says what is true now: nobody looks for a sensor that is approved or revoked', () => {
  const demo = { known: 'known', unknown: { deviceId: 'new', key: 'its key' }, wrong: 'wrong' }
  const steps = (state?: string) => {
    const devices = [{ id: 'known', state: 'online' }, ...(state ? [{ id: 'new', state }] : [])] as never
    const { text, lines } = demoSteps(demo, devices, { link: 'http://page', isSetup: false, data: '/data' })
    return [text, ...lines].join('\n')
  }
  expect(steps()).toContain('One waits for you')
  expect(steps('waiting')).toContain('paste its key')
  expect(steps()).not.toContain('wrong key')
  for (const [state, said] of [
    ['offline', 'new is approved already'],
    ['revoked', 'new is revoked, so it does not come in'],
  ]) {
    expect(steps(state)).toContain(said)
    expect(steps(state)).toContain('remove the folder /data')
    expect(steps(state)).not.toMatch(/waits|Join|its key/)
  }
})

describe('what cannot work is said before anything is made', () => {
  test.each<[GatewayFlags, string]>([
    [{ tlsCert: 'cert.pem' }, '--tls-cert and --tls-key belong together'],
    [{ tlsCert: 'cert.pem', tlsKey: 'key.pem', behindProxy: 'https://gateway.example' }, 'exclude each other'],
    [{ brokerUser: 'me' }, 'belong to --broker URL'],
    [{ broker: new URL('mqtt://127.0.0.1'), brokerListen: { host: '::1', port: 0 } }, 'belongs to --broker embedded'],
    [{ tcp: { host: '::1', port: 0 }, demo: true }, '--demo needs the embedded broker'],
    [{ ws: new URL('wss://127.0.0.1') }, 'serves ws://'],
    [{ webhookSecretFile: 'secret' }, '--webhook-secret-file needs --webhook'],
    [{ masterFile: 'is-not-there' }, 'no such file'],
  ])('%j: %s', async (flags, message) => {
    await expect(gatewayConfig(flags)).rejects.toThrow(message)
  })

  test('the address of a broker holds no password, and that of a proxy is https', () => {
    expect(() => parseBroker('mqtt://me:secret@127.0.0.1')).toThrow('do not belong into the address')
    expect(() => parseProxyUrl('http://gateway.example')).toThrow('https address')
    expect(() => parseProxyUrl('https://gateway.example/path')).toThrow('without a path')
  })

  test('without any option it is a first look, with a folder of its own; with one that says more it is not', async () => {
    const look = await gatewayConfig({})
    expect(look).toMatchObject({ demo: true, site: 'home', broker: { embedded: { port: 1883 } }, elseFreePorts: true })
    expect(look.data).toMatch(/usmp-gateway-demo$/)
    const real = await gatewayConfig({ tcp: { host: '0.0.0.0', port: 9000 } })
    expect(real).toMatchObject({ demo: false, listen: { tcp: { port: 9000 } } })
    expect(real.data).toMatch(/usmp-gateway$/)
    expect(real).not.toHaveProperty('broker')
  })

  test('a port that is taken, a folder that another gateway has open, and too many words', async () => {
    const data = join(await directory(), 'gateway')
    const run = await gateway(data)
    const taken = ['--listen', new URL(run.page).host, '--broker-listen', '0']
    const other = await done('gateway', '--data', join(await directory(), 'other'), ...taken)
    expect(other.stderr).toContain('another program uses this port')
    expect(other.code).toBe(3)
    const same = await done('gateway', '--data', data, ...PORTS)
    expect(same.stderr).toContain('STORE_FAILED')
    expect(same.code).toBe(1)
    expect((await done('gateway', 'serve', 'more')).code).toBe(2)
  })
})

test('usmp gateway acl writes the access list of a broker', async () => {
  const run = await done('gateway', 'acl', '--broker', 'mosquitto', '--site', 'mill', '--broker-user', 'gate')
  expect(run.stdout).toContain('user gate\ntopic read usmp/mill/+/+/up\n')
  expect((await done('gateway', 'acl')).code).toBe(2)
})
