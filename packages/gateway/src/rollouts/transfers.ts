import { UsmpError } from '@usmp/core'
import { type Manifest, parseManifest, TransferError, VerifiedImage } from '@usmp/ota'
import { RpcError } from '@usmp/rpc'
import type { Image } from '../contract/rollouts.js'
import type { Link } from '../devices/link.js'
import { GatewayError } from '../errors.js'
import type { DeviceEvent } from './device-row.js'
import type { OpenImage } from './image-files.js'
import type { Images } from './images.js'

/** Transfers of a gateway at once, in all roll-outs. */
export const MAX_TRANSFERS = 32
/** ms that a device has to answer that it restarts. */
const APPLY_TIMEOUT = 20_000

/** What is told of transfers. */
export interface TransferEvents {
  readonly onEvent: (rolloutId: string, deviceId: string, event: DeviceEvent) => void
  readonly onProgress: (rolloutId: string, deviceId: string) => void
  /** The image cannot be read, or is not what it was: no device is to blame. */
  readonly onImageFault: (rolloutId: string, reason: string) => void
}

interface Transfer {
  readonly rollout: string
  readonly image: Image
  readonly link: Link
  readonly stop: AbortController
  offset: number
}

interface Prepared {
  readonly manifest: Manifest
  readonly image: VerifiedImage
  readonly file: OpenImage
}

/** Images on their way to devices, and the restarts into them: one transfer a device, on the session that it has. */
export class Transfers {
  readonly #images: Images
  readonly #events: TransferEvents
  readonly #running = new Map<string, Transfer>()
  readonly #prepared = new Map<string, { users: number; readonly image: Promise<Prepared> }>()
  /** By roll-out and device: how far a device was when it lost its session. */
  readonly #furthest = new Map<string, number>()

  constructor(images: Images, events: TransferEvents) {
    this.#images = images
    this.#events = events
  }

  get running(): number {
    return this.#running.size
  }

  /** Bytes that a device has; null without a transfer. */
  offsetOf(rolloutId: string, deviceId: string): number | null {
    const transfer = this.#running.get(deviceId)
    return transfer?.rollout === rolloutId ? transfer.offset : null
  }

  /** A device says how far it is with an image, which need not be the one that it gets. */
  onProgress(deviceId: string, link: Link, { sha256, offset }: { sha256: string; offset: number }): void {
    const transfer = this.#running.get(deviceId)
    if (transfer?.link !== link || transfer.image.sha256 !== sha256 || offset <= transfer.offset) return
    if (transfer.offset === 0) this.#events.onEvent(transfer.rollout, deviceId, { type: 'taken' })
    transfer.offset = offset
    this.#events.onProgress(transfer.rollout, deviceId)
  }

  /** Offers an image to a device, and sends it. What comes of it is told by events. */
  start(rolloutId: string, deviceId: string, link: Link, image: Image): void {
    const transfer: Transfer = { rollout: rolloutId, image, link, stop: new AbortController(), offset: 0 }
    this.#running.set(deviceId, transfer)
    void this.#run(deviceId, transfer).then((event) => {
      if (this.#running.get(deviceId) === transfer) this.#running.delete(deviceId)
      if (event && !transfer.stop.signal.aborted) this.#events.onEvent(rolloutId, deviceId, event)
    })
  }

  /** Ends the transfer to a device; it keeps what it has. */
  stop(rolloutId: string, deviceId: string): void {
    const transfer = this.#running.get(deviceId)
    if (transfer?.rollout !== rolloutId) return
    this.#running.delete(deviceId)
    transfer.stop.abort()
  }

  /** Lets a device restart into the image. Whether it has is seen when it is back. */
  async apply(rolloutId: string, deviceId: string, link: Link, { sha256 }: Image): Promise<void> {
    try {
      await link.peer.request('ota.apply', { sha256 }, { timeout: APPLY_TIMEOUT })
    } catch (error) {
      if (!(error instanceof RpcError)) return
      const { code, message } = error
      this.#events.onEvent(rolloutId, deviceId, { type: 'failed', code, reason: `refused to restart: ${message}` })
    }
  }

  /** A roll-out is over: what was remembered of it goes. */
  forget(rolloutId: string): void {
    for (const key of this.#furthest.keys()) if (key.startsWith(`${rolloutId}/`)) this.#furthest.delete(key)
  }

  close(): void {
    for (const { stop } of this.#running.values()) stop.abort()
    this.#running.clear()
  }

  /** @returns what has become of the device; undefined if it is not to blame */
  async #run(deviceId: string, transfer: Transfer): Promise<DeviceEvent | undefined> {
    const { rollout, image, link, stop } = transfer
    let prepared: Prepared
    try {
      prepared = await this.#prepare(image)
    } catch (error) {
      return this.#onImageFault(rollout, error)
    }
    try {
      const { manifest, image: verified } = prepared
      await link.updates.send(link.peer, { manifest, image: verified, signal: stop.signal })
      return { type: 'staged' }
    } catch (error) {
      if (error instanceof TransferError && (error.code === 'IMAGE_CHANGED' || error.code === 'IMAGE_UNREADABLE')) {
        return this.#onImageFault(rollout, error)
      }
      return this.#eventOf(error, `${rollout}/${deviceId}`, transfer.offset)
    } finally {
      await this.#release(image.id)
    }
  }

  #eventOf(error: unknown, key: string, offset: number): DeviceEvent | undefined {
    if (error instanceof TransferError) {
      // What the device has said itself, where it did.
      const reason = error.cause instanceof Error ? error.cause.message : error.message
      return { type: 'failed', code: error.deviceCode ?? error.code, reason }
    }
    const { code, message } = error instanceof UsmpError ? error : { code: 'INTERNAL', message: String(error) }
    if (code === 'ABORTED') return undefined
    if (code === 'REQUEST_TIMEOUT') return { type: 'failed', code, reason: 'did not answer the offer' }
    if (code === 'INVALID_RESPONSE' || code === 'INTERNAL') return { type: 'failed', code, reason: message }
    const progressed = offset > (this.#furthest.get(key) ?? 0)
    this.#furthest.set(key, Math.max(offset, this.#furthest.get(key) ?? 0))
    return { type: 'lost', progressed }
  }

  #onImageFault(rolloutId: string, error: unknown): DeviceEvent {
    const { message } = error instanceof Error ? error : { message: String(error) }
    const hint = error instanceof GatewayError || error instanceof TransferError ? error.hint : null
    this.#events.onImageFault(rolloutId, hint ? `${message}. ${hint}` : message)
    return { type: 'stopped' }
  }

  /** Opens and checks an image; those who need it at the same time share it. */
  #prepare(image: Image): Promise<Prepared> {
    let entry = this.#prepared.get(image.id)
    if (!entry) {
      entry = { users: 0, image: this.#open(image) }
      this.#prepared.set(image.id, entry)
      const made = entry
      made.image.catch(() => {
        if (this.#prepared.get(image.id) === made) this.#prepared.delete(image.id)
      })
    }
    entry.users++
    return entry.image
  }

  async #open(image: Image): Promise<Prepared> {
    const manifest = parseManifest(await this.#images.manifest(image))
    const file = await this.#images.open(image)
    try {
      return { manifest, file, image: await VerifiedImage.open(file, manifest) }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async #release(imageId: string): Promise<void> {
    const entry = this.#prepared.get(imageId)
    if (!entry || --entry.users > 0) return
    this.#prepared.delete(imageId)
    const { file } = await entry.image
    await file.close().catch(() => {})
  }
}
