import { randomBytes } from 'node:crypto'
import { pskFingerprint } from '@usmp/core'
import { deviceApi, gatewayApi } from '@usmp/gateway'
import { type ListenOptions, listen, type Server } from '@usmp/node'
import { type Peer, rpc } from '@usmp/rpc'
import { buildCSensor, CSensor } from '@usmp/testing/c-programs'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'

const id = 'aa:bb:cc:dd:00:02'
const psk = new Uint8Array(randomBytes(32))
const loopback = { host: '127.0.0.1', port: 0 }

beforeAll(() => buildCSensor(), 600_000)

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

async function startServer(options: Partial<ListenOptions>): Promise<Server> {
  const server = await listen({ psk: { [id]: psk }, ...options })
  running.push(() => server.close())
  return server
}

function startSensor(connect: string, ...more: string[]): CSensor {
  const sensor = new CSensor(connect, id, psk, more)
  running.push(() => sensor.stop())
  return sensor
}

interface Sensor {
  readonly peer: Peer<typeof deviceApi>
  /** The next telemetry, as the contract of the gateway takes it. */
  readonly telemetry: () => Promise<Record<string, unknown>>
}

/** The gateway's end of the next session. */
async function nextSensor(server: Server): Promise<Sensor> {
  for await (const session of server) {
    let tell: (values: Record<string, unknown>) => void = () => {}
    const peer = rpc(session, {
      serves: gatewayApi,
      calls: deviceApi,
      notifications: { telemetry: ({ values }) => tell(values) },
      onFault: (fault) => tell({ fault: fault.message }),
    })
    return { peer, telemetry: () => new Promise((resolve) => (tell = resolve)) }
  }
  throw new Error('the server was closed')
}

const carriers = [
  { name: 'TCP', where: { tcp: loopback }, to: (server: Server) => `tcp:127.0.0.1:${server.port}` },
  { name: 'UDP', where: { tcp: false, udp: loopback }, to: (server: Server) => `udp:127.0.0.1:${server.udpPort}` },
] as const

describe.each(carriers)('the C sensor over $name', ({ where, to }) => {
  test('shows the fingerprint of its key, describes itself, tells readings, blinks, takes an interval, ends when told', async () => {
    const server = await startServer(where)
    const sensor = startSensor(to(server), '--name', 'Cellar <b>', '--interval', '0.5')
    const { peer, telemetry } = await nextSensor(server)
    expect((await sensor.says(/fingerprint of its key (\S+)/))[1]).toBe(pskFingerprint(psk, id))
    expect(await peer.request('describe', {})).toMatchObject({
      name: 'Cellar <b>',
      firmware: { product: 'usmp-c-sensor', chip: 'host' },
      units: { temperature: '°C', humidity: '%', pressure: 'hPa', battery: 'V', uptime: 's' },
      methods: ['identify', 'set_interval'],
    })
    for (let n = 0; n < 2; n++) {
      const values = await telemetry()
      expect(Object.keys(values)).toEqual(['temperature', 'humidity', 'pressure', 'battery', 'uptime'])
      for (const value of Object.values(values)) expect(value).toBeTypeOf('number')
    }
    expect(await peer.requestUntyped('set_interval', { seconds: 0.25 })).toEqual({ seconds: 0.25 })
    expect(await peer.requestUntyped('identify', {})).toEqual({ blinking: 10 })
    await sensor.says(/blinking/)
    await expect(peer.requestUntyped('set_interval', { seconds: 0 })).rejects.toMatchObject({ code: -32602 })
    expect(await sensor.end()).toBe(0)
  })

  test('a gateway that comes back finds it', async () => {
    const server = await startServer(where)
    const address = to(server)
    const sensor = startSensor(address)
    await (await nextSensor(server)).telemetry()
    await server.close()
    await sensor.says(/session ended/)
    const place = { ...loopback, port: Number(address.split(':').at(-1)) }
    const again = await startServer('udp' in where ? { tcp: false, udp: place } : { tcp: place })
    expect(await (await nextSensor(again)).telemetry()).toHaveProperty('temperature')
  })
})

test('one that is not known keeps trying, and comes in when it is', async () => {
  const known = new Map<string, Uint8Array>()
  const server = await startServer({ tcp: loopback, psk: (deviceId) => known.get(deviceId) ?? null })
  const sensor = startSensor(`tcp:127.0.0.1:${server.port}`)
  await sensor.says(/no session[\s\S]*no session/)
  known.set(id, psk)
  await (await nextSensor(server)).telemetry()
})

test.each([
  ['--connect', 'ftp:127.0.0.1:1'],
  ['--connect', 'tcp:127.0.0.1:0'],
  ['--interval', '0.1'],
  ['--cert', 'some.pem'],
  ['--password-file', '/does/not/exist'],
  ['--speed', '5'],
  ['--slots', '/tmp/slots'],
  ['--publisher-key', '/does/not/exist'],
])('a wrong command line is explained: %s %s', async (...wrong) => {
  const sensor = startSensor('tcp:127.0.0.1:1', ...wrong)
  await sensor.says(/usage: usmp-sensor/)
  expect(await sensor.exited()).toBe(2)
})
