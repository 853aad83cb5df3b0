import { randomBytes } from 'node:crypto'
import { type ListenOptions, listen, type Server } from '@usmp/node'
import { type Manifest, OtaCode, parseVersion } from '@usmp/ota'
import { buildCSensorImages, CSensor, CSlots, readSensorImage, type SensorImage } from '@usmp/testing/c-programs'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { hashOf, nextVisit, Publisher, type UpdateVisit } from './update-gateway.js'

const id = 'aa:bb:cc:dd:00:05'
const psk = new Uint8Array(randomBytes(32))
const loopback = { host: '127.0.0.1', port: 0 }
const publisher = new Publisher(1)
/** Seconds that a sound image has, however busy the machine is; and that a broken one gets. */
interface Patience {
  readonly watchdog: number
  readonly confirmWithin: number
}
const long: Patience = { watchdog: 30, confirmWithin: 60 }
const short: Record<'hangs' | 'crashes' | 'mute', Patience> = {
  hangs: { ...long, watchdog: 2 },
  crashes: long,
  mute: { ...long, confirmWithin: 3 },
}
const images = new Map<SensorImage, Uint8Array>()

beforeAll(() => {
  buildCSensorImages()
  for (const name of ['old', 'new', 'hangs', 'crashes', 'mute', 'mislabelled'] as const) {
    images.set(name, readSensorImage(name))
  }
}, 600_000)

const running: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop()
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

async function startServer(options: Partial<ListenOptions> = { tcp: loopback }): Promise<Server> {
  const server = await listen({ psk: { [id]: psk }, ...options })
  running.push(() => server.close())
  return server
}

/** A sensor with two slots, at the address of a gateway. */
class Device {
  readonly slots = new CSlots('old')
  readonly #address: string
  readonly #patience: Patience
  sensor: CSensor

  constructor(address: string, patience: Patience) {
    this.#address = address
    this.#patience = patience
    this.sensor = this.#start()
    running.push(() => this.slots.remove())
  }

  /** Power off and on again. */
  async powerCut(): Promise<void> {
    await this.sensor.stop()
    this.sensor = this.#start()
  }

  #start(): CSensor {
    const { watchdog, confirmWithin } = this.#patience
    const options = [...this.slots.options(publisher.publicKey, confirmWithin), '--interval', '0.25']
    const sensor = new CSensor(this.#address, id, psk, options, [], this.slots.launcher(watchdog))
    running.push(() => sensor.stop())
    return sensor
  }
}

interface Scene {
  readonly server: Server
  readonly device: Device
  readonly visit: UpdateVisit
}

const overTcp = { where: { tcp: loopback }, to: (server: Server) => `tcp:127.0.0.1:${server.port}` }
const overUdp = {
  where: { tcp: false as const, udp: loopback },
  to: (server: Server) => `udp:127.0.0.1:${server.udpPort}`,
}

async function startScene({ where, to }: typeof overTcp | typeof overUdp = overTcp, patience = long): Promise<Scene> {
  const server = await startServer(where)
  const device = new Device(to(server), patience)
  return { server, device, visit: await nextVisit(server) }
}

/** Sends an image, restarts into it, and waits for the device to come back. */
async function update({ server, visit }: Pick<Scene, 'server' | 'visit'>, image: Uint8Array, manifest: Manifest) {
  await visit.send(image, manifest)
  await visit.apply(manifest)
  return await nextVisit(server)
}

function stateOf(device: Device): string {
  return hex(
    hashOf(Buffer.concat([device.slots.read('slot0'), device.slots.read('slot1'), device.slots.read('state')])),
  )
}

describe.each([
  ['TCP', overTcp],
  ['UDP', overUdp],
] as const)('a C device over %s', (_, carrier) => {
  test('takes an update, restarts into it, and confirms it in its first session', async () => {
    const scene = await startScene(carrier)
    expect(await scene.visit.state()).toMatchObject({
      version: '1.0.0',
      state: 'confirmed',
      rollback: false,
      counter: 0,
    })
    const image = images.get('new')!
    const manifest = publisher.sign(image, { counter: 3 })
    const visit = await update(scene, image, manifest)
    expect(await visit.confirmed()).toEqual({
      product: 'usmp-c-sensor',
      chip: 'host',
      version: '1.1.0',
      counter: 3,
      sha256: hex(manifest.sha256),
      state: 'confirmed',
      confirmWithin: null,
      rollback: true,
      keys: [publisher.keyId],
      staged: null,
      rolledBack: null,
    })
    expect(await visit.peer.request('describe', {})).toMatchObject({ firmware: { version: '1.1.0' } })
    expect(visit.events).toContainEqual({ type: 'confirmed', sha256: hex(manifest.sha256) })
    await scene.device.sensor.says(/on trial[\s\S]*the update is confirmed/)
  })
})

describe('a bad offer is refused before anything is erased', () => {
  const image = Uint8Array.from({ length: 1000 }, (_, i) => i)
  /** A manifest with a byte changed after it was signed. */
  const changed = (at: number, to: number) => {
    const { bytes } = publisher.sign(image, { extensions: [{ type: 0x10, value: image.slice(0, 4) }] })
    bytes[at] = to
    return bytes
  }
  const offers: [string, Uint8Array, number][] = [
    ['a changed byte', changed(44, 9), OtaCode.BAD_SIGNATURE],
    ['flags', changed(5, 1), OtaCode.MALFORMED],
    ['an unknown field that must be understood', changed(96, 0x90), OtaCode.MALFORMED],
    ['another key', new Publisher(2).sign(image).bytes, OtaCode.UNKNOWN_KEY],
    ['another product', publisher.sign(image, { product: 'kettle' }).bytes, OtaCode.WRONG_PRODUCT],
    ['another chip', publisher.sign(image, { chip: 'esp32c3' }).bytes, OtaCode.WRONG_CHIP],
    ['an image larger than the slot', publisher.sign(image, { size: (4 << 20) + 1 }).bytes, OtaCode.TOO_LARGE],
    [
      'a later least version',
      publisher.sign(image, { leastVersion: parseVersion('1.0.1') }).bytes,
      OtaCode.VERSION_TOO_OLD,
    ],
  ]

  test('each with its rule, and the slots are as they were', async () => {
    const { device, visit } = await startScene()
    const before = stateOf(device)
    for (const [name, bytes, code] of offers) {
      const offer = visit.peer.request('ota.offer', { manifest: Buffer.from(bytes).toString('base64url') })
      const refused = offer.then(
        () => 'taken',
        (error: { code: number }) => error.code,
      )
      expect([name, await refused]).toEqual([name, code])
    }
    expect(stateOf(device)).toBe(before)
  })
})

test('a manifest that was confirmed is refused when it is lower than the counter: a replay', async () => {
  const scene = await startScene()
  const first = publisher.sign(images.get('new')!, { counter: 1 })
  const image = images.get('mislabelled')!
  let visit = await update(scene, images.get('new')!, first)
  await visit.confirmed()
  visit = await update({ server: scene.server, visit }, image, publisher.sign(image, { counter: 2 }))
  expect(await visit.confirmed()).toMatchObject({ counter: 2 })
  await expect(visit.send(images.get('new')!, first)).rejects.toMatchObject({ deviceCode: OtaCode.DOWNGRADE })
})

test('a key is rotated and the old one revoked by an image that the old one signed', async () => {
  const next = new Publisher(3)
  const scene = await startScene()
  const image = images.get('new')!
  const transition = publisher.sign(image, { counter: 1, nextKey: next.publicKey })
  let visit = await update(scene, image, transition)
  expect((await visit.confirmed()).keys).toEqual([publisher.keyId, next.keyId])
  const other = images.get('mislabelled')!
  visit = await update(
    { server: scene.server, visit },
    other,
    next.sign(other, { counter: 1, revokedKeys: [publisher.keyId] }),
  )
  expect((await visit.confirmed()).keys).toEqual([next.keyId])
  await expect(visit.send(image, transition)).rejects.toMatchObject({ deviceCode: OtaCode.REVOKED_KEY })
})

test('an image that says another version than its manifest is told by its state', async () => {
  const scene = await startScene()
  const image = images.get('mislabelled')!
  const visit = await update(scene, image, publisher.sign(image, { version: parseVersion('1.1.0') }))
  expect(await visit.state()).toMatchObject({ version: '1.0.9', sha256: hex(hashOf(image)) })
})

describe('an image that fails goes back to the one before, and it is told', () => {
  test.each([
    ['hangs', 'hangs', /reset by the watchdog/],
    ['crashes', 'crashes', /killed by signal 6/],
    ['cannot connect', 'mute', /goes back to the image before/],
  ] as const)('one that %s', async (_, name, sign) => {
    const scene = await startScene(overTcp, short[name])
    const image = images.get(name)!
    const manifest = publisher.sign(image, { counter: 9 })
    const visit = await update(scene, image, manifest)
    const sha256 = hex(manifest.sha256)
    expect(await visit.state()).toMatchObject({
      version: '1.0.0',
      state: 'confirmed',
      counter: 0,
      rolledBack: sha256,
      rollback: true,
    })
    expect(scene.device.sensor.log).toMatch(sign)
    // The next image gets its chance, and the counter of the bad one counts for nothing.
    const good = images.get('new')!
    const after = await update({ server: scene.server, visit }, good, publisher.sign(good, { counter: 1 }))
    expect(await after.confirmed()).toMatchObject({ version: '1.1.0', counter: 1, rolledBack: null })
  })
})

describe('a transfer that is cut goes on', () => {
  test.each([{ percent: 1 }, { percent: 60 }, { percent: 99.9 }])('the session at $percent %', async ({ percent }) => {
    const { server, visit } = await startScene()
    const image = images.get('new')!
    const manifest = publisher.sign(image)
    const at = Math.ceil((image.length * percent) / 100)
    await expect(visit.send(image, manifest, { at, run: () => visit.session.close() })).rejects.toThrow()
    const again = await nextVisit(server)
    const { have, sent } = await again.send(image, manifest)
    expect(have + sent).toBeLessThan(image.length + 8 * 440)
    if (percent > 50) expect(have).toBeGreaterThan(image.length / 3)
    const visitAfter = await applyAndComeBack(server, again, manifest)
    expect(await visitAfter.confirmed()).toMatchObject({ sha256: hex(manifest.sha256) })
  })

  test('the power of the device at 60 %', async () => {
    const { server, device, visit } = await startScene()
    const image = images.get('new')!
    const manifest = publisher.sign(image)
    const cut = { at: image.length * 0.6, run: () => device.powerCut() }
    await expect(visit.send(image, manifest, cut)).rejects.toThrow()
    const again = await nextVisit(server)
    const { have } = await again.send(image, manifest)
    expect(have % 4096).toBe(0)
    expect(have).toBeGreaterThan(image.length / 4)
    const after = await applyAndComeBack(server, again, manifest)
    expect(await after.confirmed()).toMatchObject({ sha256: hex(manifest.sha256) })
  })

  test('another gateway takes over where the first one was killed', async () => {
    const { server, visit } = await startScene()
    const image = images.get('new')!
    const manifest = publisher.sign(image)
    const port = server.port!
    const cut = { at: image.length * 0.6, run: () => server.close() }
    await expect(visit.send(image, manifest, cut)).rejects.toThrow()
    const other = await startServer({ tcp: { ...loopback, port } })
    const again = await nextVisit(other)
    const { have } = await again.send(image, manifest)
    expect(have).toBeGreaterThan(image.length / 3)
    const after = await applyAndComeBack(other, again, manifest)
    expect(await after.confirmed()).toMatchObject({ sha256: hex(manifest.sha256) })
  })
})

async function applyAndComeBack(server: Server, visit: UpdateVisit, manifest: Manifest): Promise<UpdateVisit> {
  await visit.apply(manifest)
  return await nextVisit(server)
}

describe('a power cut', () => {
  test('of a device with a staged image leaves it staged', async () => {
    const { server, device, visit } = await startScene()
    const image = images.get('new')!
    const manifest = publisher.sign(image)
    await visit.send(image, manifest)
    await device.powerCut()
    const again = await nextVisit(server)
    expect(await again.state()).toMatchObject({ version: '1.0.0', state: 'confirmed', staged: hex(manifest.sha256) })
    const after = await applyAndComeBack(server, again, manifest)
    expect(await after.confirmed()).toMatchObject({ version: '1.1.0' })
  })

  test('of an image on trial goes back, and it is told', async () => {
    const { server, device, visit } = await startScene()
    const image = images.get('mute')!
    const manifest = publisher.sign(image)
    await visit.send(image, manifest)
    await visit.apply(manifest)
    await device.sensor.says(/on trial/)
    await device.powerCut()
    const again = await nextVisit(server)
    expect(await again.state()).toMatchObject({ version: '1.0.0', rolledBack: hex(manifest.sha256) })
  })

  test('of a confirmed image changes nothing', async () => {
    const scene = await startScene()
    const image = images.get('new')!
    const manifest = publisher.sign(image)
    await (await update(scene, image, manifest)).confirmed()
    await scene.device.powerCut()
    const again = await nextVisit(scene.server)
    expect(await again.state()).toMatchObject({ version: '1.1.0', state: 'confirmed', sha256: hex(manifest.sha256) })
  })
})
