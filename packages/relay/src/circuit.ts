import { sha256 } from '@noble/hashes/sha2.js'
import {
  type Abortable,
  abortError,
  asUsmpError,
  type Clock,
  onAbort,
  systemClock,
  type Transport,
  type TransportSink,
  throwIfAborted,
  toHex,
  UsmpError,
} from '@usmp/core'
import { checkOptions } from '@usmp/core/options'
import { tell } from './callback.js'
import { relayError } from './close-error.js'
import type { Dial } from './dial.js'
import { circuitTable } from './peer-options.js'
import { encodeJoin, type Join, RelayMessage } from './wire.js'

/** ms for the WebSocket, and again for the first word of the relay. */
const DEFAULT_TIMEOUT = 10_000
/** ms that a dial may take longer than it was told. */
const DIAL_GRACE = 1_000
/** What the peer sends before the circuit is used, bytes. Reading stops at once, so this is what was on its way. */
const MAX_HELD = 256 * 1024
/** Where relays listen, if the URL has no path. */
const DEFAULT_PATH = '/relay'

/** Options of {@link openCircuit}. */
export interface CircuitOptions extends Abortable {
  /** `wss://host`, or `ws://` on this machine; path `/relay` where it has none. */
  readonly url: URL
  readonly dial: Dial
  readonly join: Join
  /** ms until the relay has answered; 0 for never; default 10000. There is no limit to the wait for the peer. */
  readonly timeout?: number
  /** Default: the clock of the platform. */
  readonly clock?: Clock
  /** Told when this peer is alone on the route. */
  readonly onWaiting?: (() => void) | undefined
}

/**
 * Connects to a relay, joins a route, and waits for the peer of the other side: a transport of kind `message` between the two. What the
 * peer sends at once waits for `open`. Once there is a circuit, `signal` has no effect.
 * @throws UsmpError RELAY_REFUSED, PAIRING_FAILED, REPLACED, UNREACHABLE, UNTRUSTED_CERTIFICATE, TRANSPORT_FAILED as the relay or the
 * network says; INVALID_RESPONSE for what is no relay; INVALID_ARGUMENT; ABORTED
 */
export async function openCircuit(options: CircuitOptions): Promise<Transport> {
  checkOptions('openCircuit', options, circuitTable)
  const { join, timeout = DEFAULT_TIMEOUT, signal } = options
  throwIfAborted(signal)
  const hello = encodeJoin(join)
  const transport = await dialRelay(options, timeout)
  const circuit = new Circuit(transport, join.pairing, options)
  await circuit.join(hello, timeout)
  return circuit
}

/** Dials, and goes on without an answer if the application's function gives none. */
async function dialRelay({ url: relay, dial, join, clock = systemClock, signal }: CircuitOptions, timeout: number) {
  const url = addressOf(relay, join)
  let timer: unknown
  let forgetSignal: (() => void) | undefined
  const givenUp = new Promise<never>((_, reject) => {
    const late = () => reject(new UsmpError('UNREACHABLE', `${url}: no answer within ${timeout} ms`))
    // Later than what it was told, as it knows better what went wrong.
    if (timeout > 0) timer = clock.setTimer(late, timeout + DIAL_GRACE)
    forgetSignal = onAbort(signal, () => reject(abortError(signal)))
  })
  const dialled = (async () => dial(url, { timeout, signal }))()
  try {
    return await Promise.race([dialled, givenUp])
  } catch (error) {
    // If it comes in the end, nobody wants it any more.
    dialled.then((transport) => transport.abort()).catch(() => {})
    throw asUsmpError(error, 'TRANSPORT_FAILED')
  } finally {
    clock.clearTimer(timer)
    forgetSignal?.()
  }
}

/**
 * The URL to dial. It tells one byte about the route, for a front with several relays behind it; the route itself would be in its log.
 * @throws UsmpError INVALID_ARGUMENT
 */
function addressOf(relay: URL, { route }: Join): URL {
  const url = new URL(relay)
  if (url.protocol === 'ws:' && !isLoopback(url.hostname)) {
    throw new UsmpError('INVALID_ARGUMENT', `${relay}: without TLS anybody on the way reads the route and the token`, {
      hint: 'Use wss://. Plain ws:// is for a relay on this machine.',
    })
  }
  if (url.pathname === '/') url.pathname = DEFAULT_PATH
  url.searchParams.set('s', toHex(sha256(route).subarray(0, 1)))
  return url
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** How the wait for the peer ends. */
interface Wait {
  resolve(): void
  reject(reason: unknown): void
}

/**
 * One WebSocket to a relay: first a JOIN and the words of the relay, then the peer behind it.
 *
 * {@link openCircuit} calls `join`, and hands the circuit out once that resolves. Then a session calls the methods of {@link Transport}.
 * The transport below calls those of {@link TransportSink}. Nothing that comes behind PEER may be lost or taken for a word of the relay.
 */
class Circuit implements Transport, TransportSink {
  readonly kind = 'message'
  readonly #below: Transport
  readonly #pairing: boolean
  readonly #clock: Clock
  readonly #signal: AbortSignal | undefined
  /** Told once, however often the relay says it. */
  #onWaiting: (() => void) | undefined
  /** Until there is a circuit or none. */
  #wait: Wait | undefined
  #timer: unknown
  #sink: TransportSink | undefined
  /** What came before `open`. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  #ended: { readonly cause: unknown } | undefined
  #paused = false
  /** The session has closed or aborted it, and hears nothing more. */
  #left = false

  constructor(below: Transport, pairing: boolean, { clock = systemClock, signal, onWaiting }: CircuitOptions) {
    this.#below = below
    this.#pairing = pairing
    this.#clock = clock
    this.#signal = signal
    this.#onWaiting = onWaiting
  }

  get address(): string {
    return this.#below.address
  }

  /** Resolves when the peer is there. */
  async join(hello: Uint8Array, timeout: number): Promise<void> {
    const forgetSignal = onAbort(this.#signal, () => this.#fail(abortError(this.#signal)))
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wait = { resolve, reject }
        if (this.#signal?.aborted) throw abortError(this.#signal)
        const late = () => this.#fail(new UsmpError('UNREACHABLE', `the relay said nothing within ${timeout} ms`))
        if (timeout > 0) this.#timer = this.#clock.setTimer(late, timeout)
        this.#below.open(this)
        this.#below.write([hello])
      })
    } catch (error) {
      this.#below.abort()
      throw asUsmpError(error, 'TRANSPORT_FAILED')
    } finally {
      this.#wait = undefined
      this.#clock.clearTimer(this.#timer)
      forgetSignal()
    }
  }

  // ─── what the transport below calls ───

  receive(bytes: Uint8Array): void {
    if (this.#sink) this.#sink.receive(bytes)
    else if (this.#wait) this.#onWord(bytes)
    else this.#hold(bytes)
  }

  drain(): void {
    this.#sink?.drain()
  }

  end(cause?: unknown): void {
    const reason = relayError(cause, this.#pairing)
    if (this.#wait) this.#fail(reason ?? new UsmpError('UNREACHABLE', 'the relay ended the connection without a word'))
    else this.#endWith(reason)
  }

  // ─── before the circuit ───

  #onWord(bytes: Uint8Array): void {
    this.#clock.clearTimer(this.#timer)
    const word = bytes.length === 1 ? bytes[0] : undefined
    if (word === RelayMessage.WAITING) this.#tellWaiting()
    else if (word === RelayMessage.PEER) this.#begin()
    else this.#fail(notARelay())
  }

  #tellWaiting(): void {
    tell(this.#onWaiting, undefined)
    this.#onWaiting = undefined
  }

  #begin(): void {
    this.#paused = true
    this.#below.pause()
    this.#wait?.resolve()
    this.#wait = undefined
  }

  #fail(reason: unknown): void {
    this.#wait?.reject(reason)
    this.#wait = undefined
    // What still comes is nobody's.
    this.#ended = { cause: undefined }
  }

  #hold(bytes: Uint8Array): void {
    if (this.#ended) return
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > MAX_HELD) this.#endWith(new UsmpError('QUEUE_FULL', 'the peer sends more than is read'))
  }

  #endWith(cause: unknown): void {
    if (this.#ended) return
    this.#ended = { cause }
    const sink = this.#sink
    this.#sink = undefined
    sink?.end(cause)
  }

  // ─── what a session calls ───

  open(sink: TransportSink): void {
    const held = this.#held
    this.#held = []
    this.#paused = false
    for (const bytes of held) if (!this.#left) sink.receive(bytes)
    if (this.#left) return
    if (this.#ended) return sink.end(this.#ended.cause)
    this.#sink = sink
    // A session that had enough of it has paused meanwhile.
    if (!this.#paused) this.#below.resume()
  }

  write(frames: readonly Uint8Array[]): boolean {
    return this.#below.write(frames)
  }

  pause(): void {
    this.#paused = true
    return this.#below.pause()
  }

  resume(): void {
    this.#paused = false
    return this.#below.resume()
  }

  close(reason?: UsmpError): Promise<void> {
    this.#leave()
    return this.#below.close(reason)
  }

  abort(reason?: UsmpError): void {
    this.#leave()
    return this.#below.abort(reason)
  }

  #leave(): void {
    this.#left = true
    this.#sink = undefined
    this.#held = []
    this.#ended ??= { cause: undefined }
  }
}

function notARelay(): UsmpError {
  return new UsmpError('INVALID_RESPONSE', 'what it sends is not what a relay says', {
    hint: 'Does the URL lead to a relay (`usmp relay serve`)?',
  })
}
