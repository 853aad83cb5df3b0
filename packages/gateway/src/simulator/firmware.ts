import { createHash } from 'node:crypto'
import { type Clock, toHex, WaitQueue } from '@usmp/core'
import { formatVersion, type Manifest, MemorySlots, OtaDevice, type OtaDeviceOptions, otaDeviceApi } from '@usmp/ota'
import { contract } from '@usmp/rpc'
import { sensorApi } from './sensor-api.js'

/** What manifests for simulated sensors say. */
export const SIM_PRODUCT = 'usmp-sim-sensor'
export const SIM_CHIP = 'sim'
/** As it leaves the factory. */
const FACTORY_VERSION = '1.0.0'
/** What an image of the behaviour `wrong-version` says of itself. */
const WRONG_VERSION = '0.0.1'
/** Bytes of a slot. */
const SLOT_SIZE = 16 * 1024 * 1024
/** ms of a restart; until a watchdog ends one that hangs; until a new image must have confirmed itself. */
const RESTART_PAUSE = 1_000
const HANG = 5_000
const CONFIRM_WITHIN = 60_000

/**
 * How an image for simulated sensors behaves once it is started:
 * - `good`: it works, and confirms itself in its first session.
 * - `crashes`: it ends at its start; the boot loader goes back at the next one.
 * - `hangs`: it does nothing, until a watchdog restarts the sensor.
 * - `cannot-connect`: it runs and makes no session, so it gives itself up.
 * - `wrong-version`: it works, and says that it is version 0.0.1.
 */
export const simBehaviours = ['good', 'crashes', 'hangs', 'cannot-connect', 'wrong-version'] as const
export type SimBehaviour = (typeof simBehaviours)[number]

/**
 * An image for simulated sensors: the line `usmp-sim-sensor: BEHAVIOUR`, and filling. What has no such line is a good image.
 * @param size bytes of all of it; default: as short as it can be
 */
export function simImage(behaviour: SimBehaviour, size = 0): Uint8Array {
  const header = Buffer.from(`${SIM_PRODUCT}: ${behaviour}\n`)
  const image = new Uint8Array(Math.max(size, header.length))
  // So that two places of it differ.
  for (let at = header.length; at < image.length; at++) image[at] = (at * 31 + (at >>> 8)) & 0xff
  image.set(header)
  return image
}

function behaviourOf(image: Uint8Array): SimBehaviour {
  const [line = ''] = Buffer.from(image.subarray(0, 64)).toString('latin1').split('\n')
  return simBehaviours.find((behaviour) => line === `${SIM_PRODUCT}: ${behaviour}`) ?? 'good'
}

/** Simulated sensors that take updates. */
export interface SensorUpdates extends Pick<OtaDeviceOptions, 'keys' | 'counter' | 'mayUpdate' | 'confirmWithin'> {
  /** That it has from the factory; default 1.0.0. */
  readonly version?: string
  /** ms without a session at each restart; default 1000. */
  readonly restartPause?: number
  /** ms until a watchdog ends an image that hangs; default 5000. */
  readonly hang?: number
}

interface FirmwareOptions extends SensorUpdates {
  readonly clock: Clock
  /** The sensor goes down, for an update or to go back from one: its session has to end. */
  readonly onRestart: () => void
  /** A program runs. `onTrial`: it has to confirm itself. */
  readonly onStart: (version: string, onTrial: boolean) => void
}

/** What a simulated sensor with updates serves. */
export const updatableSensorApi = contract({ requests: { ...sensorApi.requests, ...otaDeviceApi.requests } })

/**
 * The slots, the boot loader and the running program of a simulated sensor. The sensor starts it once, makes a session only when `online`
 * resolves, and gives each session to `device`.
 */
export class SimulatedFirmware {
  readonly #options: FirmwareOptions
  readonly #slots = new MemorySlots({ slotSize: SLOT_SIZE })
  /** Versions of images that were offered, by their SHA-256. */
  readonly #versions = new Map<string, string>()
  #device: OtaDevice | undefined
  #version: string
  #online = false
  readonly #waiting = new WaitQueue()
  #ended = false
  #restarts = 0
  #timer: unknown

  constructor(options: FirmwareOptions) {
    this.#options = options
    this.#version = options.version ?? FACTORY_VERSION
  }

  /** How often a program has ended; none of its sessions outlives it. */
  get restarts(): number {
    return this.#restarts
  }

  /** Of the program that runs. */
  get version(): string {
    return this.#version
  }

  /** The program that runs; there is one whenever there is a session. */
  get device(): OtaDevice {
    return this.#device!
  }

  readonly requests: OtaDevice['requests'] = {
    'ota.state': () => this.device.requests['ota.state'](),
    'ota.offer': (params) => this.device.requests['ota.offer'](params),
    'ota.apply': (params) => this.device.requests['ota.apply'](params),
    'ota.abort': (params) => this.device.requests['ota.abort'](params),
  }

  /**
   * Resolves when the program that runs can make a session.
   * @throws UsmpError ABORTED
   */
  async online(signal: AbortSignal | undefined): Promise<void> {
    while (!this.#online) await this.#waiting.wait(signal)
  }

  /** The boot loader, and what it starts. */
  async start(): Promise<void> {
    const { keys, counter, mayUpdate, confirmWithin = CONFIRM_WITHIN, clock, hang = HANG, onStart } = this.#options
    if (this.#ended) return
    this.#slots.start()
    const image = this.#slots.runningImage
    const behaviour = behaviourOf(image)
    if (behaviour === 'crashes') return this.#startAgainIn(this.#pause)
    if (behaviour === 'hangs') return this.#startAgainIn(hang)
    this.#version = behaviour === 'wrong-version' ? WRONG_VERSION : this.#versionOf(image)
    this.#device = await OtaDevice.open({
      product: SIM_PRODUCT,
      chip: SIM_CHIP,
      version: this.#version,
      keys,
      ...(counter === undefined ? {} : { counter }),
      port: this.#slots,
      restart: () => this.#restart(),
      confirmWithin,
      clock,
      mayUpdate: (manifest) => {
        this.#remember(manifest)
        return mayUpdate?.(manifest) ?? true
      },
    })
    onStart(this.#version, this.#device.state.state === 'pending')
    this.#online = behaviour !== 'cannot-connect'
    if (this.#online) this.#waiting.resolveAll()
  }

  /** There will be no more sessions. */
  end(): void {
    this.#ended = true
    this.#device?.close()
    this.#options.clock.clearTimer(this.#timer)
  }

  #restart(): void {
    this.#device?.close()
    this.#online = false
    this.#restarts++
    this.#options.onRestart()
    this.#startAgainIn(this.#pause)
  }

  #startAgainIn(ms: number): void {
    if (!this.#ended) this.#timer = this.#options.clock.setTimer(() => void this.start(), ms)
  }

  get #pause(): number {
    return this.#options.restartPause ?? RESTART_PAUSE
  }

  #remember({ sha256, version }: Manifest): void {
    this.#versions.set(toHex(sha256), formatVersion(version))
  }

  #versionOf(image: Uint8Array): string {
    const { version = FACTORY_VERSION } = this.#options
    return this.#versions.get(createHash('sha256').update(image).digest('hex')) ?? version
  }
}
