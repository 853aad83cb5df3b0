import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { deviceApi, gatewayApi } from '@usmp/gateway'
import type { Server, Session } from '@usmp/node'
import {
  keyIdOf,
  type Manifest,
  type ManifestFields,
  type OtaState,
  otaDeviceApi,
  otaGatewayApi,
  parseVersion,
  publicKeyOf,
  type SentUpdate,
  signManifest,
  type UpdateEvent,
  UpdateSender,
  VerifiedImage,
} from '@usmp/ota'
import { contract, type Peer, rpc } from '@usmp/rpc'

const WAIT = 60_000
const serves = contract({ notifications: { ...gatewayApi.notifications, ...otaGatewayApi.notifications } })
const calls = contract({ requests: { ...deviceApi.requests, ...otaDeviceApi.requests } })

export function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

/** Who signs images, with a key made of a number. */
export class Publisher {
  readonly publicKey: Uint8Array
  readonly #secretKey: Uint8Array

  constructor(number: number) {
    this.#secretKey = hashOf(Uint8Array.of(number))
    this.publicKey = publicKeyOf(this.#secretKey)
  }

  get keyId(): string {
    return keyIdOf(this.publicKey)
  }

  /** A manifest for the C sensor on this machine. */
  sign(image: Uint8Array, changes: Partial<ManifestFields> = {}): Manifest {
    const fields: ManifestFields = {
      keyId: this.keyId,
      product: 'usmp-c-sensor',
      chip: 'host',
      version: parseVersion('1.1.0'),
      counter: 1,
      leastVersion: 0,
      size: image.length,
      sha256: hashOf(image),
      notAfter: 0,
      name: '',
      revokedKeys: [],
      extensions: [],
      ...changes,
    }
    return signManifest(fields, this.#secretKey)
  }
}

/** What happens at a byte of an image: called before it is sent. */
export interface Cut {
  readonly at: number
  readonly run: () => unknown
}

/** A session with a device that takes updates, seen from the gateway. */
export class UpdateVisit {
  readonly peer: Peer<typeof calls>
  readonly session: Session
  readonly events: UpdateEvent[] = []
  readonly #sender = new UpdateSender({ onEvent: (event) => this.events.push(event) })

  constructor(session: Session) {
    this.session = session
    this.peer = rpc(session, {
      serves,
      calls,
      notifications: { telemetry: () => {}, ...this.#sender.notifications },
      onBinary: (message) => this.#sender.onBinary(message),
    })
  }

  state(): Promise<OtaState> {
    return this.peer.request('ota.state', {})
  }

  /** Resolves when the image is staged. */
  async send(image: Uint8Array, manifest: Manifest, cut?: Cut): Promise<SentUpdate> {
    let armed = false
    const read = async (offset: number, length: number) => {
      if (armed && cut && offset + length >= cut.at) await cut.run()
      return image.subarray(offset, offset + length)
    }
    const verified = await VerifiedImage.open({ size: image.length, read }, manifest)
    armed = true
    return await this.#sender.send(this.peer, { manifest, image: verified })
  }

  /** Restarts the device into the staged image. */
  async apply(manifest: Manifest): Promise<void> {
    await this.peer.request('ota.apply', { sha256: Buffer.from(manifest.sha256).toString('hex') })
  }

  /** Waits until the device has confirmed the image that it runs. */
  async confirmed(): Promise<OtaState> {
    for (const deadline = Date.now() + WAIT; ; await setTimeout(20)) {
      const state = await this.state()
      if (state.state === 'confirmed') return state
      if (Date.now() > deadline) throw new Error(`never confirmed: ${JSON.stringify(state)}`)
    }
  }
}

/** The next session of a server. */
export async function nextVisit(server: Server): Promise<UpdateVisit> {
  for await (const session of server) return new UpdateVisit(session)
  throw new Error('the server was closed')
}
