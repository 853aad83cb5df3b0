import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Actor,
  type Gateway,
  type GatewayOptions,
  type HttpServer,
  type OpenedStore,
  openStore,
  startGateway,
  startHttp,
} from '@usmp/gateway'
import {
  connectDirectly,
  type Fleet,
  type Place,
  type SensorUpdates,
  SIM_CHIP,
  SIM_PRODUCT,
  type SimBehaviour,
  simImage,
  startFleet,
} from '@usmp/gateway/simulator'
import { joinBundle, keyIdOf, parseVersion, publicKeyOf, signManifest } from '@usmp/ota'

export const USER = 'ada'
export const PASSWORD = 'correct horse battery'
const ADMIN: Actor = { name: USER, role: 'admin' }
/** ms between two values of a sensor. */
const INTERVAL = 300

/** A key of a device, as bytes and as people type it. */
export interface Key {
  readonly psk: Uint8Array
  readonly hex: string
}

export function newKey(): Key {
  const psk = new Uint8Array(randomBytes(32))
  return { psk, hex: Buffer.from(psk).toString('hex') }
}

/** Who signs images in the tests. */
const PUBLISHER = new Uint8Array(32).fill(7)
export const PUBLISHER_KEY = publicKeyOf(PUBLISHER)

/** A bundle for simulated sensors: a signed manifest with an image behind it. */
export function bundle(version: string, behaviour: SimBehaviour = 'good'): Buffer {
  const image = simImage(behaviour, 20_000)
  // Each version is an image of its own.
  image.set(Buffer.from(version), image.length - 16)
  const fields = {
    keyId: keyIdOf(PUBLISHER_KEY),
    product: SIM_PRODUCT,
    chip: SIM_CHIP,
    version: parseVersion(version),
    counter: 1,
    leastVersion: 0,
    size: image.length,
    sha256: createHash('sha256').update(image).digest(),
    notAfter: 0,
    name: `Sensor ${version}`,
    revokedKeys: [],
    extensions: [],
  }
  return Buffer.from(joinBundle(signManifest(fields, PUBLISHER), image))
}

type StoreListener = (reason: string | null) => void
type MinuteOfReading = Parameters<OpenedStore['telemetry']['write']>[0][number]['minute']

/** A simulated sensor that a test switches off. */
export interface Sensor {
  off(): Promise<void>
}

/** A real gateway with its HTTP server, in the process of the test. */
export class World {
  readonly gateway: Gateway
  readonly #store: OpenedStore
  readonly #folder: string
  readonly #sensors = new Set<Sensor>()
  #http: HttpServer
  /** ms that the clock of the server for pages is ahead. */
  #ahead = 0

  readonly #storeListeners: Set<StoreListener>

  private constructor(
    gateway: Gateway,
    store: OpenedStore,
    folder: string,
    http: HttpServer,
    listeners: Set<StoreListener>,
  ) {
    this.gateway = gateway
    this.#store = store
    this.#folder = folder
    this.#http = http
    this.#storeListeners = listeners
  }

  static async start(options: Partial<GatewayOptions> = {}): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'usmp-page-'))
    const store = await openStore(folder)
    const listeners = new Set<StoreListener>()
    store.onState = (listener) => listeners.add(listener)
    const images = join(folder, 'images')
    const gateway = await startGateway({ store, images, tcp: { host: '127.0.0.1', port: 0 }, ...options })
    const http = await serve(gateway, store, folder, 0, () => Date.now())
    return new World(gateway, store, folder, http, listeners)
  }

  get url(): string {
    return this.#http.url
  }

  /** Makes the first user without a page. */
  async setUp(): Promise<void> {
    const token = this.setupUrl.split('#')[1]
    const answer = await fetch(`${this.url}/api/setup`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: this.url },
      body: JSON.stringify({ token, name: USER, password: PASSWORD }),
    })
    if (!answer.ok) throw new Error(await answer.text())
  }

  get setupUrl(): string {
    return this.#http.setupUrl!
  }

  /** Switches a sensor on. It knocks until it is let in, and comes back whenever it is cut off. */
  sensor(deviceId: string, { psk }: Key, place: Place = 'Greenhouse sensor', updates?: SensorUpdates): Sensor {
    const abort = new AbortController()
    const { address } = this.gateway.system().listeners.find(({ carrier }) => carrier === 'tcp')!
    const fleet: Fleet = startFleet({
      sensors: [{ deviceId, psk, place }],
      interval: INTERVAL,
      connect: connectDirectly(`usmp://${address}`).connect,
      ...(updates ? { updates } : {}),
      signal: abort.signal,
    })
    const sensor = {
      off: async () => {
        this.#sensors.delete(sensor)
        abort.abort()
        await fleet.ended
      },
    }
    this.#sensors.add(sensor)
    return sensor
  }

  openJoin(): Promise<unknown> {
    return this.gateway.openJoin(ADMIN, { minutes: 15 })
  }

  /** A sensor that is registered already. */
  async known(deviceId: string, name: string, place?: Place): Promise<Sensor> {
    const key = newKey()
    await this.gateway.register(ADMIN, { id: deviceId, psk: key.hex, name })
    return this.sensor(deviceId, key, place)
  }

  /** A sensor that is registered already, and takes updates that {@link bundle} has signed. */
  async updatable(deviceId: string, name: string): Promise<Sensor> {
    const key = newKey()
    await this.gateway.register(ADMIN, { id: deviceId, psk: key.hex, name })
    return this.sensor(deviceId, key, undefined, { keys: [PUBLISHER_KEY], restartPause: 20, hang: 20 })
  }

  /** Gives a device a past. */
  remember(history: string, reading: string, minutes: readonly MinuteOfReading[]): Promise<void> {
    return this.#store.telemetry.write(minutes.map((minute) => ({ history, reading, minute })))
  }

  /** The gateway hears from its store that nothing can be written, for a reason, or, with null, that all is well again. */
  tellStore(reason: string | null): void {
    for (const listener of this.#storeListeners) listener(reason)
  }

  importDevices(csv: string): Promise<unknown> {
    return this.gateway.importDevices(ADMIN, { csv })
  }

  /** The server is gone, and the gateway lives on. */
  stopHttp(): Promise<void> {
    return this.#http.close()
  }

  /** The server is back where it was. */
  async startHttp(): Promise<void> {
    const port = Number(new URL(this.#http.url).port)
    this.#http = await serve(this.gateway, this.#store, this.#folder, port, () => Date.now() + this.#ahead)
  }

  /** The server is away for a moment, and then finds that so much time has gone by. */
  async passTime(ms: number): Promise<void> {
    this.#ahead += ms
    await this.stopHttp()
    await this.startHttp()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sensors].map((sensor) => sensor.off()))
    await this.#http.close()
    await this.gateway.close()
    await this.#store.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

function serve(
  operations: Gateway,
  store: OpenedStore,
  folder: string,
  port: number,
  now: () => number,
): Promise<HttpServer> {
  return startHttp({ operations, store, folder, port, now, passwordCost: 4 })
}
