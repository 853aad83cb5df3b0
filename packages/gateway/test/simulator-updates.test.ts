import { createHash } from 'node:crypto'
import { listen } from '@usmp/node'
import {
  imageOf,
  keyIdOf,
  type ManifestFields,
  OtaCode,
  otaGatewayApi,
  parseVersion,
  publicKeyOf,
  signManifest,
  TransferError,
  type UpdateEvent,
  UpdateSender,
  VerifiedImage,
} from '@usmp/ota'
import { contract, rpc } from '@usmp/rpc'
import { deviceNumber, PSK, until } from '@usmp/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { deviceApi, gatewayApi } from '../src/device-api.ts'
import { updatableSensorApi } from '../src/simulator/firmware.ts'
import {
  connectDirectly,
  type FleetEvent,
  type SensorUpdates,
  SIM_CHIP,
  SIM_PRODUCT,
  type SimBehaviour,
  simBehaviours,
  simImage,
  startFleet,
} from '../src/simulator.ts'

const SECRET = new Uint8Array(32).fill(7)
const KEY = publicKeyOf(SECRET)

function manifestFor(image: Uint8Array, changes: Partial<ManifestFields> = {}) {
  const fields: ManifestFields = {
    keyId: keyIdOf(KEY),
    product: SIM_PRODUCT,
    chip: SIM_CHIP,
    version: parseVersion('1.1.0'),
    counter: 1,
    leastVersion: 0,
    size: image.length,
    sha256: createHash('sha256').update(image).digest(),
    notAfter: 0,
    name: '',
    revokedKeys: [],
    extensions: [],
    ...changes,
  }
  return signManifest(fields, SECRET)
}

/** A gateway that keeps the latest session of one sensor. */
async function sensor(updates: Partial<SensorUpdates> | undefined) {
  const server = await listen({ tcp: { host: '127.0.0.1', port: 0 }, psk: () => PSK })
  const stop = new AbortController()
  const told: UpdateEvent[] = []
  const events: FleetEvent[] = []
  const running = startFleet({
    sensors: [{ deviceId: deviceNumber(1), psk: PSK }],
    interval: 20,
    connect: connectDirectly(`usmp://${server.address}`).connect,
    // Long enough for a session on a busy machine, except where none comes.
    ...(updates ? { updates: { keys: [KEY], restartPause: 5, hang: 5, ...updates } } : {}),
    onEvent: (event) => events.push(event),
    signal: stop.signal,
  })
  onTestFinished(async () => {
    stop.abort()
    await running.ended
    await server.close()
  })
  const sessions = server[Symbol.asyncIterator]()
  const next = async () => {
    const { value: session } = await sessions.next()
    if (!session) throw new Error('no session came')
    const sender = new UpdateSender({ onEvent: (event) => told.push(event) })
    const peer = rpc(session, {
      serves: contract({ notifications: { ...gatewayApi.notifications, ...otaGatewayApi.notifications } }),
      calls: contract({ requests: { ...updatableSensorApi.requests, ...deviceApi.requests } }),
      notifications: sender.notifications,
      onBinary: sender.onBinary,
    })
    return { session, sender, peer }
  }
  return { next, told, events }
}

const send = async (
  { sender, peer }: Awaited<ReturnType<Awaited<ReturnType<typeof sensor>>['next']>>,
  image: Uint8Array,
) => {
  const manifest = manifestFor(image)
  return sender.send(peer, { manifest, image: await VerifiedImage.open(imageOf(image), manifest) })
}

describe('a simulated sensor with updates', () => {
  test.each<[SimBehaviour, string, string, boolean]>([
    ['good', 'confirmed', '1.1.0', false],
    ['wrong-version', 'confirmed', '0.0.1', false],
    ['crashes', 'confirmed', '1.0.0', true],
    ['hangs', 'confirmed', '1.0.0', true],
    ['cannot-connect', 'confirmed', '1.0.0', true],
  ])('%s: ends as %s with version %s', async (behaviour, state, version, goesBack) => {
    const { next, told, events } = await sensor(behaviour === 'cannot-connect' ? { confirmWithin: 50 } : {})
    const first = await next()
    const image = simImage(behaviour, 20_000)
    const sha256 = createHash('sha256').update(image).digest('hex')
    await send(first, image)
    await first.peer.request('ota.apply', { sha256 })
    const { peer } = await next()
    if (goesBack)
      expect(await peer.request('ota.state', {})).toMatchObject({ state, version, rolledBack: sha256, counter: 0 })
    else {
      await until(() => told.some(({ type }) => type === 'confirmed'))
      expect(await peer.request('ota.state', {})).toMatchObject({
        state,
        version,
        sha256,
        rolledBack: null,
        counter: 1,
      })
    }
    expect((await peer.request('describe', {})).firmware).toEqual({ product: SIM_PRODUCT, version, chip: SIM_CHIP })
    expect(events.filter(({ type }) => type === 'restart')).toHaveLength(behaviour === 'cannot-connect' ? 2 : 1)
    expect(events).toContainEqual({ deviceId: deviceNumber(1), type: 'started', version, onTrial: !goesBack })
  })

  test('a session that comes while it restarts is none of the new program', async () => {
    const { next, told, events } = await sensor({ restartPause: 2_000 })
    const first = await next()
    const image = simImage('good', 2_000)
    await send(first, image)
    await first.peer.request('ota.apply', { sha256: createHash('sha256').update(image).digest('hex') })
    // The sensor looks for a new session before it restarts.
    await first.session.close()
    void next().then(next, () => {})
    await until(() => told.some(({ type }) => type === 'confirmed'), 'the confirmation', 50_000)
    expect(events.filter(({ type }) => type === 'restart')).toHaveLength(1)
  })

  test('each behaviour has an image, and what has no header is a good one', () => {
    const heads = simBehaviours.map((behaviour) => Buffer.from(simImage(behaviour)).toString())
    expect(heads).toEqual(simBehaviours.map((behaviour) => `usmp-sim-sensor: ${behaviour}\n`))
    expect(simImage('good', 5000)).toHaveLength(5000)
  })

  test('refuses what its key has not signed, and one without updates refuses all', async () => {
    const image = simImage('good')
    const strict = await sensor({ keys: [publicKeyOf(new Uint8Array(32).fill(8))] })
    const refused = await send(await strict.next(), image).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(TransferError)
    expect(refused).toMatchObject({ code: 'REFUSED', deviceCode: OtaCode.UNKNOWN_KEY })
    const plain = await sensor(undefined)
    expect(await send(await plain.next(), image).catch((error: unknown) => error)).toMatchObject({ code: 'NO_UPDATES' })
  })
})
