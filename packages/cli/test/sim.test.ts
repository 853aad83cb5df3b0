import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { listen } from '@usmp/node'
import { imageOf, otaDeviceApi, otaGatewayApi, splitBundle, UpdateSender, VerifiedImage } from '@usmp/ota'
import { contract, rpc } from '@usmp/rpc'
import { Mosquitto } from '@usmp/testing/mosquitto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseBrokerUrl } from '../src/gateway/broker.js'
import { OWN_FILE, sensorsWithKeys } from '../src/gateway/sensor-keys.js'
import { DEVICE, deserted, directory, done, file, KEY, keyFile, OTHER_KEY, usmp } from './usmp.js'

const FIRST = '02:73:69:6d:00:01'
const SECOND = '02:73:69:6d:00:02'

/** A server that collects what each device reports. */
async function collecting(psk: Parameters<typeof listen>[0]['psk']) {
  const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: psk! })
  onTestFinished(() => server.close())
  const reports = new Map<string, Record<string, unknown>[]>()
  void (async () => {
    for await (const session of server) {
      const told: Record<string, unknown>[] = []
      reports.set(session.deviceId, told)
      void (async () => {
        for await (const message of session) told.push(JSON.parse(Buffer.from(message).toString()).params.values)
      })()
    }
  })()
  return { address: server.address, reports }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('usmp sim sensor', () => {
  test('reports every so many seconds until it is stopped, and says what happens', async () => {
    const { address, reports } = await collecting({ [DEVICE]: Buffer.from(KEY, 'hex') })
    const run = usmp('sim', 'sensor', '--tcp', address, '--id', DEVICE, '--psk-file', await keyFile(), '-i', '0.1')
    await run.says('stderr', new RegExp(`${DEVICE}: online`))
    await until(() => (reports.get(DEVICE)?.length ?? 0) > 2)
    expect(reports.get(DEVICE)![0]!.temperature).toEqual(expect.any(Number))
    run.child.kill('SIGTERM')
    expect(await run.exit()).toBe(0)
  })

  test('many from one master key, each with its own', async () => {
    const master = await file(OTHER_KEY, 'master.key')
    const keys = new Map<string, Buffer>()
    for (const id of [FIRST, SECOND]) {
      const { stdout } = await done('keygen', 'psk', '--device', id, '--master-file', master)
      keys.set(id, Buffer.from(stdout.trim(), 'hex'))
    }
    const { address, reports } = await collecting(keys)
    const run = usmp('sim', 'sensor', `usmp://${address}`, '-n', '2', '--master-file', master, '--json')
    await until(() => reports.size === 2)
    expect([...reports.keys()].sort()).toEqual([FIRST, SECOND])
    run.child.kill('SIGINT')
    await run.exit()
    expect(run.objects('stderr').map(({ event }) => event)).toEqual([
      'started',
      'online',
      'online',
      'offline',
      'offline',
    ])
  })

  test('a table names ids and keys; nobody to report to is told once, and it goes on', async () => {
    const table = await file(JSON.stringify({ [FIRST]: KEY, [SECOND]: OTHER_KEY }), 'table.json')
    const run = usmp('sim', 'sensor', '--tcp', await deserted(), '--psk-table', table, '--count', '1')
    await run.says('stderr', new RegExp(`${FIRST}: .*UNREACHABLE.*it goes on trying`))
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(run.stderr.match(/UNREACHABLE/g)).toHaveLength(1)
    expect(run.child.exitCode).toBe(null)
  })

  test('over MQTT it logs in at the broker with a password from a file, and tells when that is wrong', async () => {
    const broker = await Mosquitto.start({ users: { sensor: 'right one' } })
    onTestFinished(() => broker.stop())
    const sensor = async (password: string) => {
      const login = ['--broker-user', 'sensor', '--broker-password-file', await file(`${password}\n`, 'password')]
      return usmp('sim', 'sensor', '--mqtt', broker.url(), '--psk-file', await keyFile(), ...login)
    }
    await (await sensor('wrong one')).says('stderr', /BROKER_REFUSED/)
    // Nobody answers there, so it got as far as a handshake.
    await (await sensor('right one')).says('stderr', /HANDSHAKE_TIMEOUT/)
  })

  test('takes an update that its publisher has signed, and says which version runs', async () => {
    const folder = await directory()
    const at = (name: string) => join(folder, name)
    await writeFile(at('image.bin'), 'usmp-sim-sensor: good\n')
    await done('ota', 'keygen', '--out', at('release.key'), '--no-passphrase')
    const about = ['--product', 'usmp-sim-sensor', '--chip', 'sim', '--version', '1.1.0', '--counter', '1']
    await done('ota', 'sign', at('image.bin'), '--key', at('release.key'), ...about, '--out', at('image.uota'))
    const { manifest, image } = splitBundle(await readFile(at('image.uota')))

    const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: { [DEVICE]: Buffer.from(KEY, 'hex') } })
    onTestFinished(() => server.close())
    const place = ['--tcp', server.address!, '--id', DEVICE, '--psk-file', await keyFile()]
    const run = usmp('sim', 'sensor', ...place, '--publisher-key', at('release.key.pub'))
    for await (const session of server) {
      const sender = new UpdateSender()
      const serves = contract({ notifications: { ...otaGatewayApi.notifications } })
      const { notifications, onBinary } = sender
      const peer = rpc(session, { serves, calls: otaDeviceApi, notifications, onBinary })
      await sender.send(peer, { manifest, image: await VerifiedImage.open(imageOf(image), manifest) })
      await peer.request('ota.apply', { sha256: Buffer.from(manifest.sha256).toString('hex') })
      break
    }
    await run.says('stderr', new RegExp(`${DEVICE}: runs version 1.0.0`))
    await run.says('stderr', new RegExp(`${DEVICE}: restarts for an update`))
    await run.says('stderr', new RegExp(`${DEVICE}: runs version 1.1.0 on trial`))
  })

  test('without keys they are made once, in a file that nobody else reads', async () => {
    const folder = await directory()
    const before = process.cwd()
    process.chdir(folder)
    onTestFinished(() => process.chdir(before))
    const made = await sensorsWithKeys({ count: 2 })
    expect(made.map(({ deviceId }) => deviceId)).toEqual([FIRST, SECOND])
    expect(await sensorsWithKeys({ count: 2 })).toEqual(made)
    expect((await stat(join(folder, OWN_FILE))).mode & 0o777).toBe(0o600)
    await expect(sensorsWithKeys({ count: 3 })).rejects.toThrow('has 2 keys')
  })

  test('what cannot work is told before anything is tried', async () => {
    const both = await done('sim', 'sensor', '--mqtt', 'mqtt://h', '--tcp', '1', '--psk-file', await keyFile())
    expect(both.stderr).toContain('not both')
    expect(both.code).toBe(2)
    expect(() => parseBrokerUrl('mqtt://me:secret@127.0.0.1')).toThrow('do not belong into the address')
    expect(() => parseBrokerUrl('http://127.0.0.1')).toThrow('must begin with mqtt://')
  })

  test.each([
    [{ pskFile: 'KEY', count: 2 }, 'one key for 2 sensors'],
    [{ pskTable: 'TABLE', count: 2 }, 'has 1 keys'],
    [{ pskTable: 'TABLE', id: DEVICE }, 'names the ids'],
    [{ masterFile: 'KEY', id: 'ff:ff:ff:ff:ff:ff', count: 2 }, 'there are not 2 ids'],
  ])('%j is refused: %s', async (options, message) => {
    const files: Record<string, string> = { KEY: await keyFile(), TABLE: await file(JSON.stringify({ [DEVICE]: KEY })) }
    const given = Object.fromEntries(Object.entries(options).map(([name, value]) => [name, files[value] ?? value]))
    await expect(sensorsWithKeys(given)).rejects.toThrow(message)
  })
})
