import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { announce } from '@usmp/discovery'
import { describe, expect, onTestFinished, test } from 'vitest'
import { line, table } from '../src/discover/table.js'
import { DEVICE, directory, done, keyFile, serving, usmp } from './usmp.js'

const [LOOPBACK] = Object.entries(networkInterfaces()).find(([, list]) => list?.some(({ internal }) => internal))!

async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** Ports of this test alone, as the library has them and as flags. */
async function ownPlace() {
  const [port, mdnsPort] = [await freePort(), await freePort()]
  const ports = ['--discovery-port', String(port), '--mdns-port', String(mdnsPort)]
  return { place: { interfaces: [LOOPBACK], port, mdnsPort }, ports, flags: ['--iface', LOOPBACK, ...ports] }
}

const found = {
  role: 'gateway',
  instance: '8f3a',
  joinOpen: true,
  carriers: [
    { kind: 'tcp', port: 9000 },
    { kind: 'mqtt', port: 1883 },
  ],
  site: 'home',
  path: '',
  addresses: [{ address: '192.168.1.20', interface: 'eth0', lastSeen: 1_000 }],
  urls: ['usmp://192.168.1.20:9000'],
  by: ['mdns', 'udp'],
  lastSeen: 1_000,
  gone: false,
} as const

test('what was found, for people', () => {
  expect(table([found], 5_000)).toBe(
    [
      'ROLE     SITE  JOIN  NAME  WHERE                          SEEN',
      'gateway  home  open  8f3a  usmp://192.168.1.20:9000       seen 4 s ago by mDNS and UDP',
      '                           MQTT broker 192.168.1.20:1883',
    ].join('\n'),
  )
  const device = { ...found, role: 'device', site: '', joinOpen: false, carriers: [], urls: [], by: ['udp'] } as const
  expect(line(device, 1_400)).toBe('device 8f3a at 192.168.1.20, seen 0 s ago by UDP')
  expect(line({ ...device, deviceId: '246f28a1b2c3' }, 1_000)).toContain('device id 246f28a1b2c3')
})

describe('usmp discover', () => {
  test('finds the gateway of `usmp gateway --announce`, and `usmp ping usmp+mdns://SITE` reaches it', async () => {
    const { ports, flags } = await ownPlace()
    const place = ['--listen', '127.0.0.1:0', '--tcp', '127.0.0.1:0', '--site', 'attic', '--data', await directory()]
    const gateway = usmp('gateway', 'serve', ...place, '--announce', '--announce-interface', LOOPBACK, ...ports)
    const [, port] = await gateway.says(
      'stderr',
      /devices {2}tcp 127\.0\.0\.1:(\d+)\n {2}found {4}as usmp-[0-9a-f]{4} on lo\n/,
    )
    const run = await done('discover', ...flags, '--site', 'attic', '--timeout', '1', '--json')
    expect(run.code).toBe(0)
    expect(run.objects()).toEqual([
      {
        event: 'found',
        role: 'gateway',
        instance: expect.stringMatching(/^[0-9a-f]{4}$/),
        site: 'attic',
        join_open: false,
        carriers: [{ kind: 'tcp', port: Number(port) }],
        path: '',
        addresses: [{ address: '127.0.0.1', interface: LOOPBACK }],
        urls: [`usmp://127.0.0.1:${port}`],
        by: ['mdns', 'udp'],
        last_seen: expect.stringMatching(/^20/),
      },
    ])
    const credentials = ['--id', DEVICE, '--psk-file', await keyFile()]
    const refused = await done('ping', 'usmp+mdns://attic', ...flags, ...credentials, '-c', '1', '-W', '2')
    // The gateway does not know this device: it was reached, and it refused.
    expect(refused.stderr).toMatch(/the gateway at usmp:\/\/127\.0\.0\.1:\d+, after our proof.*\[HANDSHAKE_REFUSED\]/)
    expect(refused.code).toBe(5)
  })

  test('a simulated sensor finds its gateway by the site, and is found, with its id where it says so', async () => {
    const { place, flags } = await ownPlace()
    const server = await serving('--psk-file', await keyFile())
    const carriers = [{ kind: 'tcp' as const, port: Number(server.address.split(':')[1]) }]
    const announcement = await announce({ role: 'gateway', site: 'attic', carriers, ...place })
    onTestFinished(() => announcement.close())
    const key = ['--id', DEVICE, '--psk-file', await keyFile()]
    const sensor = usmp('sim', 'sensor', 'usmp+mdns://attic', ...flags, ...key, '--announce-id')
    const [, instance] = await sensor.says('stderr', /can be found as usmp-([0-9a-f]{4})/)
    await sensor.says('stderr', new RegExp(`${DEVICE}: online`))
    const run = await done('discover', '--devices', ...flags, '--timeout', '1', '--json')
    expect(run.objects()).toMatchObject([
      { role: 'device', instance, device_id: DEVICE.replaceAll(':', ''), carriers: [], urls: [] },
    ])
    sensor.child.kill('SIGTERM')
    expect(await sensor.exit()).toBe(0)
  })

  test('a session by the site alone, with connect', async () => {
    const { place, flags } = await ownPlace()
    const server = await serving('--psk-file', await keyFile(), '--echo')
    const carriers = [{ kind: 'tcp' as const, port: Number(server.address.split(':')[1]) }]
    const announcement = await announce({ role: 'gateway', site: 'attic', carriers, ...place })
    onTestFinished(() => announcement.close())
    const run = usmp('connect', 'usmp+mdns://attic', ...flags, '--id', DEVICE, '--psk-file', await keyFile(), '-1')
    run.end('hello\n')
    expect(await run.exit()).toBe(0)
    expect(run.stdout).toBe('hello\n')
  })

  test('--watch tells what comes, changes and goes', async () => {
    const { place, flags } = await ownPlace()
    const run = usmp('discover', '--devices', '--gateways', '--watch', ...flags)
    const device = await announce({ role: 'device', carriers: [{ kind: 'udp', port: 9000 }], ...place })
    await run.says('stdout', new RegExp(`found: device ${device.instance} at usmp\\+udp://127\\.0\\.0\\.1:9000`))
    const gateway = await announce({ role: 'gateway', site: 'home', carriers: [{ kind: 'tcp', port: 9000 }], ...place })
    await run.says('stdout', new RegExp(`found: gateway home ${gateway.instance} at`))
    await gateway.update({ joinOpen: true })
    await run.says('stdout', /changed: gateway home .*join window open/)
    await Promise.all([device.close(), gateway.close()])
    await run.says('stdout', new RegExp(`gone: device ${device.instance}`))
    run.child.kill('SIGINT')
    expect(await run.exit()).toBe(0)
  })

  test('tells what was tried if nothing is found', async () => {
    const { flags, ports } = await ownPlace()
    const run = await done('discover', ...flags, '--timeout', '0.5')
    expect(run.code).toBe(4)
    expect(run.stdout).toBe('')
    expect(run.stderr).toMatch(
      /no gateway answered; asked on lo \(127\.0\.0\.1\/8\) [1-9] times by mDNS and [1-9] times by UDP/,
    )
    expect(run.stderr).toMatch(
      /\n {2}Multicasts.*VLANs.*\n {2}A firewall.*\n {2}Ask a host directly: usmp discover --host HOST/,
    )
    const nowhere = await done('discover', '--iface', 'none', ...ports, '--host', 'nowhere.invalid', '--timeout', '0.5')
    expect(nowhere.stderr).toMatch(/nobody could be asked/)
    expect(nowhere.stderr).toMatch(
      /UDP query to nowhere\.invalid: (nobody knows this name|the name service does not answer)/,
    )
  })
})
