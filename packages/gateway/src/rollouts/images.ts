import { toHex } from '@usmp/core'
import { assertPublisherKey, formatVersion, keyIdOf, type Manifest, verifyManifest } from '@usmp/ota'
import type { Actor } from '../actor.js'
import { type Image, MAX_BUNDLE } from '../contract/rollouts.js'
import type { AuditedCommands } from '../devices/audited.js'
import { GatewayError } from '../errors.js'
import type { AuditEvent, Entry, Registry } from '../store/registry.js'
import type { GatewayTime } from '../time.js'
import { ImageFiles, type OpenImage, type ReceivedBundle } from './image-files.js'
import type { ImageRecord } from './records.js'

/** Images that are kept, and bytes of all of them. */
export const MAX_IMAGES = 64
const MAX_TOTAL = 16 * MAX_BUNDLE
/** Bundles that come at once. */
const MAX_UPLOADS = 2

/** Options of {@link Images}. */
export interface ImagesOptions {
  readonly registry: Registry<ImageRecord>
  readonly commands: AuditedCommands
  readonly time: GatewayTime
  /** Undefined: the gateway keeps no images. */
  readonly folder: string | undefined
  /** Public keys of publishers, 32 bytes each. With any, images of others are refused. */
  readonly publisherKeys: readonly Uint8Array[]
  /** Whether a roll-out needs this image. */
  readonly isUsed: (id: string) => boolean
  /** Does something while no roll-out begins. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>
  readonly onChange: () => void
}

/**
 * The signed images: a record each, and their files. It checks signatures for people's sake, so that a wrong file is noticed when it is
 * uploaded; a device never trusts it.
 */
export class Images {
  readonly #options: ImagesOptions
  readonly #files: ImageFiles | undefined
  readonly #keys: ReadonlyMap<string, Uint8Array>
  readonly #entries = new Map<string, Entry<ImageRecord>>()
  #uploads = 0

  /** @throws UsmpError INVALID_ARGUMENT for a key that is none */
  constructor(options: ImagesOptions) {
    for (const key of options.publisherKeys) assertPublisherKey(key)
    this.#options = options
    this.#files = options.folder === undefined ? undefined : new ImageFiles(options.folder)
    this.#keys = new Map(options.publisherKeys.map((key) => [keyIdOf(key), key]))
  }

  /** Reads all records. @throws GatewayError STORE_FAILED */
  async load(): Promise<void> {
    await this.#files?.sweep()
    for (const entry of await this.#options.registry.list()) this.#entries.set(entry.id, entry)
  }

  /** Newest first. */
  get all(): readonly Image[] {
    const images = [...this.#entries.values()].map(({ id, value }) => ({ id, ...value }))
    return images.sort((a, b) => b.addedAt - a.addedAt || (a.id < b.id ? -1 : 1))
  }

  /** @throws GatewayError NOT_FOUND, WRONG_STATE if the gateway keeps none */
  get(id: string): Image {
    this.#folder()
    const entry = this.#entries.get(id)
    if (!entry) throw new GatewayError('NOT_FOUND', 'There is no such image.', { hint: 'Upload it first.' })
    return { id, ...entry.value }
  }

  /**
   * Takes a bundle; see `Operations.addImage`.
   * @throws GatewayError INVALID, TOO_LARGE, TOO_MANY, WRONG_STATE, FORBIDDEN, STORE_FAILED; what `bundle` throws
   */
  add(actor: Actor, bundle: AsyncIterable<Uint8Array>): Promise<Image> {
    const command = { action: 'image.add', object: '', role: 'admin' } as const
    return this.#options.commands.change(actor, command, async (event) => {
      const files = this.#folder()
      if (this.#uploads >= MAX_UPLOADS) {
        throw new GatewayError('TOO_MANY', 'Other images are uploaded now.', { hint: 'Wait for them.', retryAfter: 5 })
      }
      this.#uploads++
      try {
        const received = await files.receive(atMost(bundle, MAX_BUNDLE))
        return await this.#take(actor, received, event).finally(received.drop)
      } finally {
        this.#uploads--
      }
    })
  }

  /** @throws GatewayError NOT_FOUND, WRONG_STATE, FORBIDDEN, STORE_FAILED */
  remove(actor: Actor, id: string): Promise<void> {
    const command = { action: 'image.remove', object: id, role: 'admin' } as const
    return this.#options.commands.change(actor, command, (event) =>
      this.#options.exclusively(() => this.#remove(id, event)),
    )
  }

  /**
   * Opens the bytes of an image. Who reads them checks them against its hash.
   * @throws GatewayError NOT_FOUND, WRONG_STATE, STORE_FAILED
   */
  open({ id, size }: Image): Promise<OpenImage> {
    return this.#folder().open(id, size)
  }

  /**
   * The signed manifest of an image, as devices are to get it.
   * @throws GatewayError NOT_FOUND, WRONG_STATE, STORE_FAILED if the file is gone or is another one
   */
  manifest({ id, size }: Image): Promise<Uint8Array> {
    return this.#folder().manifest(id, size)
  }

  async #remove(id: string, event: AuditEvent): Promise<void> {
    const { name, version } = this.get(id)
    if (this.#options.isUsed(id)) {
      throw new GatewayError('WRONG_STATE', 'A roll-out needs this image.', {
        hint: 'Abort the roll-out, or start another one for its devices; then remove the image.',
      })
    }
    const { rev } = this.#entries.get(id)!
    await this.#options.registry.cas(id, rev, null, { ...event, detail: `${name || 'without a name'} ${version}` })
    this.#entries.delete(id)
    this.#options.onChange()
    await this.#folder().remove(id)
  }

  async #take(actor: Actor, received: ReceivedBundle, event: AuditEvent): Promise<Image> {
    const { id, manifest } = received
    const verified = this.#check(manifest)
    const before = this.#entries.get(id)
    if (!before) await this.#checkRoom(manifest)
    await received.keep()
    const value = before?.value ?? this.#recordOf(actor, manifest, verified)
    if (before && before.value.verified === verified) return { id, ...value }
    // The file is durable before its record is; a file without a record is harmless, and taken over when it is uploaded again.
    const detail = `${manifest.name || 'without a name'} ${value.version} for ${value.product}, ${value.chip}, key ${value.keyId}`
    const stored = { ...event, object: id, detail }
    const entry = await this.#options.registry.cas(id, before?.rev ?? 0, { ...value, verified }, stored)
    this.#entries.set(id, entry)
    this.#options.onChange()
    return { id, ...entry.value }
  }

  /** @returns whether it is known that the publisher has signed it */
  #check(manifest: Manifest): boolean {
    if (this.#keys.size === 0) return false
    const key = this.#keys.get(manifest.keyId)
    if (!key) {
      throw new GatewayError(
        'INVALID',
        `The key ${manifest.keyId}, which has signed this image, is none of the publishers here.`,
        {
          hint: 'Start the gateway with its public key: `usmp gateway --publisher-key FILE`. If you do not know the key, do not trust the image.',
        },
      )
    }
    if (verifyManifest(manifest, key)) return true
    throw new GatewayError(
      'INVALID',
      'The signature of this image is wrong: its manifest was changed after it was signed.',
      {
        hint: 'Get the file from its publisher again.',
      },
    )
  }

  async #checkRoom({ size }: Manifest): Promise<void> {
    const kept = this.all.reduce((sum, image) => sum + image.size, 0)
    if (this.#entries.size < MAX_IMAGES && kept + size <= MAX_TOTAL) return
    throw new GatewayError(
      'WRONG_STATE',
      `The gateway keeps ${MAX_IMAGES} images of ${MAX_TOTAL >> 20} MiB in all, and has no room.`,
      {
        hint: 'Remove images that you do not need any more.',
      },
    )
  }

  #recordOf(actor: Actor, manifest: Manifest, verified: boolean): ImageRecord {
    const { product, chip, counter, size, name, keyId } = manifest
    return {
      sha256: toHex(manifest.sha256),
      size,
      product,
      chip,
      version: formatVersion(manifest.version),
      counter,
      leastVersion: formatVersion(manifest.leastVersion),
      name,
      keyId,
      verified,
      addedAt: this.#options.time.now(),
      addedBy: actor.name,
    }
  }

  /** @throws GatewayError WRONG_STATE */
  #folder(): ImageFiles {
    if (this.#files) return this.#files
    throw new GatewayError('WRONG_STATE', 'This gateway keeps no images.', {
      hint: 'A program that embeds it has to name a folder for them (`images`).',
    })
  }
}

/** @throws GatewayError TOO_LARGE */
async function* atMost(bundle: AsyncIterable<Uint8Array>, max: number): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0
  for await (const chunk of bundle) {
    size += chunk.length
    if (size > max) throw new GatewayError('TOO_LARGE', `A bundle has at most ${max} bytes.`)
    yield chunk
  }
}
