import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { CloseCode, MAX_RELAYED } from '../wire.js'
import type { AddressEntry } from './address-table.js'
import { frameHeader } from './binary-frame.js'
import type { RelayClock } from './clock.js'
import { MESSAGE_COST, type RelayLimits } from './limits.js'

/** Between two pings, ms. */
export const PING_INTERVAL = 25_000
/** Pings in a row that nothing followed; then the socket is cut. */
const MAX_MISSES = 2
/** How long a socket may take to accept what waits for it, ms. */
export const DRAIN_TIMEOUT = 30_000
/** How long the peer may take to answer a close, ms. */
export const CLOSE_TIMEOUT = 2_000
/** A socket that has used up its bytes rests at least so long, ms, so that it is not stopped for each message. */
const MIN_REST = 50

/** Why the relay does not read from a socket. */
const Hold = { PARTNER: 1, RATE: 2 } as const

/** Who acts on what a socket brings; it changes as the peer goes on from JOIN to a circuit. */
export interface SocketHandler {
  /** 1 to 492 bytes. */
  onMessage(message: Buffer, socket: RelaySocket): void
  /** The socket takes no more for now. */
  onBlocked?(): void
  onDrained?(): void
  /** The socket has taken too little for 30 s. */
  onStuck?(): void
  /** Once, the last call. The socket has ended or is being closed. */
  onEnd?(): void
}

/** Why a socket is closed. */
export interface CloseReason {
  readonly code: CloseCode
  /** At most 123 bytes; it names the limit that was reached. */
  readonly text: string
}

/**
 * The WebSocket of one peer, from its opening to its end: checks what messages are, stops reading where a limit says so, gathers
 * what one tick sends into one write, sends pings, and closes with a reason. Who it is joined with is the business of its handler.
 *
 * All its deadlines are looked at by {@link check}, which the relay calls twice a second: one timer for all sockets.
 */
export class RelaySocket {
  readonly address: AddressEntry
  readonly #webSocket: WebSocket
  readonly #below: Socket
  readonly #clock: RelayClock
  readonly #limits: RelayLimits
  readonly #noteClose: (code: CloseCode) => void
  #handler: SocketHandler
  /** It is being closed: since when, ms. */
  #closingSince: number | undefined
  #expiry = Number.POSITIVE_INFINITY
  #expiryReason: CloseReason | undefined
  /** Frames of this tick, in parts. */
  #gathered: Uint8Array[] = []
  /** Of {@link Hold}. */
  #holds = 0
  #blockedSince: number | undefined
  /** Bytes that may be read now; below 0 reading stops. */
  #allowance: number
  #allowanceAt: number
  #restTimer: unknown
  #nextPing = Number.POSITIVE_INFINITY
  #misses = 0
  #wasHeard = true

  constructor(parts: {
    readonly webSocket: WebSocket
    readonly below: Socket
    readonly address: AddressEntry
    readonly clock: RelayClock
    readonly limits: RelayLimits
    readonly handler: SocketHandler
    readonly noteClose: (code: CloseCode) => void
  }) {
    this.#webSocket = parts.webSocket
    this.#below = parts.below
    this.address = parts.address
    this.#clock = parts.clock
    this.#limits = parts.limits
    this.#handler = parts.handler
    this.#noteClose = parts.noteClose
    this.#allowance = parts.limits.byteBurst
    this.#allowanceAt = parts.clock.now()
    this.#webSocket.on('message', (data, isBinary) => this.#onMessage(data as Buffer, isBinary))
    this.#webSocket.on('ping', (data) => this.#onControl(data))
    this.#webSocket.on('pong', (data) => this.#onControl(data))
    this.#webSocket.on('close', () => this.#end())
    // A `close` follows each error.
    this.#webSocket.on('error', () => this.#beginClosing())
    this.#below.on('drain', () => this.#onDrain())
  }

  set handler(handler: SocketHandler) {
    this.#handler = handler
  }

  /** Bytes that the system has not taken yet. */
  get buffered(): number {
    return this.#below.writableLength
  }

  /** Closes the socket for this reason when the time comes; Infinity for never. */
  expireAt(time: number, reason?: CloseReason): void {
    this.#expiry = time
    this.#expiryReason = reason
  }

  startPings(): void {
    this.#nextPing = this.#clock.now() + PING_INTERVAL
  }

  /** Sends a message of 1 to 492 bytes; all those of one tick leave in one write. */
  send(message: Uint8Array): void {
    if (this.#closingSince !== undefined) return
    if (this.#gathered.length === 0) process.nextTick(flush, this)
    this.#gathered.push(frameHeader(message.length), message)
  }

  /** Writes what was gathered. Then the system has it, or not all of it. */
  flush(): void {
    if (this.#gathered.length === 0) return
    const frames = Buffer.concat(this.#gathered)
    this.#gathered = []
    // Whoever has begun to close takes no messages any more, nor may any follow our own close.
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return
    this.#below.write(frames)
    if (this.#blockedSince !== undefined || this.#below.writableLength === 0) return
    if (!this.#below.writableNeedDrain) return
    this.#blockedSince = this.#clock.now()
    if (this.#closingSince === undefined) this.#handler.onBlocked?.()
  }

  /** Reads nothing, until {@link release}. */
  hold(): void {
    this.#hold(Hold.PARTNER)
  }

  release(): void {
    this.#release(Hold.PARTNER)
  }

  /** Begins to close. What was sent before still leaves, if the peer takes it within 30 s. */
  close({ code, text }: CloseReason): void {
    if (this.#closingSince !== undefined) return
    this.#noteClose(code)
    this.flush()
    this.#webSocket.close(code, text)
    this.#beginClosing()
  }

  /** Cuts the connection. */
  terminate(): void {
    this.#webSocket.terminate()
  }

  /** Does what is due. */
  check(now: number): void {
    // Else a long rest would count when the burst is spent, and give a second one.
    this.#earn()
    // The peer has begun to close, and takes its time to end.
    if (this.#webSocket.readyState >= this.#webSocket.CLOSING) this.#beginClosing()
    if (this.#closingSince !== undefined) this.#checkClosing(now, this.#closingSince)
    else if (now >= this.#expiry) this.close(this.#expiryReason!)
    else if (this.#blockedSince !== undefined && now >= this.#blockedSince + DRAIN_TIMEOUT) this.#handler.onStuck?.()
    else if (now >= this.#nextPing) this.#ping(now)
  }

  // ─── reading ───

  #onMessage(message: Buffer, isBinary: boolean): void {
    if (this.#closingSince !== undefined) return
    if (!isBinary || message.length === 0) {
      this.close({ code: CloseCode.NOT_BINARY, text: 'a message is binary and has 1 byte or more' })
    } else if (message.length > MAX_RELAYED) {
      this.close({ code: CloseCode.TOO_LONG, text: `a message has at most ${MAX_RELAYED} bytes` })
    } else {
      this.#spend(message.length)
      this.#handler.onMessage(message, this)
    }
  }

  #onControl(data: Buffer): void {
    if (this.#closingSince === undefined) this.#spend(data.length)
  }

  /** Counts what was read, and stops reading when the rate is reached. Nothing that is here already is dropped. */
  #spend(bytes: number): void {
    this.#wasHeard = true
    this.#allowance -= bytes + MESSAGE_COST
    if (this.#allowance >= 0 || this.#holds & Hold.RATE) return
    this.#earn()
    if (this.#allowance >= 0) return
    this.#hold(Hold.RATE)
    this.#rest()
  }

  /** Adds what the time since the last look is worth. */
  #earn(): void {
    const { bytesPerSecond, byteBurst } = this.#limits
    const now = this.#clock.now()
    this.#allowance = Math.min(byteBurst, this.#allowance + ((now - this.#allowanceAt) * bytesPerSecond) / 1000)
    this.#allowanceAt = now
  }

  /** Waits until the debt is paid; it may have grown by what was read already. */
  #rest(): void {
    const delay = Math.max(MIN_REST, (-this.#allowance * 1000) / this.#limits.bytesPerSecond)
    this.#restTimer = this.#clock.setTimer(() => {
      this.#earn()
      if (this.#allowance < 0) this.#rest()
      else this.#release(Hold.RATE)
    }, delay)
  }

  #hold(why: number): void {
    this.#holds |= why
    this.#webSocket.pause()
  }

  #release(why: number): void {
    this.#holds &= ~why
    if (this.#holds === 0) this.#webSocket.resume()
  }

  // ─── writing ───

  #onDrain(): void {
    if (this.#blockedSince === undefined) return
    this.#blockedSince = undefined
    if (this.#closingSince === undefined) this.#handler.onDrained?.()
  }

  // ─── signs of life, and the end ───

  #ping(now: number): void {
    this.#nextPing += PING_INTERVAL
    // After a stall of the process there is one ping, not all those that were missed.
    if (this.#nextPing <= now) this.#nextPing = now + PING_INTERVAL
    // Who is not read from cannot show that it lives, and behind what waits a ping would not arrive.
    if (this.#holds !== 0 || this.#blockedSince !== undefined) return
    this.#misses = this.#wasHeard ? 0 : this.#misses + 1
    this.#wasHeard = false
    if (this.#misses >= MAX_MISSES) this.terminate()
    else this.#webSocket.ping()
  }

  #checkClosing(now: number, since: number): void {
    const timeout = this.#below.writableLength > 0 ? DRAIN_TIMEOUT : CLOSE_TIMEOUT
    if (now >= since + timeout) this.terminate()
  }

  #beginClosing(): void {
    if (this.#closingSince !== undefined) return
    this.#closingSince = this.#clock.now()
    // The peer's answer is behind what it has sent already.
    this.#webSocket.resume()
    this.#handler.onEnd?.()
  }

  #end(): void {
    this.#clock.clearTimer(this.#restTimer)
    this.#beginClosing()
  }
}

function flush(socket: RelaySocket): void {
  socket.flush()
}
