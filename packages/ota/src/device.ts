import { sha256 } from '@noble/hashes/sha2.js'
import { type Abortable, type Clock, equalBytes, systemClock, toHex, type UsmpError } from '@usmp/core'
import {
  callback,
  checkOptions,
  clock,
  hasMethods,
  integer,
  isObject,
  type OptionRule,
  period,
  type TableOf,
  text,
} from '@usmp/core/options'
import { RpcError } from '@usmp/rpc'
import { OtaCode, type OtaState } from './contract.js'
import type { DevicePort, Slot } from './device-port.js'
import { type DeviceRecord, decodeRecord, encodeRecord, type ImageRecord } from './device-record.js'
import { OtaError, otaCodeName } from './errors.js'
import { judgeManifest } from './judge.js'
import { type Manifest, parseManifest } from './manifest.js'
import { assertPublisherKey, keyIdOf } from './publisher-key.js'
import { ImagePull } from './pull.js'
import { parseTransferMessage } from './transfer-messages.js'
import { applyConfirmed, MAX_TRUSTED_KEYS } from './trust-record.js'
import { formatVersion, parseVersion } from './version.js'

/** A transfer goes on at a multiple of it. */
const SECTOR = 4096
/** How often the record notes how far a transfer is, bytes: so much may come again after a power cut. */
const DEFAULT_RECORD_STEP = 64 * 1024
/** How long an image may be on trial, ms. */
const CONFIRM_WITHIN = 300_000
/** Chunks under way. */
const WINDOW = 8
/** ms between two notifications of progress. */
const PROGRESS_PAUSE = 1_000
/** ms in which the answer to `ota.apply` leaves. */
const RESTART_DELAY = 250
/** Bytes that are read at once when the image is proven. */
const READ_SIZE = 16 * 1024
/** Failures of the storage for one image, after which it is refused until the next start. */
const MAX_FLASH_FAILURES = 2
/** Offers and the like that wait for each other. */
const MAX_WAITING = 4
const NO_HASH = '0'.repeat(64)

/** What the device needs of a peer: a `Peer` of @usmp/rpc whose `calls` contain `otaGatewayApi`. */
export interface DevicePeer {
  tryNotify(method: 'ota.progress', params: { sha256: string; offset: number }): boolean
  notify(method: 'ota.staged' | 'ota.confirmed', params: { sha256: string }): Promise<void>
  notify(method: 'ota.failed', params: { sha256: string; code: number; reason: string }): Promise<void>
  sendBinary(message: Uint8Array, options?: Abortable): Promise<void>
  readonly closed: Promise<UsmpError>
}

/** Options of {@link OtaDevice.open}. */
export interface OtaDeviceOptions {
  /** 1 to 16 printable ASCII characters, as in manifests. */
  readonly product: string
  /** The chip or board: 1 to 8. */
  readonly chip: string
  /** Of the program that runs: `1.2.3`. */
  readonly version: string
  /** Public keys of publishers, 32 bytes each, 1 to 3: trusted until there is a record. Later ones come by updates. */
  readonly keys: readonly Uint8Array[]
  /** Security counter until there is a record; default 0. */
  readonly counter?: number
  readonly port: DevicePort
  /** Ends the program, so that the boot loader starts what it was told. Called once, after the answer to `ota.apply` has left. */
  readonly restart: () => void
  /** The application's veto, asked last and before the restart: battery, motion, memory. */
  readonly mayUpdate?: (manifest: Manifest) => boolean
  /** Whether a new image works, asked once after its start. False, or a fault: the device goes back at once. Default: it does. */
  readonly selfTest?: () => boolean | Promise<boolean>
  /** Days since 2020-01-01 by a clock that can be trusted (`dayOf`), undefined while it is not known. */
  readonly today?: () => number | undefined
  /** ms that a new image has, from `open`, to make a session and pass its self-test; default 300000. */
  readonly confirmWithin?: number
  /** Chunks under way at most, 1 to 64; default 8. */
  readonly window?: number
  /** Bytes after which the record notes how far a transfer is, a multiple of 4096; default 65536. */
  readonly recordStep?: number
  readonly clock?: Clock
  /** Told what no answer tells: faults of the port and of functions of the application. */
  readonly onFault?: (fault: unknown) => void
}

const required = (rule: OptionRule): OptionRule => ({ ...rule, required: true })

/** Of {@link OtaDevice.open}. */
export const deviceTable: TableOf<OtaDeviceOptions> = {
  product: required(text),
  chip: required(text),
  version: required(text),
  keys: required({
    expected: `a list of 1 to ${MAX_TRUSTED_KEYS} public keys`,
    fits: (value) => Array.isArray(value) && value.length >= 1 && value.length <= MAX_TRUSTED_KEYS,
  }),
  counter: integer(0, 0xffff_ffff),
  port: required({ expected: 'a DevicePort', fits: (value) => isObject(value) && hasMethods(value, 'begin', 'store') }),
  restart: required(callback),
  mayUpdate: callback,
  selfTest: callback,
  today: callback,
  confirmWithin: period,
  window: integer(1, 64),
  recordStep: {
    expected: `a multiple of ${SECTOR}`,
    fits: (value) => typeof value === 'number' && value > 0 && value % SECTOR === 0,
  },
  clock,
  onFault: callback,
}

/** An image that is received now. */
interface Download {
  readonly manifest: Manifest
  readonly sha256: string
  readonly slot: number
  /** The session that brings it; undefined while it is proven, or between sessions. */
  pull: ImagePull | undefined
  /** Everything is written, and its hash is computed. */
  proving: boolean
}

/**
 * The device's end of updates: judges manifests, pulls images into the other slot, proves them there, starts them on trial, confirms them.
 *
 * A program opens it at its start. Then each session gets `requests` and `onBinary`, and is told by `onPeer`:
 * `rpc(session, { serves: otaDeviceApi, calls: otaGatewayApi, requests: device.requests, onBinary: device.onBinary })`.
 *
 * The device owns its record, and alone decides what the port does. Whatever a gateway says, it must never erase before every check of the
 * manifest has passed, take bytes outside of the image, stage bytes whose SHA-256 is not that of the manifest, start what is not staged,
 * or confirm before the new image has had a session and passed its self-test.
 */
export class OtaDevice {
  readonly #options: OtaDeviceOptions
  readonly #port: DevicePort
  readonly #clock: Clock
  #record: DeviceRecord
  #running: Slot
  #other: Slot
  /** Whether the running image waits for its confirmation, and until when. */
  #trialUntil: number | undefined
  #selfTested = false
  #restarting = false
  /** Why updates are refused: the record or the slots could not be read. */
  #broken: boolean
  #peer: DevicePeer | undefined
  #download: Download | undefined
  #progressAt = Number.NEGATIVE_INFINITY
  #flashFailures = { sha256: '', count: 0 }
  /** What works on the port or the record: one after another. */
  #queue: Promise<unknown> = Promise.resolve()
  #waiting = 0
  readonly #timers = new Set<unknown>()
  #closed = false

  private constructor(
    options: OtaDeviceOptions,
    start: { record: DeviceRecord; running: Slot; other: Slot; broken: boolean },
  ) {
    this.#options = options
    this.#port = options.port
    this.#clock = options.clock ?? systemClock
    this.#record = start.record
    this.#running = start.running
    this.#other = start.other
    this.#broken = start.broken
  }

  /**
   * Reads the record and the slots, and sees how the last update ended. The time of an image on trial runs from here. Where the port fails,
   * the device works and refuses updates with FLASH.
   * @throws UsmpError INVALID_ARGUMENT
   */
  static async open(options: OtaDeviceOptions): Promise<OtaDevice> {
    checkOptions('OtaDevice.open', options, deviceTable)
    options.keys.forEach(assertPublisherKey)
    parseVersion(options.version)
    const device = new OtaDevice(options, await readPort(options))
    if (!device.#broken) await device.#settle()
    if (device.#isOnTrial) device.#beginTrial()
    return device
  }

  /** Functions for the requests of `otaDeviceApi`. */
  readonly requests = {
    'ota.state': (): OtaState => this.state,
    'ota.offer': ({ manifest }: { manifest: string }) => this.#exclusive(() => this.#offer(manifest)),
    'ota.apply': ({ sha256 }: { sha256: string }) => this.#exclusive(() => this.#apply(sha256)),
    'ota.abort': ({ sha256 }: { sha256: string }) => this.#exclusive(() => this.#abort(sha256)),
  } as const

  /** For `onBinary` of a peer. What was not asked for is ignored. */
  readonly onBinary = (message: Uint8Array): void => {
    const chunk = parseTransferMessage(message)
    if (chunk?.kind === 'chunk') this.#download?.pull?.onChunk(chunk.offset, chunk.data)
  }

  /** A session with the gateway has begun; the last one is over. A transfer waits until the gateway offers it again. */
  readonly onPeer = (peer: DevicePeer): void => {
    this.#pause()
    this.#peer = peer
    void peer.closed.then(() => {
      if (this.#peer !== peer) return
      this.#pause()
      this.#peer = undefined
    })
    void this.#confirmIfReady()
  }

  /** What `ota.state` answers. */
  get state(): OtaState {
    const { product, chip, version } = this.#options
    const { trust, image, runningSha256, rolledBack } = this.#record
    const onTrial = this.#isOnTrial
    const tried = this.#imageOnTrial
    return {
      product,
      chip,
      version: formatVersion(parseVersion(version)),
      counter: trust.counter,
      sha256: (tried ? toHex(tried.manifest.sha256) : runningSha256) ?? NO_HASH,
      state: onTrial ? 'pending' : 'confirmed',
      confirmWithin: onTrial ? Math.max(0, Math.round(this.#trialUntil! - this.#clock.now())) : null,
      rollback: this.#running.state !== 'undefined',
      keys: trust.keys.map(keyIdOf),
      staged: image?.phase === 'staged' ? toHex(image.manifest.sha256) : null,
      rolledBack: rolledBack ?? null,
    }
  }

  /** Ends its timers, when the program ends by itself. Nothing is begun after it, as if the power had been cut. */
  close(): void {
    this.#closed = true
    this.#download?.pull?.stop()
    this.#download = undefined
    for (const timer of this.#timers) this.#clock.clearTimer(timer)
  }

  // ─── after a start ───

  /** How the last update has ended, as the record and the slots tell. */
  async #settle(): Promise<void> {
    const { image } = this.#record
    if (this.#running.state === 'pending') this.#trialUntil = Number.POSITIVE_INFINITY
    if (!image) return
    if (image.phase !== 'applied') {
      // Somebody else has started that slot: what the record says is over.
      if (image.slot !== this.#other.index) await this.#storeOrTell({ ...this.#record, image: undefined })
      return
    }
    const tried = this.#running.index === image.slot
    if (tried && this.#running.state === 'valid') await this.#storeOrTell(confirmedRecord(this.#record, image))
    // A boot loader that notes nothing does not go back; the image is on trial for us.
    else if (tried) this.#trialUntil = Number.POSITIVE_INFINITY
    else if (this.#other.state === 'invalid' || this.#other.state === 'aborted') {
      await this.#storeOrTell({ ...this.#record, image: undefined, rolledBack: toHex(image.manifest.sha256) })
    }
    // The power was cut before the boot loader was told.
    else await this.#storeOrTell({ ...this.#record, image: { ...image, phase: 'staged' } })
  }

  get #isOnTrial(): boolean {
    return this.#trialUntil !== undefined
  }

  /** What the record says of the image on trial; undefined also if that has not come by an update. */
  get #imageOnTrial(): ImageRecord | undefined {
    const { image } = this.#record
    return this.#isOnTrial && image?.phase === 'applied' && image.slot === this.#running.index ? image : undefined
  }

  #beginTrial(): void {
    const { confirmWithin = CONFIRM_WITHIN, selfTest = () => true } = this.#options
    this.#trialUntil = this.#clock.now() + confirmWithin
    this.#after(confirmWithin, () => this.#goBack('no session or no self-test in time'))
    const run = async () => {
      const passed = await selfTest()
      if (!passed) return this.#goBack('the self-test failed')
      this.#selfTested = true
      await this.#confirmIfReady()
    }
    run().catch((error) => {
      this.#tellFault(error)
      return this.#goBack('the self-test failed')
    })
  }

  async #confirmIfReady(): Promise<void> {
    await this.#enqueue(async () => {
      if (!this.#isOnTrial || !this.#selfTested || !this.#peer || this.#restarting || this.#closed) return
      // First the boot loader: a counter that has risen for an image that is not kept would be wrong.
      await this.#port.confirm()
      const image = this.#imageOnTrial
      this.#trialUntil = undefined
      this.#running = { ...this.#running, state: 'valid' }
      if (!image) return
      // If that fails, the next start finds a confirmed image, and does it.
      await this.#storeOrTell(confirmedRecord(this.#record, image))
      this.#notify('ota.confirmed', toHex(image.manifest.sha256))
    }).catch((error) => this.#tellFault(error))
  }

  async #goBack(why: string): Promise<void> {
    await this.#enqueue(async () => {
      if (!this.#isOnTrial || this.#restarting || this.#closed) return
      this.#tellFault(new Error(`the new image is given up: ${why}`))
      this.#restarting = true
      // An image that was not confirmed is given up by the next start in any case.
      await this.#port.revert().catch((error) => this.#tellFault(error))
      this.#options.restart()
    }).catch((error) => this.#tellFault(error))
  }

  // ─── what the gateway asks for ───

  async #offer(encoded: string): Promise<{ have: number }> {
    const manifest = parseOffered(encoded)
    const hash = toHex(manifest.sha256)
    this.#judge(manifest)
    const image = this.#record.image
    const same = image && equalBytes(image.manifest.bytes, manifest.bytes) ? image : undefined
    if (same?.phase === 'staged') {
      this.#soon(() => this.#notify('ota.staged', hash))
      return { have: manifest.size }
    }
    if (this.#download && same) return { have: this.#goOn(this.#download) }
    await this.#beginDownload(manifest, same)
    return { have: same?.offset ?? 0 }
  }

  /** @throws RpcError with the rule that refuses */
  #judge(manifest: Manifest): void {
    if (this.#broken) throw refusal(OtaCode.FLASH)
    const { product, chip, version, mayUpdate, today } = this.#options
    const current = this.#download
    const refused = judgeManifest(manifest, {
      product,
      chip,
      version: parseVersion(version),
      record: this.#record.trust,
      slotSize: this.#other.size,
      today: today?.(),
      busy:
        this.#isOnTrial ||
        this.#restarting ||
        this.#record.image?.phase === 'applied' ||
        (current !== undefined && !equalBytes(current.manifest.bytes, manifest.bytes)),
      mayUpdate: (offered) => mayUpdate?.(offered) ?? true,
    })
    if (refused !== undefined) throw refusal(refused)
    const { sha256: failed, count } = this.#flashFailures
    if (failed === toHex(manifest.sha256) && count >= MAX_FLASH_FAILURES) throw refusal(OtaCode.FLASH)
  }

  /** The offer of a transfer that is under way, once more: its answer may have been lost. */
  #goOn(download: Download): number {
    if (download.proving) return download.manifest.size
    return download.pull?.written ?? 0
  }

  async #beginDownload(manifest: Manifest, same: ImageRecord | undefined): Promise<void> {
    const slot = this.#other.index
    const from = same?.offset ?? 0
    try {
      // Before anything is erased: a record that says more than the slot has would be believed after a power cut.
      if (!same) await this.#store({ ...this.#record, image: { manifest, phase: 'receiving', slot, offset: 0 } })
      await this.#port.begin(manifest.size, Math.floor(from / SECTOR) * SECTOR)
    } catch (error) {
      this.#noteFlashFailure(toHex(manifest.sha256), error)
      throw refusal(OtaCode.FLASH)
    }
    const download: Download = { manifest, sha256: toHex(manifest.sha256), slot, pull: undefined, proving: false }
    const pull = this.#makePull(download, Math.floor(from / SECTOR) * SECTOR)
    download.pull = pull
    this.#download = download
    // Behind the answer.
    this.#soon(() => {
      if (download.pull === pull && this.#download === download) pull.start()
    })
  }

  #makePull(download: Download, from: number): ImagePull {
    const { window = WINDOW, recordStep = DEFAULT_RECORD_STEP } = this.#options
    return new ImagePull({
      size: download.manifest.size,
      from,
      window,
      clock: this.#clock,
      send: (message) => void this.#peer?.sendBinary(message).catch(() => {}),
      write: async (offset, data) => {
        await this.#port.write(offset, data)
        const end = offset + data.length
        if (Math.floor(end / recordStep) > Math.floor(offset / recordStep)) await this.#noteOffset(download, end)
        this.#tellProgress(download, end)
      },
      onWhole: () => {
        download.pull = undefined
        download.proving = true
        void this.#enqueue(() => this.#prove(download)).catch((error) => this.#tellFault(error))
      },
      onFailed: (error) => this.#fail(download, OtaCode.FLASH, error),
    })
  }

  /** What is written outlives a power cut, and the record says so. */
  async #noteOffset({ manifest, slot }: Download, written: number): Promise<void> {
    await this.#port.flush()
    const offset = Math.floor(written / SECTOR) * SECTOR
    const { image } = this.#record
    if (image?.phase !== 'receiving' || !equalBytes(image.manifest.bytes, manifest.bytes)) return
    if (offset > image.offset)
      await this.#store({ ...this.#record, image: { manifest, phase: 'receiving', slot, offset } })
  }

  /** The hash of what is in the slot, not of what came: then it is staged. */
  async #prove(download: Download): Promise<void> {
    const { manifest, slot } = download
    if (this.#download !== download) return
    try {
      await this.#port.flush()
      if (!(await this.#isWhole(manifest))) {
        await this.#store({ ...this.#record, image: { manifest, phase: 'receiving', slot, offset: 0 } })
        return this.#fail(download, OtaCode.WRONG_IMAGE)
      }
      await this.#store({ ...this.#record, image: { manifest, phase: 'staged', slot, offset: manifest.size } })
    } catch (error) {
      return this.#fail(download, OtaCode.FLASH, error)
    }
    this.#download = undefined
    this.#notify('ota.staged', download.sha256)
  }

  /** Whether the slot has the image of the manifest, and the boot loader would take it. */
  async #isWhole({ size, sha256: expected }: Manifest): Promise<boolean> {
    const hash = sha256.create()
    for (let offset = 0; offset < size; offset += READ_SIZE) {
      hash.update(await this.#port.read(offset, Math.min(READ_SIZE, size - offset)))
    }
    return equalBytes(hash.digest(), expected) && (await this.#port.finish())
  }

  async #apply(hash: string): Promise<object> {
    const { image } = this.#record
    if (image && toHex(image.manifest.sha256) === hash) {
      if (this.#restarting && image.phase === 'applied') return {}
      if (image.phase === 'staged' && !this.#isOnTrial) return this.#start(image)
    }
    throw refusal(OtaCode.NOT_STAGED)
  }

  async #start(image: ImageRecord): Promise<object> {
    const { mayUpdate = () => true, restart } = this.#options
    if (!mayUpdate(image.manifest)) throw refusal(OtaCode.NOT_NOW)
    try {
      await this.#store({ ...this.#record, image: { ...image, phase: 'applied' } })
      await this.#port.activate()
    } catch (error) {
      this.#tellFault(error)
      await this.#storeOrTell({ ...this.#record, image })
      throw refusal(OtaCode.FLASH)
    }
    this.#restarting = true
    this.#after(RESTART_DELAY, restart)
    return {}
  }

  async #abort(hash: string): Promise<object> {
    if (this.#download?.sha256 === hash) this.#pause()
    return {}
  }

  // ─── ends of a transfer ───

  /** The transfer waits for the next offer. What is proven already goes on. */
  #pause(): void {
    const download = this.#download
    if (!download?.pull) return
    const { pull } = download
    pull.stop()
    download.pull = undefined
    this.#download = undefined
    void this.#enqueue(async () => {
      await pull.idle
      await this.#noteOffset(download, pull.written)
    }).catch((error) => this.#tellFault(error))
  }

  #fail(download: Download, code: OtaCode, cause?: unknown): void {
    if (this.#download !== download) return
    this.#download = undefined
    if (code === OtaCode.FLASH) this.#noteFlashFailure(download.sha256, cause)
    const params = { sha256: download.sha256, code, reason: reasonOf(code) }
    this.#peer?.notify('ota.failed', params).catch(() => {})
  }

  #noteFlashFailure(hash: string, cause: unknown): void {
    this.#tellFault(cause)
    const { sha256: last, count } = this.#flashFailures
    this.#flashFailures = { sha256: hash, count: last === hash ? count + 1 : 1 }
  }

  // ─── small things ───

  #tellProgress({ sha256: hash }: Download, offset: number): void {
    const now = this.#clock.now()
    if (now - this.#progressAt < PROGRESS_PAUSE) return
    this.#progressAt = now
    this.#peer?.tryNotify('ota.progress', { sha256: hash, offset })
  }

  /** If there is no session, the gateway asks for the state in the next one. */
  #notify(method: 'ota.staged' | 'ota.confirmed', hash: string): void {
    this.#peer?.notify(method, { sha256: hash }).catch(() => {})
  }

  async #store(record: DeviceRecord): Promise<void> {
    await this.#port.store(encodeRecord(record))
    this.#record = record
  }

  /** For what is right whether or not it can be stored: the next start comes to the same. */
  async #storeOrTell(record: DeviceRecord): Promise<void> {
    this.#record = record
    await this.#port.store(encodeRecord(record)).catch((error) => this.#tellFault(error))
  }

  /** Of what the peer asks for, only some may wait. */
  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) throw refusal(OtaCode.BUSY)
    this.#waiting++
    try {
      return await this.#enqueue(work)
    } finally {
      this.#waiting--
    }
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }

  #soon(callback: () => void): void {
    this.#clock.defer(() => {
      if (!this.#closed) callback()
    })
  }

  #after(delay: number, callback: () => void): void {
    const timer = this.#clock.setTimer(() => {
      this.#timers.delete(timer)
      callback()
    }, delay)
    this.#timers.add(timer)
  }

  #tellFault(fault: unknown): void {
    this.#options.onFault?.(fault)
  }
}

function confirmedRecord(record: DeviceRecord, { manifest }: ImageRecord): DeviceRecord {
  return {
    trust: applyConfirmed(record.trust, manifest),
    image: undefined,
    runningSha256: toHex(manifest.sha256),
    rolledBack: undefined,
  }
}

async function readPort({ port, keys, counter = 0, onFault }: OtaDeviceOptions) {
  const factory: DeviceRecord = {
    trust: { counter, keys: keys.map((key) => key.slice()), revoked: [] },
    image: undefined,
    runningSha256: undefined,
    rolledBack: undefined,
  }
  try {
    const stored = await port.load()
    const { running, other } = await port.slots()
    return { record: stored ? decodeRecord(stored) : factory, running, other, broken: false }
  } catch (error) {
    onFault?.(error)
    const unknown = { state: 'undefined', size: 0 } as const
    return { record: factory, running: { ...unknown, index: 0 }, other: { ...unknown, index: 1 }, broken: true }
  }
}

/** @throws RpcError MALFORMED */
function parseOffered(encoded: string): Manifest {
  try {
    return parseManifest(fromBase64Url(encoded))
  } catch (error) {
    throw new RpcError(OtaCode.MALFORMED, error instanceof OtaError ? error.message : 'the manifest is not base64url')
  }
}

function fromBase64Url(encoded: string): Uint8Array {
  const text = atob(encoded.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}

function refusal(code: OtaCode): RpcError {
  return new RpcError(code, reasonOf(code))
}

const reasons: Partial<Record<OtaCode, string>> = {
  [OtaCode.BUSY]: 'a new image waits for its confirmation, or another transfer is under way',
  [OtaCode.FLASH]: 'the storage of the device failed',
  [OtaCode.NOT_NOW]: 'the application does not want to now',
  [OtaCode.NOT_STAGED]: 'this image is not staged',
  [OtaCode.WRONG_IMAGE]: 'what was received is not the image of the manifest',
}

/** At most 96 characters. */
function reasonOf(code: OtaCode): string {
  return reasons[code] ?? `refused by the rule ${otaCodeName(code)}`
}
