import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pskFingerprint } from '@usmp/core'
import { type Actor, type Gateway, openStore, startGateway } from '@usmp/gateway'
import { BrokerConnection, listenMqtt } from '@usmp/mqtt'
import { listen } from '@usmp/node'
import { buildCSensor, CSensor } from '@usmp/testing/c-programs'
import { makeCertificate } from '@usmp/testing/certificate'
import { Mosquitto, type MosquittoOptions } from '@usmp/testing/mosquitto'
import { afterEach, beforeAll, expect, test } from 'vitest'

const id = 'aa:bb:cc:dd:00:03'
const psk = new Uint8Array(randomBytes(32))
const ada: Actor = { name: 'ada', role: 'admin' }
const WAIT = 60_000

beforeAll(() => buildCSensor(), 600_000)

const running: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

async function startBroker(options?: MosquittoOptions): Promise<Mosquitto> {
  const broker = await Mosquitto.start(options)
  running.push(() => broker.stop())
  return broker
}

function startSensor(...options: ConstructorParameters<typeof CSensor>): CSensor {
  const sensor = new CSensor(...options)
  running.push(() => sensor.stop())
  return sensor
}

async function startSite(broker: Mosquitto): Promise<Gateway> {
  const folder = await mkdtemp(join(tmpdir(), 'usmp-site-'))
  const store = await openStore(folder)
  const gateway = await startGateway({ store, site: 'home', mqtt: { url: broker.url() } })
  running.push(async () => {
    await gateway.close()
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })
  return gateway
}

async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + WAIT; !holds(); await setTimeout(20)) {
    if (Date.now() > deadline) throw new Error(`it never came: ${what}`)
  }
}

test('knocks at a gateway, is approved with its key, is seen at once, answers a console', async () => {
  const broker = await startBroker()
  const gateway = await startSite(broker)
  await gateway.openJoin(ada, { minutes: 5 })
  const sensor = startSensor(broker.url(), id, psk, ['--name', 'Cellar'])
  const state = () => gateway.devices().find((device) => device.id === id)?.state
  await eventually(() => state() === 'waiting', 'a knock')
  await sensor.says(/no session: HANDSHAKE_TIMEOUT: not approved yet/)
  const { proofId } = gateway.device(id).knock!
  const device = await gateway.approve(ada, id, { proofId, psk: Buffer.from(psk).toString('hex') })
  expect(device.fingerprint).toBe((await sensor.says(/fingerprint of its key (\S+)/))[1])
  await eventually(() => state() === 'online' && gateway.device(id).methods.length > 0, 'a session')
  await eventually(() => gateway.device(id).readings.temperature?.unit === '°C', 'a reading with its unit')
  expect(gateway.device(id)).toMatchObject({
    firmware: { product: 'usmp-c-sensor' },
    methods: ['identify', 'set_interval'],
  })
  const { result } = await gateway.request(ada, id, { method: 'identify', params: { seconds: 3 } })
  expect(result).toEqual({ blinking: 3 })
  await sensor.says(/blinking/)
  expect(await sensor.end()).toBe(0)
})

test('a gateway that vanished and came back is noticed by its boot number, long before silence would tell', async () => {
  const broker = await startBroker()
  const deaf = new Set<() => void>()
  const first = await listen({ tcp: false, psk: { [id]: psk } })
  const second = await listen({ tcp: false, psk: { [id]: psk } })
  running.push(
    () => second.close(),
    () => first.close(),
  )
  // The first one falls silent without a word, as a process that was killed.
  const vanishing = listenMqtt(
    { accept: (transport, options) => first.accept(vanish(transport, deaf), options) },
    { broker: { url: broker.url() }, site: 'home' },
  )
  running.push(() => vanishing.close())
  await vanishing.connected()
  const sensor = startSensor(broker.url(), id, psk, ['--interval', '3600'])
  await eventually(() => first.sessions.length === 1, 'a session')
  await first.sessions[0]!.receive()
  for (const fall of deaf) fall()
  const died = Date.now()
  const back = listenMqtt(second, { broker: { url: broker.url() }, site: 'home' })
  running.push(() => back.close())
  await eventually(() => second.sessions.length === 1, 'a session with the new one')
  await sensor.says(/session ended: TRANSPORT_FAILED/)
  // 5 s for a sign of life and 2 s of jitter, where the engine would wait for 30 s.
  expect(Date.now() - died).toBeLessThan(25_000)
})

/** A transport that stops to carry anything once a function of `falls` is called. */
function vanish<T extends { write(frames: readonly Uint8Array[]): boolean }>(transport: T, falls: Set<() => void>): T {
  let gone = false
  falls.add(() => {
    gone = true
  })
  return { ...transport, write: (frames: readonly Uint8Array[]) => gone || transport.write(frames) }
}

test('over TLS with a certificate of its own, a user and a password, where nobody else is let in', async () => {
  const { key, cert } = await makeCertificate()
  const broker = await startBroker({
    listeners: ['mqtt', 'mqtts'],
    tls: { key, cert, clientCa: cert },
    users: { sensor: 'open sesame', gateway: 'another' },
  })
  const server = await listen({ tcp: false, psk: { [id]: psk } })
  const listener = listenMqtt(server, {
    broker: { url: broker.url('mqtt'), username: 'gateway', password: 'another' },
    site: 'home',
  })
  running.push(async () => {
    await server.close()
    await listener.close()
  })
  await listener.connected()
  const files = [['--ca', cert] as const, ['--cert', cert] as const, ['--key', key] as const]
  const stranger = startSensor(
    broker.url('mqtts'),
    id,
    psk,
    ['--username', 'sensor'],
    [...files, ['--password-file', 'wrong']],
  )
  await stranger.says(/no broker at mqtts:\S+ Connection Refused: not authori[sz]ed/)
  await stranger.stop()
  startSensor(broker.url('mqtts'), id, psk, ['--username', 'sensor'], [...files, ['--password-file', 'open sesame']])
  await eventually(() => server.sessions.length === 1, 'a session')
  expect(JSON.parse(new TextDecoder().decode(await server.sessions[0]!.receive()))).toMatchObject({
    method: 'telemetry',
  })
})

test('its will tells of its end, and its goodbye does not', async () => {
  const broker = await startBroker()
  const wills: string[] = []
  const watcher = new BrokerConnection({ url: broker.url() }, { name: 'watcher' })
  running.push(() => watcher.close())
  watcher.subscribe('usmp/home/+/+/lwt', ({ topic, payload, retained }) =>
    wills.push(`${topic} ${payload.length} ${retained}`),
  )
  watcher.subscribe('usmp/home/+/+/up', ({ topic }) => wills.push(topic))
  await watcher.connected()
  const topic = 'usmp/home/03/aabbccdd0003'
  const polite = startSensor(broker.url(), id, psk)
  await eventually(() => wills.includes(`${topic}/up`), 'a HELLO')
  expect(await polite.end()).toBe(0)
  expect(wills).not.toContain(`${topic}/lwt 0 false`)
  wills.length = 0
  const killed = startSensor(broker.url(), id, psk)
  await eventually(() => wills.includes(`${topic}/up`), 'a HELLO')
  killed.signal('SIGKILL')
  await eventually(() => wills.includes(`${topic}/lwt 0 false`), 'the will')
  expect(pskFingerprint(psk, id)).toBe((await killed.says(/fingerprint of its key (\S+)/))[1])
})
