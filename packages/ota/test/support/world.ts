import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '@usmp/core'
import { contract, type Peer, rpc } from '@usmp/rpc'
import { SimulatedClock, turns } from '@usmp/testing'
import * as v from 'valibot'
import {
  imageOf,
  type Manifest,
  type ManifestFields,
  MemorySlots,
  type MemorySlotsOptions,
  OtaDevice,
  type OtaDeviceOptions,
  otaDeviceApi,
  otaGatewayApi,
  parseVersion,
  signManifest,
  type UpdateEvent,
  UpdateSender,
  type UpdateSenderOptions,
  VerifiedImage,
} from '../../src/index.ts'
import { type Publisher, publisher } from '../publisher.ts'
import { type Link, type LinkOptions, makeLink } from './link.ts'

export const alice = publisher(1)

/** What devices of the tests serve besides updates. */
const deviceApi = contract({
  requests: { ...otaDeviceApi.requests, echo: { params: v.object({ n: v.number() }), result: v.number() } },
  notifications: { note: v.object({ n: v.number() }) },
})
export type DeviceApi = typeof deviceApi
const gatewayApi = contract({
  notifications: { ...otaGatewayApi.notifications, telemetry: v.object({ n: v.number() }) },
})
export type GatewayApi = typeof gatewayApi

/** A signed manifest for an image, for devices of {@link World}. */
export function manifestFor(image: Uint8Array, changes: Partial<ManifestFields> = {}, by: Publisher = alice): Manifest {
  const fields: ManifestFields = {
    keyId: by.keyId,
    product: 'test-sensor',
    chip: 'sim',
    version: parseVersion('1.1.0'),
    counter: 1,
    leastVersion: 0,
    size: image.length,
    sha256: sha256(image),
    notAfter: 0,
    name: '',
    revokedKeys: [],
    extensions: [],
    ...changes,
  }
  return signManifest(fields, by.secretKey)
}

export const hexOf = (image: Uint8Array): string => toHex(sha256(image))

/** One session of a {@link World}. */
export interface Meeting {
  readonly link: Link
  readonly sender: UpdateSender
  readonly gateway: Peer<DeviceApi>
  readonly device: Peer<GatewayApi>
  /** What was told at the gateway. */
  readonly events: UpdateEvent[]
  /** Numbers of `telemetry` at the gateway, and of `note` at the device, each with its time. */
  readonly telemetry: { n: number; at: number }[]
  readonly notes: { n: number; at: number }[]
}

/** A session between a device and a gateway. */
export function meet(device: OtaDevice, link: LinkOptions, sending: UpdateSenderOptions = {}): Meeting {
  const { clock } = link
  const made = makeLink(link)
  const events: UpdateEvent[] = []
  const sender = new UpdateSender({ clock, onEvent: (event) => events.push(event), ...sending })
  const telemetry: { n: number; at: number }[] = []
  const notes: { n: number; at: number }[] = []
  const gateway = rpc(made.gateway, {
    serves: gatewayApi,
    calls: deviceApi,
    notifications: { ...sender.notifications, telemetry: ({ n }) => void telemetry.push({ n, at: clock.now() }) },
    onBinary: sender.onBinary,
    clock,
  })
  const peer = rpc(made.device, {
    serves: deviceApi,
    calls: gatewayApi,
    requests: { ...device.requests, echo: ({ n }) => n },
    notifications: { note: ({ n }) => void notes.push({ n, at: clock.now() }) },
    onBinary: device.onBinary,
    clock,
  })
  device.onPeer(peer)
  return { link: made, sender, gateway, device: peer, events, telemetry, notes }
}

/** A device and its gateway on simulated time. */
export class World {
  readonly clock = new SimulatedClock()
  readonly slots: MemorySlots
  device!: OtaDevice
  /** How often the device has wanted to restart. */
  restarts = 0
  readonly faults: unknown[] = []
  readonly #options: Partial<OtaDeviceOptions>

  constructor(options: Partial<OtaDeviceOptions> & { readonly slots?: MemorySlotsOptions } = {}) {
    const { slots, ...rest } = options
    this.slots = new MemorySlots(slots)
    this.#options = rest
  }

  /** The device starts: what was in memory is gone. */
  async boot(changes: Partial<OtaDeviceOptions> = {}): Promise<OtaDevice> {
    this.device?.close()
    this.slots.start()
    this.device = await OtaDevice.open({
      product: 'test-sensor',
      chip: 'sim',
      version: '1.0.0',
      keys: [alice.publicKey],
      port: this.slots,
      restart: () => void this.restarts++,
      clock: this.clock,
      onFault: (fault) => this.faults.push(fault),
      ...this.#options,
      ...changes,
    })
    return this.device
  }

  /** A session between the device and a gateway. */
  meet(link: Partial<LinkOptions> = {}, sending: UpdateSenderOptions = {}): Meeting {
    return meet(this.device, { clock: this.clock, ...link }, sending)
  }

  /** Sends an image over a session; the outcome when it is settled. */
  async send(meeting: Meeting, image: Uint8Array, manifest = manifestFor(image), signal?: AbortSignal) {
    const verified = await VerifiedImage.open(imageOf(image), manifest)
    return this.settle(
      meeting.sender.send(meeting.gateway, { manifest, image: verified, ...(signal ? { signal } : {}) }),
    )
  }

  /** Lets time pass until a promise settles; what it gives. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const note = () => {
      settled = true
    }
    promise.then(note, note)
    await this.until(() => settled, 'a promise settles')
    return promise
  }

  /** Lets time pass until something is so, at most `limit` ms. */
  async until(condition: () => boolean, what = condition.toString(), limit = 24 * 3600_000): Promise<void> {
    const end = this.clock.now() + limit
    for (;;) {
      await turns(2)
      if (condition()) return
      if (!this.clock.step(end)) throw new Error(`in ${limit} ms of simulated time it was never so: ${what}`)
    }
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms
    do await turns(2)
    while (this.clock.step(end))
    await turns(2)
  }
}
