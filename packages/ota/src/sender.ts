import {
  type Abortable,
  abortError,
  afterReading,
  asUsmpError,
  type Clock,
  onAbort,
  systemClock,
  toHex,
  UsmpError,
} from '@usmp/core'
import { callback, checkOptions, clock, hasMethods, period, type TableOf } from '@usmp/core/options'
import { RpcCode, RpcError } from '@usmp/rpc'
import type { ByteRate } from './byte-rate.js'
import { otaCodeName } from './errors.js'
import type { ImageReader, VerifiedImage } from './image-source.js'
import type { Manifest } from './manifest.js'
import { TransferError } from './transfer-error.js'
import { CHUNK_SIZE, formatChunk, parseTransferMessage } from './transfer-messages.js'

/** Most chunks that are owed to a device, however many it asks for; it may ask again. */
const MAX_OWED = 64
/** ms until the device has answered an offer; it may erase flash first. */
const OFFER_TIMEOUT = 60_000
/** ms without coming further. A device repeats its request after 30 s at the latest, and may read and hash the whole image at the end. */
const STALL_TIMEOUT = 120_000
/** ms between two events of progress. */
const PROGRESS_PAUSE = 250
/** ms that a device has to answer that it gives up; nobody waits for it. */
const ABORT_TIMEOUT = 10_000

/** What happens to updates of a device. It may also come of an update that this gateway has not sent, or before a restart. */
export type UpdateEvent =
  | { readonly type: 'progress'; readonly sha256: string; readonly offset: number }
  | { readonly type: 'staged'; readonly sha256: string }
  | { readonly type: 'failed'; readonly sha256: string; readonly code: number; readonly reason: string }
  | { readonly type: 'confirmed'; readonly sha256: string }

/** What the sender needs of a peer: a `Peer` of @usmp/rpc whose `calls` contain `otaDeviceApi`. */
export interface SenderPeer {
  request(method: 'ota.offer', params: { manifest: string }, options?: CallOptions): Promise<{ have: number }>
  request(method: 'ota.abort', params: { sha256: string }, options?: CallOptions): Promise<object>
  sendBinary(message: Uint8Array, options?: Abortable): Promise<void>
  readonly closed: Promise<UsmpError>
}

interface CallOptions extends Abortable {
  readonly timeout?: number
}

/** Options of {@link UpdateSender}. */
export interface UpdateSenderOptions {
  /** Told what the device says of its updates. */
  readonly onEvent?: (event: UpdateEvent) => void
  /** Shared by all senders of a site; default without a limit. */
  readonly rate?: ByteRate
  /** ms without the device coming further; default 120000. */
  readonly stallTimeout?: number
  readonly clock?: Clock
}

/** Of {@link UpdateSender}. */
export const senderTable: TableOf<UpdateSenderOptions> = {
  onEvent: callback,
  rate: { expected: 'a ByteRate', fits: (value) => hasMethods(value, 'take') },
  stallTimeout: period,
  clock,
}

/** One update of {@link UpdateSender.send}. */
export interface Update extends Abortable {
  readonly manifest: Manifest
  /** Of this manifest: `VerifiedImage.open(source, manifest)`. One may serve many devices at once. */
  readonly image: VerifiedImage
}

/** How a transfer went. */
export interface SentUpdate {
  /** Bytes that the device had when it was offered. */
  readonly have: number
  /** Bytes of the image that left, with what left twice. */
  readonly sent: number
}

/**
 * The sending end of updates on one session.
 *
 * The owner of the session makes it, then the peer: `rpc(session, { serves: otaGatewayApi, notifications: sender.notifications, onBinary:
 * sender.onBinary, … })`. Then `send` offers an image and serves what the device asks for, one transfer at a time.
 *
 * The sender owns what is owed to the device. A device must never get it to read outside the image, to owe more than 64 chunks, to send
 * faster than its rate, or to keep a transfer without coming further. At most one chunk waits in the session, so that requests and
 * notifications of this end overtake the rest of the image.
 */
export class UpdateSender {
  readonly #options: UpdateSenderOptions
  readonly #clock: Clock
  #transfer: Transfer | undefined
  #progressAt = Number.NEGATIVE_INFINITY

  /** @throws UsmpError INVALID_ARGUMENT */
  constructor(options: UpdateSenderOptions = {}) {
    checkOptions('UpdateSender', options, senderTable)
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** Functions for the notifications of `otaGatewayApi`. */
  readonly notifications = {
    'ota.progress': ({ sha256, offset }: { sha256: string; offset: number }) => this.#onProgress(sha256, offset),
    'ota.staged': ({ sha256 }: { sha256: string }) => {
      this.#tell({ type: 'staged', sha256 })
      this.#of(sha256)?.finish()
    },
    'ota.failed': ({ sha256, code, reason }: { sha256: string; code: number; reason: string }) => {
      this.#tell({ type: 'failed', sha256, code, reason })
      const message = `the device gave the update up (${otaCodeName(code) ?? code}): ${reason}`
      this.#of(sha256)?.fail(new TransferError('FAILED', message, { deviceCode: code }))
    },
    'ota.confirmed': ({ sha256 }: { sha256: string }) => this.#tell({ type: 'confirmed', sha256 }),
  } as const

  /** Whether a transfer is under way. */
  get busy(): boolean {
    return this.#transfer !== undefined
  }

  /** For `onBinary` of the peer. What is no request of a transfer that is under way is ignored. */
  readonly onBinary = (message: Uint8Array): void => {
    const request = parseTransferMessage(message)
    if (request?.kind === 'request') this.#transfer?.onRequest(request.offset, request.count)
  }

  /**
   * Offers an image, and serves it until the device says that it is staged. When the signal aborts, the device is told to stop; what it
   * has it keeps for the next offer of the same manifest.
   * @throws TransferError; UsmpError INVALID_ARGUMENT if the image is that of another manifest, ABORTED, REQUEST_TIMEOUT if the offer is not answered, INVALID_RESPONSE; the reason of the end if the
   * session ends before
   */
  async send(peer: SenderPeer, { manifest, image, signal }: Update): Promise<SentUpdate> {
    if (signal?.aborted) throw abortError(signal)
    if (image.sha256 !== toHex(manifest.sha256)) {
      throw new UsmpError('INVALID_ARGUMENT', 'the image is not that of the manifest')
    }
    if (this.#transfer) throw new TransferError('UNDER_WAY', 'another transfer is under way on this session')
    const { rate, stallTimeout = STALL_TIMEOUT } = this.#options
    const transfer = new Transfer(peer, image, { rate, stallTimeout, clock: this.#clock })
    this.#transfer = transfer
    const forget = onAbort(signal, () => {
      transfer.fail(abortError(signal))
      // It may be over for the device already, or the session is.
      peer.request('ota.abort', { sha256: image.sha256 }, { timeout: ABORT_TIMEOUT }).catch(() => {})
    })
    try {
      return await transfer.run(manifest)
    } finally {
      forget()
      this.#transfer = undefined
    }
  }

  #of(sha256: string): Transfer | undefined {
    return this.#transfer?.sha256 === sha256 ? this.#transfer : undefined
  }

  /** A device that tells more often than it should is heard as often as is useful. */
  #onProgress(sha256: string, offset: number): void {
    const transfer = this.#of(sha256)
    if (transfer && offset > transfer.size) return
    transfer?.onProgress(offset)
    const now = this.#clock.now()
    if (now - this.#progressAt < PROGRESS_PAUSE) return
    this.#progressAt = now
    this.#tell({ type: 'progress', sha256, offset })
  }

  #tell(event: UpdateEvent): void {
    this.#options.onEvent?.(event)
  }
}

interface TransferOptions {
  readonly rate: ByteRate | undefined
  readonly stallTimeout: number
  readonly clock: Clock
}

/** One image on its way to one device. */
class Transfer {
  readonly sha256: string
  readonly size: number
  readonly #peer: SenderPeer
  readonly #reader: ImageReader
  readonly #rate: ByteRate | undefined
  readonly #stallTimeout: number
  readonly #clock: Clock
  readonly #over = new AbortController()
  readonly #done: Promise<void>
  #resolve!: () => void
  #reject!: (reason: unknown) => void
  /** What the device has asked for and not got: `#owed` chunks from `#next`. */
  #next = 0
  #owed = 0
  #serving = false
  #sent = 0
  /** Up to where bytes have left, from wherever the device began. */
  #sentTo = 0
  /** How far the device has come; it must come further before `#stallAt`. */
  #furthest = -1
  #stallAt: number
  #stopTimer: () => void = () => {}

  constructor(peer: SenderPeer, image: VerifiedImage, { rate, stallTimeout, clock }: TransferOptions) {
    this.sha256 = image.sha256
    this.size = image.size
    this.#peer = peer
    this.#reader = image.reader()
    this.#rate = rate
    this.#stallTimeout = stallTimeout
    this.#clock = clock
    this.#stallAt = clock.now() + OFFER_TIMEOUT + stallTimeout
    this.#done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whether or not anybody waits for it yet.
    this.#done.catch(() => {})
  }

  /** Resolves when the image is staged. */
  async run(manifest: Manifest): Promise<SentUpdate> {
    this.#armTimer()
    void this.#peer.closed.then((reason) => this.fail(reason))
    try {
      const have = await this.#offer(manifest)
      this.onProgress(have)
      await this.#done
      return { have, sent: this.#sent }
    } finally {
      this.#end()
    }
  }

  finish(): void {
    this.#resolve()
    this.#end()
  }

  fail(reason: unknown): void {
    // First, so that nothing that ends with it is taken for the reason.
    this.#reject(reason)
    this.#end()
  }

  /** The device is that far. */
  onProgress(offset: number): void {
    if (offset <= this.#furthest) return
    this.#furthest = offset
    this.#stallAt = this.#clock.now() + this.#stallTimeout
    this.#armTimer()
  }

  /** A request replaces what is still owed, unless it goes on where that ends. */
  onRequest(offset: number, count: number): void {
    if (this.#over.signal.aborted || offset >= this.size) return
    const goesOn = this.#owed > 0 && offset === this.#next + this.#owed * CHUNK_SIZE
    if (!goesOn) this.#next = offset
    const left = Math.ceil((this.size - this.#next) / CHUNK_SIZE)
    this.#owed = Math.min((goesOn ? this.#owed : 0) + count, left, MAX_OWED)
    this.onProgress(offset)
    if (!this.#serving) void this.#serve()
  }

  /** @returns how many bytes the device has already */
  async #offer({ bytes }: Manifest): Promise<number> {
    const offered = this.#peer.request(
      'ota.offer',
      { manifest: base64Url(bytes) },
      { timeout: OFFER_TIMEOUT, signal: this.#over.signal },
    )
    try {
      // The image may be staged before the answer is read, or the transfer has failed: then that is told.
      const answer = await Promise.race([offered, this.#done])
      offered.catch(() => {})
      return Math.min(answer?.have ?? 0, this.size)
    } catch (error) {
      offered.catch(() => {})
      throw refusalOf(error)
    }
  }

  async #serve(): Promise<void> {
    const { signal } = this.#over
    this.#serving = true
    try {
      while (this.#owed > 0 && !signal.aborted) {
        const waited = (await this.#rate?.take(CHUNK_SIZE, signal)) ?? 0
        await this.#serveNext(signal, waited)
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.#serving = false
    }
  }

  /** @param waited ms, for a rate that transfers share */
  async #serveNext(signal: AbortSignal, waited: number): Promise<void> {
    const offset = this.#next
    const data = await this.#reader.read(offset, Math.min(CHUNK_SIZE, this.size - offset))
    // Meanwhile it may have asked for something else, or taken it back.
    if (this.#next !== offset || this.#owed === 0 || signal.aborted) return
    this.#next += data.length
    // A shared rate that is slow is not the fault of the device, unless it asks for what it was sent already.
    if (this.#next > this.#sentTo) this.#stallAt += waited
    this.#sentTo = Math.max(this.#sentTo, this.#next)
    this.#owed--
    this.#sent += data.length
    await this.#peer.sendBinary(formatChunk(offset, data), { signal })
  }

  #armTimer(): void {
    this.#stopTimer()
    if (this.#over.signal.aborted) return
    const due = this.#stallAt
    let forgetReading = () => {}
    const timer = this.#clock.setTimer(
      () => {
        forgetReading = afterReading(this.#clock, due, () => this.#checkStall())
      },
      Math.max(0, due - this.#clock.now()),
    )
    this.#stopTimer = () => {
      this.#clock.clearTimer(timer)
      forgetReading()
    }
  }

  #checkStall(): void {
    if (this.#clock.now() < this.#stallAt) return this.#armTimer()
    const at = Math.max(0, this.#furthest)
    const seconds = Math.round(this.#stallTimeout / 1000)
    this.fail(
      new TransferError('STALLED', `the device has not come further than byte ${at} of ${this.size} for ${seconds} s`),
    )
  }

  #end(): void {
    this.#owed = 0
    this.#stopTimer()
    this.#over.abort()
  }
}

/** What a failed offer is called. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof RpcError))
    return error instanceof TransferError ? error : asUsmpError(error, 'TRANSPORT_FAILED')
  const { code, message } = error
  if (code === RpcCode.METHOD_NOT_FOUND) {
    return new TransferError('NO_UPDATES', 'the device takes no updates', { deviceCode: code, cause: error })
  }
  const name = otaCodeName(code) ?? code
  return new TransferError('REFUSED', `the device refused the update (${name}): ${message}`, {
    deviceCode: code,
    cause: error,
  })
}

/** Without padding. */
function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
