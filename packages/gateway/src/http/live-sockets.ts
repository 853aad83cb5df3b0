import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock } from '@usmp/core'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Access, Caller, Credentials } from '../access/access.js'
import type { Role } from '../contract/access.js'
import { CLOSE_LOGIN, CLOSE_SLOW, HEARTBEAT, type LiveMessage } from '../contract/live.js'
import { GatewayError } from '../errors.js'
import type { Operations } from '../operations.js'
import { outcomeFor } from '../requests/outcome-for.js'

/** Most sockets, and most of one user or token. */
const MAX_SOCKETS = 64
const MAX_PER_CALLER = 16
/** One message may take so long to leave, ms; by then the page is slow beyond use. */
const SLOW_AFTER = 10_000
/** A socket that has been closed is cut after so long, ms, should the page not answer. */
const CLOSE_TIMEOUT = 2_000
/** A page that is gone without a word is found out by so many heartbeats without an answer to a ping. */
const MAX_UNANSWERED = 30
/** The page sends nothing. */
const MAX_PAYLOAD = 125

const CLOSE_GOING_AWAY = 1001
const CLOSE_POLICY = 1008
const CLOSE_ERROR = 1011

interface Services {
  readonly operations: Operations
  readonly access: Access
  readonly clock: Clock
  /** ms since 1970. */
  readonly now: () => number
  readonly onError: (error: unknown) => void
}

/**
 * The sockets at `/api/live`. Each is fed by its own reader of `Operations.live`, one message after the other, so that a slow
 * page holds back nothing but itself. Callers are checked again with each heartbeat and each change of users, tokens and logins.
 */
export class LiveSockets {
  readonly #services: Services
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MAX_PAYLOAD, perMessageDeflate: false })
  readonly #sockets = new Set<LiveSocket>()
  readonly #closed = new AbortController()

  constructor(services: Services) {
    this.#services = services
    services.access.onChange(() => {
      for (const socket of this.#sockets) void socket.checkCaller()
    }, this.#closed.signal)
  }

  get size(): number {
    return this.#sockets.size
  }

  /**
   * Takes over a connection whose Origin was checked. Who is not logged in is told by the close code, as a page sees no status.
   * @throws GatewayError TOO_MANY
   */
  async accept(request: IncomingMessage, stream: Duplex, head: Buffer, credentials: Credentials): Promise<void> {
    const caller = await this.#services.access.authenticate(credentials)
    if (caller) this.#checkRoom(caller)
    this.#server.handleUpgrade(request, stream, head, (ws) => {
      const socket = new LiveSocket(ws, caller, credentials, this.#services)
      // One that is only told to log in is gone soon, and takes no place from those who are logged in.
      if (!caller) return
      this.#sockets.add(socket)
      ws.once('close', () => this.#sockets.delete(socket))
    })
  }

  #checkRoom({ actor }: Caller): void {
    const own = [...this.#sockets].filter(({ name }) => name === actor.name)
    if (this.#sockets.size >= MAX_SOCKETS || own.length >= MAX_PER_CALLER || this.#closed.signal.aborted)
      throw new GatewayError('TOO_MANY', 'Too many pages are open.', { hint: 'Close some.', retryAfter: 10 })
  }

  close(): void {
    this.#closed.abort()
    for (const socket of this.#sockets) socket.close(CLOSE_GOING_AWAY, 'the gateway stops')
  }
}

class LiveSocket {
  readonly name: string
  readonly #ws: WebSocket
  readonly #credentials: Credentials
  readonly #role: Role | null
  readonly #services: Services
  readonly #ended = new AbortController()
  #heartbeat: unknown
  #unanswered = 0

  constructor(ws: WebSocket, caller: Caller | undefined, credentials: Credentials, services: Services) {
    this.#ws = ws
    this.name = caller?.actor.name ?? ''
    this.#role = caller?.actor.role ?? null
    this.#credentials = credentials
    this.#services = services
    ws.on('error', () => ws.terminate())
    ws.on('message', () => this.close(CLOSE_POLICY, 'the page sends nothing'))
    ws.on('pong', () => {
      this.#unanswered = 0
    })
    ws.once('close', () => this.#end())
    if (caller) this.#start(caller.actor.role)
    else this.close(CLOSE_LOGIN, 'not logged in')
  }

  #start(role: Role): void {
    this.#schedule()
    this.#feed(role).catch((error) => {
      if (this.#ended.signal.aborted) return
      this.#services.onError(error)
      this.close(CLOSE_ERROR, 'fault of the gateway')
    })
  }

  /** Closes the socket if its caller may not read any more, or has another role. */
  async checkCaller(): Promise<void> {
    const caller = await this.#services.access.authenticate(this.#credentials, { use: false }).catch(() => null)
    // A store that cannot be read says nothing about the caller.
    if (caller !== null && caller?.actor.role !== this.#role) this.close(CLOSE_LOGIN, 'the login has ended')
  }

  close(code: number, reason: string): void {
    if (this.#ended.signal.aborted) return
    this.#end()
    this.#ws.close(code, reason)
    this.#services.clock.setTimer(() => this.#ws.terminate(), CLOSE_TIMEOUT)
  }

  #end(): void {
    this.#ended.abort()
    this.#services.clock.clearTimer(this.#heartbeat)
  }

  async #feed(role: Role): Promise<void> {
    for await (const message of this.#services.operations.live(this.#ended.signal)) {
      await this.#send(messageFor(role, message))
      if (this.#ended.signal.aborted) return
    }
    if (!this.#ended.signal.aborted) throw new Error('The live feed of the gateway has ended.')
  }

  /** Resolves when the message has left, or the socket is closed. */
  #send(message: LiveMessage): Promise<void> {
    const { clock } = this.#services
    return new Promise((resolve) => {
      const timer = clock.setTimer(() => {
        this.close(CLOSE_SLOW, 'too slow')
        resolve()
      }, SLOW_AFTER)
      this.#ws.send(JSON.stringify(message), () => {
        clock.clearTimer(timer)
        resolve()
      })
    })
  }

  #schedule(): void {
    this.#heartbeat = this.#services.clock.setTimer(() => this.#beat(), HEARTBEAT)
  }

  #beat(): void {
    if (this.#unanswered++ >= MAX_UNANSWERED) return this.#ws.terminate()
    // What waits to leave says that the gateway lives as well as a heartbeat does.
    if (this.#ws.bufferedAmount === 0) {
      this.#ws.ping()
      this.#ws.send(JSON.stringify({ type: 'heartbeat', now: this.#services.now() } satisfies LiveMessage))
    }
    void this.checkCaller()
    this.#schedule()
  }
}

function messageFor(role: Role, message: LiveMessage): LiveMessage {
  return message.type === 'request' ? { ...message, outcome: outcomeFor(role, message.outcome) } : message
}
