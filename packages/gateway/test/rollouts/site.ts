import { createHash } from 'node:crypto'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, nodeClock, type Session } from '@usmp/node'
import { joinBundle, keyIdOf, type ManifestFields, parseVersion, publicKeyOf, signManifest } from '@usmp/ota'
import { deviceNumber } from '@usmp/testing'
import { onTestFinished } from 'vitest'
import type { Image, Rollout, RolloutDevice, RolloutState, RolloutTarget } from '../../src/contract/rollouts.js'
import type { Gateway } from '../../src/gateway.js'
import type { GatewayOptions } from '../../src/options.js'
import {
  type FleetEvent,
  type SensorConnector,
  type SensorUpdates,
  SIM_CHIP,
  SIM_PRODUCT,
  type SimBehaviour,
  simImage,
  startFleet,
} from '../../src/simulator.js'
import type { OpenedStore } from '../../src/store/open.js'
import { ADMIN, newKey, OPERATOR, type TestKey, testGateway } from '../support/gateway.js'
import { temporaryFolder, temporaryStore } from '../support/temporary-store.js'

/** A publisher: what signs, and what devices trust. */
export interface Publisher {
  readonly secret: Uint8Array
  readonly key: Uint8Array
}

export function publisher(byte: number): Publisher {
  const secret = new Uint8Array(32).fill(byte)
  return { secret, key: publicKeyOf(secret) }
}

export const PUBLISHER = publisher(7)

/** A bundle for simulated sensors. */
export function bundle(
  version: string,
  behaviour: SimBehaviour = 'good',
  { by = PUBLISHER, size = 3000, ...changes }: Partial<ManifestFields> & { readonly by?: Publisher } = {},
): Uint8Array {
  const image = simImage(behaviour, size)
  // Each version is an image of its own.
  image.set(Buffer.from(version), image.length - 16)
  const fields: ManifestFields = {
    keyId: keyIdOf(by.key),
    product: SIM_PRODUCT,
    chip: SIM_CHIP,
    version: parseVersion(version),
    counter: 1,
    leastVersion: 0,
    size: image.length,
    sha256: createHash('sha256').update(image).digest(),
    notAfter: 0,
    name: `sensor ${version}`,
    revokedKeys: [],
    extensions: [],
    ...changes,
  }
  return joinBundle(signManifest(fields, by.secret), image)
}

/** Waits for what devices and gateway do in real time, with the patience that a busy machine needs. */
export async function eventually(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`it did not happen: ${condition}`)
  }
}

/** Bytes as they come from a socket: in pieces. */
export async function* streamed(bytes: Uint8Array, piece = 1500): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
}

/** A gateway on a real clock that listens on TCP, with a folder for images. */
export class Site {
  readonly gateway: Gateway
  readonly store: OpenedStore
  /** Of the images. */
  readonly folder: string
  readonly events: FleetEvent[] = []
  readonly #way: SensorConnector
  readonly #keys = new Map<string, TestKey>()

  private constructor(gateway: Gateway, store: OpenedStore, folder: string, way: SensorConnector) {
    this.gateway = gateway
    this.store = store
    this.folder = folder
    this.#way = way
  }

  static async open(options: Partial<GatewayOptions> = {}, way?: SensorConnector): Promise<Site> {
    const store = (options.store as OpenedStore | undefined) ?? (await temporaryStore())
    const folder = join(await temporaryFolder(), 'images')
    const { gateway } = await testGateway(
      { clock: nodeClock, now: Date.now, tcp: { port: 0 }, images: folder, ...options },
      store,
    )
    const [tcp] = gateway.system().listeners
    return new Site(gateway, store, folder, way ?? connectAtOnce(`usmp://${tcp!.address}`))
  }

  static copyImages(from: string, to: string): Promise<void> {
    return cp(from, to, { recursive: true })
  }

  /** Registers sensors, and starts them. @returns their ids */
  async sensors(from: number, count: number, updates: Partial<SensorUpdates> | null = {}): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, n) => deviceNumber(from + n))
    for (const id of ids) await this.register(id)
    this.start(ids, updates)
    await eventually(() => ids.every((id) => this.gateway.device(id).updates !== undefined))
    return ids
  }

  async register(id: string): Promise<void> {
    const key = newKey()
    this.#keys.set(id, key)
    await this.gateway.register(OPERATOR, { id, psk: key.hex })
  }

  /** Starts sensors that are registered. @returns ends them */
  start(ids: readonly string[], updates: Partial<SensorUpdates> | null = {}): () => Promise<void> {
    const stop = new AbortController()
    const fleet = startFleet({
      sensors: ids.map((deviceId) => ({ deviceId, psk: this.#keys.get(deviceId)!.psk })),
      interval: 5000,
      connect: this.#way.connect,
      ...(updates && { updates: { keys: [PUBLISHER.key], restartPause: 20, hang: 20, ...updates } }),
      onEvent: (event) => this.events.push(event),
      signal: stop.signal,
    })
    const end = async () => {
      stop.abort()
      await fleet.ended
    }
    onTestFinished(end)
    return end
  }

  upload(bytes: Uint8Array): Promise<Image> {
    return this.gateway.addImage(ADMIN, streamed(bytes))
  }

  /** Begins a roll-out that has no pauses but those that are asked for. */
  begin(
    image: Image,
    settings: Partial<Rollout['settings']> = {},
    target: RolloutTarget = { kind: 'all' },
  ): Promise<Rollout> {
    return this.gateway.startRollout(ADMIN, {
      image: image.id,
      target,
      settings: { canary: 1, pauseAfterCanary: false, soak: 0, waves: [100], ...settings },
    })
  }

  rollout(id: string): Rollout {
    return this.gateway.rollout(id).rollout
  }

  async untilState(id: string, state: RolloutState): Promise<Rollout> {
    await eventually(() => this.rollout(id).state === state)
    return this.rollout(id)
  }

  row(id: string, deviceId: string): RolloutDevice | undefined {
    return this.gateway.rollout(id).devices.find((device) => device.id === deviceId)
  }

  async untilRow(id: string, deviceId: string, state: RolloutDevice['state']): Promise<RolloutDevice> {
    await eventually(() => this.row(id, deviceId)?.state === state)
    return this.row(id, deviceId)!
  }

  /** What devices say that they run. */
  versions(ids: readonly string[]): (string | undefined)[] {
    return ids.map((id) => this.gateway.device(id).updates?.version)
  }
}

/** Sessions over TCP without the pauses that a fleet makes, so that a restart takes no second. */
function connectAtOnce(url: string): SensorConnector {
  return {
    async *connect({ deviceId, psk }, signal): AsyncGenerator<Session> {
      while (!signal.aborted) {
        const session = await connect(url, { deviceId, psk, signal }).catch(() => undefined)
        const close = () => void session?.close()
        signal.addEventListener('abort', close, { once: true })
        if (session) yield session
        if (signal.aborted) close()
        await session?.closed
        signal.removeEventListener('abort', close)
        await sleep(10)
      }
    },
    close: async () => {},
  }
}
